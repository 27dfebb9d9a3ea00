"""Loops: found at the call that would go on with them, and only there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.calls import Call, Done, Failed, Usage
from fairlead.core.loops import Trace, loop_of, remembered, trace_of


def stopped_at(calls: Sequence[str], repeats: int = 3) -> int | None:
    """Return how many calls are made before a loop is found; None when none is.

    Args:
        calls: Each is a tool's name and arguments, and the digit that it returns.
        repeats: How often the same may come in a row.
    """
    recent: tuple[Trace, ...] = ()
    for number, (name, result) in enumerate(calls):
        if loop_of(recent, name, repeats) is not None:
            return number
        trace = Trace(name=name, asked=name, answered=result)
        recent = (*recent, trace)[-remembered(repeats) :]
    return None


@pytest.mark.parametrize(
    ("calls", "repeats", "expected"),
    [
        ("a1 a1 a1 a1 a1", 3, 3),
        ("a1 a1 a1", 3, None),
        ("a1 a1 a1 b1", 3, None),
        ("a1 a1 a2 a2 a2", 3, None),
        ("a1 a1 a2 a2 a2 a2", 3, 5),
        ("a1 a2 a3 a4 a5", 3, None),
        ("a1 b1 a1 b1 a1", 3, 3),
        ("a1 b1 a1 b2", 3, 3),  # the same is asked again when all else was the same
        ("a1 b1 a2 b1 a3 b1", 3, None),
        ("a1 b1 a1 c1 a1 b1", 3, None),
        ("a1 b1 c1 a1 b1 c1 a1", 3, None),
        ("a1 b1 a1 b1 a1 b1 a1", 5, 5),
        ("a1 b1 b1 a1 b1 b1", 3, None),
        ("a1 a1", 1, 1),
        ("a1 b1 a1 b1", 1, 3),
        ("a1 a1 a1", 2, 2),
        ("a1 b1 a1 a1 a1 a1", 3, 5),
    ],
)
def test_where_a_loop_is_found(calls: str, repeats: int, expected: int | None) -> None:
    assert stopped_at(calls.split(), repeats) == expected


@given(
    calls=st.lists(st.sampled_from(["a1", "b1", "c1"]), max_size=12),
    repeats=st.integers(3, 6),
    cycle=st.sampled_from([["a1"], ["a1", "b1"], ["b1", "c1"]]),
)
def test_a_loop_makes_at_most_as_many_calls_as_are_allowed(
    calls: list[str], repeats: int, cycle: list[str]
) -> None:
    """Whatever came before, a cycle of one or two is stopped within its next `repeats` calls."""
    found = stopped_at([*calls, *cycle * (repeats + 1)], repeats)
    assert found is not None
    assert found <= len(calls) + repeats


@given(
    names=st.lists(st.sampled_from("abc"), max_size=30),
    repeats=st.integers(1, 6),
)
def test_calls_whose_results_change_are_no_loop(names: list[str], repeats: int) -> None:
    calls = [(name, str(number)) for number, name in enumerate(names)]
    recent: tuple[Trace, ...] = ()
    for name, result in calls:
        found = loop_of(recent, name, max(repeats, 2))
        assert found is None
        recent = (*recent, Trace(name=name, asked=name, answered=result))


def call(arguments: object) -> Call:
    return Call(
        run_id="r",
        number=1,
        kind="tool",
        name="t",
        arguments=arguments,
        effect="read",
        lineage="r",
    )


def test_what_is_remembered_of_a_call() -> None:
    one = trace_of(call({"x": 1}), Done(value=[1]))
    assert one == trace_of(call({"x": 1}), Done(value=[1], usage=Usage(cost_usd=1.0)))
    assert one != trace_of(call({"x": 2}), Done(value=[1]))
    assert one != trace_of(call({"x": 1}), Done(value=[2]))
    assert one != trace_of(call({"x": 1}), Failed(code="FL-603", reason="no"))
