"""Policies that are only tried: decided beside, recorded once, and they change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import Denied
from fairlead.core.policy import Decision, Query
from fairlead.core.release import Manifest
from fairlead.guardrails.decide import Bundle
from fairlead.ports.journal import QUERY_BYTES_MAX, CallVerdict
from fairlead.runtime.execute import rules_of
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo
from tests.unit.runtime.test_boundary import Bench

EVERYTHING = frozenset(("read", "once", "idempotent", "m"))


class Broken:
    """Policies that cannot be asked; they count how often somebody did."""

    rules = ()

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, query: Query) -> Decision:
        self.asked += 1
        raise RuntimeError("canary-4711")


def bench_of(shadow: Any, *, above: Any = None, **values: Any) -> Bench:
    """Return a bench with policies that are only tried, and a baseline."""
    bench = Bench(**values)
    rules = bench.scope.rules
    bundle = replace(rules.bundle, baseline=above)
    tried = None if shadow is None else replace(bundle, authorizer=shadow, digest="next")
    bench.scope = replace(bench.scope, rules=replace(rules, bundle=bundle, shadow=tried))
    bench.again(bench.engine)
    return bench


def verdict(bench: Bench, number: int = 1) -> CallVerdict:
    return bench.journal.decisions["r1", number]


@pytest.mark.parametrize(
    ("shadow", "effect", "rules"),
    [
        (FakeAuthorizer(denied=EVERYTHING), "deny", ("denied-by-name",)),
        (FakeAuthorizer(asking=EVERYTHING), "ask", ("asks-by-name",)),
        (Broken(), "deny", ("error",)),
    ],
)
def test_a_shadow_that_denies_asks_or_raises_changes_nothing(
    shadow: Any, effect: str, rules: tuple[str, ...]
) -> None:
    plain, bench = Bench(), bench_of(shadow)
    for one in (plain, bench):
        assert one.call("read", {"a": 1}, lambda _: "read") == "read"
        assert one.call("once", {"to": "x"}, lambda _: "paid") == "paid"
        assert one.executed == 2
    assert plain.engine.steps == bench.engine.steps
    assert plain.journal.records == bench.journal.records
    found = verdict(bench)
    assert (found.said, found.effect) == ("allowed", "allow")
    assert found.shadow == CallVerdict(said="tried", effect=effect, rules=rules, policy="next")
    assert "canary" not in str(found)
    assert verdict(plain).shadow is None


def test_a_shadow_that_allows_lets_nothing_pass_that_is_denied() -> None:
    bench = bench_of(FakeAuthorizer(), denied=("once",))
    with pytest.raises(Denied):
        bench.call("once", {}, lambda _: "paid")
    assert bench.executed == 0
    found = verdict(bench)
    assert (found.effect, found.shadow and found.shadow.effect) == ("deny", "allow")


def test_what_says_the_same_is_no_difference() -> None:
    bench = bench_of(FakeAuthorizer())
    bench.call("read", {}, lambda _: 1)
    assert verdict(bench).shadow is None


def test_the_baseline_stands_above_what_is_tried_too() -> None:
    bench = bench_of(FakeAuthorizer(), above=FakeAuthorizer(denied=frozenset(["once"])))
    with pytest.raises(Denied):
        bench.call("once", {}, lambda _: "paid")
    assert verdict(bench).effect == "deny"
    assert verdict(bench).shadow is None


def test_a_shadow_is_asked_once_and_never_on_replay() -> None:
    shadow = Broken()
    bench = bench_of(shadow)
    bench.call("read", {}, lambda _: 1)
    assert shadow.asked == 1
    # The engine's record is there, or only ours: neither asks again.
    for keep in (1, 0):
        bench.again(bench.engine.replay(keep=keep))
        bench.call("read", {}, lambda _: 2)
        assert shadow.asked == 1
    assert bench.executed == 1


def test_what_was_decided_is_on_record_unless_it_is_too_large() -> None:
    bench = bench_of(None)
    bench.call("read", {"a": 1}, lambda _: 1)
    query = verdict(bench).query
    assert (query["action"], query["resource"], query["context"]["arguments"]) == (
        "call", "read", {"a": 1},
    )  # fmt: skip
    bench.call("read", {"a": "x" * QUERY_BYTES_MAX}, lambda _: 1)
    assert verdict(bench, 2).query is None
    assert verdict(bench, 2).effect == "allow"


def test_a_shadow_that_does_not_compile_stops_no_run() -> None:
    def compiled(policies: Any) -> FakeAuthorizer:
        if "bad" in policies:
            raise ValueError("canary-4711")
        return FakeAuthorizer()

    manifest: Manifest = manifest_of(echo)
    assert rules_of(replace(manifest, shadow={"bad": "x"}), compiled).shadow is None
    good = rules_of(replace(manifest, shadow={"good": "x"}), compiled)
    assert isinstance(good.shadow, Bundle)
    assert good.shadow.digest != good.bundle.digest
    assert rules_of(manifest, compiled).shadow is None
