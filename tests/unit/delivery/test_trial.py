"""Policies are tried on recorded calls: changes are listed, what cannot be tried is counted."""

from __future__ import annotations

from typing import Any

from fairlead.core.policy import Query, query_json
from fairlead.delivery.trial import try_calls
from fairlead.guardrails.decide import Bundle
from fairlead.ports.recorded import RecordedCall
from fairlead.testing import FakeAuthorizer

OLD = Bundle(contracts={}, authorizer=FakeAuthorizer())
NEW = Bundle(
    contracts={},
    authorizer=FakeAuthorizer(denied=frozenset(["pay"]), asking=frozenset(["send"])),
)


def call(name: str, **values: Any) -> RecordedCall:
    query = query_json(Query(user="ann", tenant="acme", action="call", resource=name))
    given = {"run_id": "r1", "release": "d1", "workflow": "w", "number": 1, "kind": "tool"}
    return RecordedCall(**{**given, "name": name, "query": query, **values})


def test_what_would_be_decided_otherwise_is_listed() -> None:
    found = try_calls(
        [call("look"), call("pay", number=2), call("send", run_id="r2")], lambda _: (OLD, NEW)
    )
    assert (found.runs, found.calls, found.untried) == (2, 3, 0)
    assert [(one.run_id, one.number, one.before, one.after) for one in found.changes] == [
        ("r1", 2, "allow", "deny"),
        ("r2", 1, "allow", "ask"),
    ]
    assert found.changes[0].rules == ("denied-by-name",)


def test_what_is_not_on_record_is_counted_and_never_passes_for_tried() -> None:
    calls = [
        call("pay", query=None),
        call("pay", query={"action": "fly", "context": {}}),
        call("pay", query=[1]),
        call("pay", release="gone"),
    ]
    found = try_calls(calls, lambda digest: None if digest == "gone" else (OLD, NEW))
    assert (found.calls, found.untried, found.changes) == (0, 4, ())


def test_a_release_is_compiled_once() -> None:
    asked: list[str] = []

    def bundles(digest: str) -> tuple[Bundle, Bundle]:
        asked.append(digest)
        return OLD, NEW

    try_calls([call("look"), call("pay"), call("look", release="d2")], bundles)
    assert asked == ["d1", "d2"]
