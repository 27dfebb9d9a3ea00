"""A tool that names a scope needs a grant for it, whatever the policies permit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead import Principal
from fairlead.core.errors import Denied
from tests.unit.runtime.test_boundary import Bench


def bench_of(scope: str, scopes: tuple[str, ...] | None) -> Bench:
    """Return a bench whose tool names a scope, and whose asker has grants."""
    bench = Bench()
    contracts = dict(bench.scope.rules.contracts)
    contracts["once"] = replace(contracts["once"], scope=scope)
    principal = Principal(scopes=scopes, issuer="fairlead")
    bench.scope = replace(
        bench.scope,
        rules=replace(
            bench.scope.rules, bundle=replace(bench.scope.rules.bundle, contracts=contracts)
        ),
        context=replace(bench.scope.context, principal=principal),
    )
    bench.again(bench.engine)
    return bench


@pytest.mark.parametrize("scopes", [(), ("refunds:read",), ("orders:*",)])
def test_what_was_not_granted_is_not_done(scopes: tuple[str, ...]) -> None:
    bench = bench_of("refunds:write", scopes)
    with pytest.raises(Denied, match="refunds:write was not granted"):
        bench.call("once")
    assert bench.executed == 0
    assert bench.journal.records["r1", 1].state == "denied"
    assert bench.effects.records == {}


@pytest.mark.parametrize("scopes", [None, ("refunds:write",), ("refunds:*",), ("*",)])
def test_what_was_granted_goes_on_to_the_policies(scopes: tuple[str, ...] | None) -> None:
    bench = bench_of("refunds:write", scopes)
    assert bench.call("once") == "done"


def test_a_tool_without_a_scope_needs_no_grant() -> None:
    assert bench_of("", ()).call("once") == "done"
