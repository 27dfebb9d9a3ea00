"""A body that never answers is given up after `limits.call_timeout`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from fairlead import Context
from fairlead.core.errors import CallFailed, EffectUnknown
from fairlead.ports.boundary import Driven
from tests.unit.runtime.test_boundary import Bench

TIMEOUT = timedelta(milliseconds=3)
TOO_LONG_S = 5.0
"""Only a boundary without the bound waits for this long."""


class Waiting:
    """A body that waits for something that comes at one try, or never.

    Attributes:
        begun: How often it was executed.
        given_up: How often it was told to stop.
    """

    def __init__(self, answers_at: int = 0) -> None:
        self.begun = 0
        self.given_up = 0
        self._answers_at = answers_at

    async def __call__(self, _: Context) -> Driven:
        self.begun += 1
        if self.begun == self._answers_at:
            return Driven(value="done")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        raise AssertionError("it never comes")


def call(bench: Bench, name: str, body: Waiting) -> Any:
    """Make a call, and give up long after the boundary should have."""

    async def bounded(made: Awaitable[Any]) -> Any:
        async with asyncio.timeout(TOO_LONG_S):
            return await made

    return asyncio.run(bounded(bench.boundary.call("tool", name, {}, body)))


@pytest.mark.parametrize("attempts", [1, 3])
def test_invariant_11_a_read_that_never_answers_is_tried_again_and_then_fails(
    attempts: int,
) -> None:
    bench, body = Bench(call_timeout=TIMEOUT, attempts=attempts), Waiting()
    with pytest.raises(CallFailed, match=r"no answer within 0:00:00\.003") as error:
        call(bench, "read", body)
    assert error.value.code == "FL-618"
    assert (body.begun, body.given_up) == (attempts, attempts)
    record = bench.journal.records["r1", 1]
    assert (record.state, record.attempts) == ("failed", attempts)


def test_each_try_has_the_whole_time() -> None:
    bench, body = Bench(call_timeout=TIMEOUT, attempts=3), Waiting(answers_at=3)
    assert call(bench, "read", body) == "done"
    assert (body.begun, body.given_up) == (3, 2)


def test_invariant_02_an_effect_that_never_answers_is_repeated_only_under_its_key() -> None:
    expected = {"once": (EffectUnknown, "unknown", 1), "idempotent": (CallFailed, "failed", 3)}
    for name, (error, state, tries) in expected.items():
        bench, body = Bench(call_timeout=TIMEOUT, attempts=3), Waiting()
        with pytest.raises(error, match="no answer within"):
            call(bench, name, body)
        assert (body.begun, body.given_up) == (tries, tries), name
        assert bench.journal.records["r1", 1].state == state, name


def test_a_run_goes_on_after_a_call_that_was_given_up() -> None:
    bench = Bench(call_timeout=TIMEOUT, attempts=1)
    with pytest.raises(CallFailed):
        call(bench, "read", Waiting())
    assert call(bench, "read", Waiting(answers_at=1)) == "done"
    states = [record.state for record in bench.journal.of_run("r1")]
    assert states == ["failed", "done"]
