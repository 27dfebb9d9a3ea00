"""Whether the loop that executes the runs still turns, felt from outside of it."""

from __future__ import annotations

import asyncio

from fairlead.runtime.pulse import Pulse
from fairlead.testing import FakeClock


def test_without_a_loop_nothing_stands_still() -> None:
    clock = FakeClock()
    pulse = Pulse(clock=clock)
    assert pulse.still_s() == 0.0
    clock.time += 100
    assert pulse.still_s() == 0.0


def test_a_loop_that_turns_is_not_still_and_one_that_does_not_is() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        pulse = Pulse(clock=clock)
        pulse.feel()
        for _ in range(3):
            # This code blocks the loop: the question stands unanswered, however often it is asked.
            assert pulse.still_s() == 0.0
            clock.time += 5
            assert pulse.still_s() == 5.0
            clock.time += 5
            assert pulse.still_s() == 10.0
            await asyncio.sleep(0)
            # It turned, so the time counts from the next question.
            clock.time += 100

    asyncio.run(scenario())


def test_a_run_that_begins_is_a_turn() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        pulse = Pulse(clock=clock)
        pulse.feel()
        assert pulse.still_s() == 0.0
        clock.time += 5
        pulse.feel()
        assert pulse.still_s() == 0.0

    asyncio.run(scenario())


def test_a_loop_that_was_closed_does_not_count() -> None:
    clock = FakeClock()
    pulse = Pulse(clock=clock)

    async def begin() -> None:
        pulse.feel()
        assert pulse.still_s() == 0.0

    asyncio.run(begin())
    clock.time += 100
    assert pulse.still_s() == 0.0
