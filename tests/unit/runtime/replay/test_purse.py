"""The purse: what is held, what is settled, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fairlead.core.calls import Done, Failed, Usage
from fairlead.core.errors.call import AnswerFiltered, CallFailed
from fairlead.core.replay import COST_USD, UNPRICED_CALLS, ReplayTerms
from fairlead.runtime.replay import Missed, Tape
from fairlead.runtime.replay.purse import Purse
from fairlead.runtime.replay.tape import Modes, TapeClock
from tests.unit.runtime.replay.tapes import call, recording

TURN = call("model", "m")


def tape(purse: Purse, **modes: Any) -> Tape:
    return Tape(recording(), Modes(model="live", purse=purse, **modes), TapeClock(at=100.0))


def cost(usd: float) -> Done:
    return Done(value="said", usage=Usage(cost_usd=usd))


def test_invariant_11_turns_side_by_side_do_not_pass_the_bound_together() -> None:
    """Each is expected to cost 0.5 and costs 0.125: so five fit, of which two are under way."""
    purse = Purse(most_usd=1.0)
    under_way: list[int] = []
    paused: list[bool] = []

    @contextmanager
    def pause() -> Iterator[None]:
        paused.append(True)
        yield

    async def play(number: int) -> str:
        made = tape(purse, pause=pause)
        await made.of(TURN, undoing=False)
        try:
            await made.hold(TURN, 0.5)
        except Missed:
            return made.missed
        under_way.append(number)
        assert len(under_way) <= 2
        await asyncio.sleep(0)
        under_way.remove(number)
        made.ended(TURN, cost(0.125))
        return ""

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(play, range(8)))

    said = asyncio.run(all_of_them())
    assert [bool(one) for one in said] == [False] * 5 + [True] * 3
    assert set(said[5:]) == {"the replays may cost 1 USD, and no more is left for a live model"}
    assert (purse.spent_usd, purse.held_usd) == (0.625, 0.0)
    assert len(paused) == 8, "to wait for others takes no time of the replay"


@pytest.mark.parametrize(
    ("failure", "spent"),
    [(AnswerFiltered.code, 0.5), (CallFailed.code, 0.0)],
)
def test_a_turn_that_failed_costs_what_was_held_if_the_provider_worked(
    failure: str, spent: float
) -> None:
    purse = Purse(most_usd=1.0)
    made = tape(purse)

    async def fail() -> None:
        await made.of(TURN, undoing=False)
        await made.hold(TURN, 0.5)
        made.ended(TURN, Failed(code=failure, reason="no"))

    asyncio.run(fail())
    assert (purse.spent_usd, purse.held_usd, made.cost_usd) == (spent, 0.0, spent)


def test_each_try_is_held_and_settled_once() -> None:
    purse = Purse(most_usd=1.0)
    made = tape(purse)

    async def tries() -> None:
        await made.of(TURN, undoing=False)
        for charged in (True, False):
            await made.hold(TURN, 0.25)
            made.stumbled(TURN, charged=charged)
        made.ended(TURN, Failed(code=AnswerFiltered.code, reason="the last try was settled"))

    asyncio.run(tries())
    assert (purse.spent_usd, purse.held_usd) == (0.25, 0.0)


def test_a_turn_that_is_under_way_when_its_replay_ends_costs_what_was_held() -> None:
    purse = Purse(most_usd=1.0)
    made, waiting = tape(purse), tape(purse)

    async def end() -> None:
        await made.of(TURN, undoing=False)
        await made.hold(TURN, 0.75)
        late = asyncio.ensure_future(waiting.hold(TURN, 0.5))
        await asyncio.sleep(0)
        assert not late.done()
        made.close()
        # Its answer comes after all, and is not counted again.
        made.ended(TURN, cost(0.75))
        with pytest.raises(Missed):
            await asyncio.wait_for(late, 5.0)

    asyncio.run(end())
    assert (purse.spent_usd, purse.held_usd, made.cost_usd) == (0.75, 0.0, 0.75)


def test_a_replay_that_ended_while_it_waited_asks_no_model() -> None:
    purse = Purse(most_usd=1.0)
    made, waiting = tape(purse), tape(purse)

    async def end() -> None:
        await made.of(TURN, undoing=False)
        await made.hold(TURN, 0.75)
        late = asyncio.ensure_future(waiting.hold(TURN, 0.5))
        await asyncio.sleep(0)
        waiting.close()
        made.ended(TURN, cost(0.25))
        with pytest.raises(Missed):
            await asyncio.wait_for(late, 5.0)

    asyncio.run(end())
    assert (purse.spent_usd, purse.held_usd) == (0.25, 0.0)


def test_invariant_11_a_model_without_a_price_is_bounded_in_turns() -> None:
    purse = Purse(most_usd=0.0, most_unpriced=2)
    for _ in range(2):
        asyncio.run(tape(purse).hold(TURN, None))
    made = tape(purse)
    with pytest.raises(Missed):
        asyncio.run(made.hold(TURN, None))
    assert made.missed == (
        "the replays may ask models without a known price 2 times, and none is left"
    )
    assert purse.unpriced == {"m": 2}
    # What costs nothing needs no money.
    asyncio.run(tape(purse).hold(TURN, 0.0))


def test_a_bound_in_dollars_that_is_given_leaves_no_turn_without_a_price() -> None:
    terms = [ReplayTerms(), ReplayTerms(cost_usd=2.0), ReplayTerms(cost_usd=2.0, unpriced_calls=5)]
    assert [(one.most_usd, one.most_unpriced) for one in terms] == [
        (COST_USD, UNPRICED_CALLS),
        (2.0, 0),
        (2.0, 5),
    ]
