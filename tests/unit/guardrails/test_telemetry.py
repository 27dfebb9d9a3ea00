"""The telemetry contract finds what was not emitted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.release import SignalRule
from fairlead.guardrails.telemetry import PLATFORM_RULES, telemetry_findings
from fairlead.ports.journal import CallRecord
from fairlead.ports.telemetry import Signal

ATTRIBUTES = {rule.span: frozenset(rule.attributes) for rule in PLATFORM_RULES}
SPANS = {rule.when: rule.span for rule in PLATFORM_RULES}


def record(kind: str = "model", run_id: str = "12ab", **fields: Any) -> CallRecord:
    values: dict[str, Any] = {
        "key": f"{run_id}:1",
        "run_id": run_id,
        "number": 1,
        "kind": kind,
        "name": "x",
        "effect": "read",
        "state": "done",
        "arguments_digest": "",
        "result": None,
        "attempts": 1,
        "started_at": 0.0,
        "finished_at": 1.0,
        **fields,
    }
    return CallRecord(**values)


def signal(operation: str = "chat", run_id: str = "12ab", *, without: str = "") -> Signal:
    return Signal(operation=operation, run_id=run_id, attributes=ATTRIBUTES[operation] - {without})


def test_kept() -> None:
    calls = [record(kind) for kind in ("model", "tool", "retrieval")]
    signals = [signal(span) for span in SPANS.values()]
    assert telemetry_findings(PLATFORM_RULES, calls, signals, ["12ab"]) == []
    assert telemetry_findings(PLATFORM_RULES, [], [], []) == []


@pytest.mark.parametrize("kind", ["model", "tool", "retrieval"])
def test_missing_span(kind: str) -> None:
    assert telemetry_findings(PLATFORM_RULES, [record(kind)], [], []) == [
        f"run 12ab made a {kind} call and emitted no `{SPANS[kind]}` span"
    ]


def test_missing_span_of_the_run() -> None:
    assert telemetry_findings(PLATFORM_RULES, [], [], ["12ab"]) == [
        "run 12ab ended and emitted no `invoke_workflow` span"
    ]


def test_fewer_spans_than_calls() -> None:
    calls = [record(number=1), record(number=2), record(number=3, state="failed")]
    assert telemetry_findings(PLATFORM_RULES, calls, [signal()], []) == [
        "run 12ab made 3 model calls and emitted 1 of 3 `chat` spans"
    ]
    assert telemetry_findings(PLATFORM_RULES, calls, [], []) == [
        "run 12ab made 3 model calls and emitted no `chat` span"
    ]


def test_more_spans_than_calls_are_no_finding() -> None:
    assert telemetry_findings(PLATFORM_RULES, [record()], [signal(), signal()], []) == []


def test_a_span_of_another_run_does_not_help() -> None:
    found = telemetry_findings(PLATFORM_RULES, [record()], [signal(run_id="other")], [])
    assert found == ["run 12ab made a model call and emitted no `chat` span"]


@pytest.mark.parametrize("state", ["intended", "denied", "unknown"])
def test_a_call_that_was_not_executed_obliges_to_nothing(state: str) -> None:
    assert telemetry_findings(PLATFORM_RULES, [record(state=state)], [], []) == []


def test_missing_attribute_is_said_once() -> None:
    bare = signal("retrieval", without="fairlead.release.id")
    calls = [record("retrieval")] * 2
    assert telemetry_findings(PLATFORM_RULES, calls, [bare, bare], []) == [
        "span `retrieval` lacks fairlead.release.id"
    ]


def test_rules_of_the_app() -> None:
    own = SignalRule(span="retrieval", attributes=("app.region",), when="tool")
    found = telemetry_findings(
        (*PLATFORM_RULES, own), [record("tool")], [signal("execute_tool")], []
    )
    assert found == ["run 12ab made a tool call and emitted no `retrieval` span"]
    found = telemetry_findings((own,), [record("tool")], [signal("retrieval")], [])
    assert found == ["span `retrieval` lacks app.region"]


def test_a_rule_that_nothing_can_oblige_to_is_a_finding() -> None:
    own = SignalRule(span="x", attributes=(), when="tols")
    assert telemetry_findings((own,), [], [], []) == [
        "the rule for span `x` says when = tols; it is one of run, model, tool, retrieval"
    ]


@given(
    kinds=st.lists(st.sampled_from(["model", "tool", "retrieval"]), max_size=8),
    lost=st.integers(min_value=0, max_value=8),
)
def test_every_lost_span_is_noticed(kinds: list[str], lost: int) -> None:
    calls = [record(kind, number=number) for number, kind in enumerate(kinds, 1)]
    signals = [signal(SPANS[kind]) for kind in kinds]
    del signals[lost : lost + 1]
    found = telemetry_findings(PLATFORM_RULES, calls, signals, [])
    assert bool(found) == (lost < len(kinds))
