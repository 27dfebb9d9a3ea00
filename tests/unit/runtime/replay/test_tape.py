"""The tape: what a recording answers, and what it does not make up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.core.calls import Call, CallKind, Done, Failed, Refused, Result, Unknown, Usage
from fairlead.core.digests import Json, digest
from fairlead.core.errors import BudgetExhausted, Denied, KillSwitchPulled
from fairlead.core.label import Label
from fairlead.core.replay import OnMiss, ReplayTerms, ToolPolicy
from fairlead.ports.recordings import Recording
from fairlead.ports.waits import Wait
from fairlead.runtime.replay import Missed, Tape
from fairlead.runtime.replay.purse import Purse
from fairlead.runtime.replay.tape import Modes, TapeClock
from tests.unit.runtime.replay.tapes import call, recording, taped

ONE, TWO = {"order": 1}, {"order": 2}


def tape(recorded: Recording, **modes: Any) -> Tape:
    return Tape(recorded, Modes(**modes), TapeClock(at=100.0))


def ask(made: Tape, asked: Call, *, undoing: bool = False) -> Result | None:
    return asyncio.run(made.of(asked, undoing=undoing))


def missed(made: Tape, asked: Call) -> str:
    with pytest.raises(Missed):
        ask(made, asked)
    return made.missed


def test_a_call_is_found_by_what_it_asks_in_order_among_equals() -> None:
    made = tape(
        recording(
            taped(call(arguments=ONE), Done(value="first")),
            taped(call(arguments=TWO, number=2), Done(value="other")),
            taped(call(arguments=ONE, number=3), Done(value="second")),
        )
    )
    asked = [call(arguments=TWO), call(arguments=ONE, number=2), call(arguments=ONE, number=3)]
    assert [ask(made, one).value for one in asked] == ["other", "first", "second"]  # type: ignore[union-attr]
    # The time is that of the recording, and never goes back.
    assert made.clock.at == 103.5
    # The same call again, as when an effect stays unknown, has the same answer.
    assert ask(made, asked[1]) == Done(value="first")
    assert "call 4, is not on record with these arguments" in missed(
        made, call(arguments=ONE, number=4)
    )


@pytest.mark.parametrize("kind", ["model", "tool", "retrieval", "step", "child"])
@pytest.mark.parametrize("on_miss", ["fail", "live-read"])
def test_what_is_not_on_record_is_undecided(kind: CallKind, on_miss: OnMiss) -> None:
    made = tape(recording(), terms=ReplayTerms(on_miss=on_miss))
    asked = call(kind, "x", effect="read")
    if on_miss == "live-read" and kind in ("tool", "retrieval"):
        assert ask(made, asked) is None and made.live == {1}
    else:
        assert f"{kind} x, call 1, is not on record at all" in missed(made, asked)


def test_nothing_that_changes_anything_is_ever_executed() -> None:
    for effect in ("idempotent", "once"):
        terms = ReplayTerms(on_miss="live-read", tools={"look": ToolPolicy(mode="live")})
        assert "is never executed" in missed(
            tape(recording(), terms=terms),
            call(effect=effect),  # type: ignore[arg-type]
        )
        terms = ReplayTerms(on_miss="live-read")
        assert "not on record" in missed(tape(recording(), terms=terms), call(effect=effect))  # type: ignore[arg-type]


def test_a_stub_a_live_tool_and_somebody_who_is_asked() -> None:
    async def knows(_: Call) -> tuple[Json] | None:
        return ("said",)

    async def knows_not(_: Call) -> tuple[Json] | None:
        return None

    stub = ReplayTerms(tools={"look": ToolPolicy(mode="stub", value=7)})
    assert ask(tape(recording(), terms=stub), call(effect="once")) == Done(value=7)
    live = ReplayTerms(tools={"look": ToolPolicy(mode="live")})
    assert ask(tape(recording(taped(call())), terms=live), call()) is None
    asking = ReplayTerms(on_miss="ask")
    assert ask(tape(recording(), terms=asking, ask=knows), call()) == Done(value="said")
    assert "not on record" in missed(tape(recording(), terms=asking, ask=knows_not), call())
    assert ask(tape(recording(taped(call("model", "m"))), model="live"), call("model", "m")) is None


@pytest.mark.parametrize(
    "terms",
    [ReplayTerms(on_miss="live-read"), ReplayTerms(tools={"look": ToolPolicy(mode="live")})],
)
def test_what_had_an_effect_is_not_executed_because_a_candidate_says_that_it_reads(
    terms: ReplayTerms,
) -> None:
    made = tape(recording(), terms=terms, writes=frozenset(("look",)))
    assert "not on record" in missed(made, call()) or "never executed" in made.missed


def test_results_come_back_as_the_driver_s_and_decisions_do_not() -> None:
    label = {"": Label(readers=("nobody",))}
    same = (
        # What another run did under a business key is not this one's to undo, here as there.
        (Done(value=1, found="ledger", labels=label), Done(value=1, found="ledger")),
        (Failed(code="FL-603", reason="no", labels=label), Failed(code="FL-603", reason="no")),
        (Unknown(reason="?"), Unknown(reason="?")),
    )
    for recorded, given in same:
        found = ask(tape(recording(taped(call(), recorded))), call())
        assert found == given
    for code in (BudgetExhausted.code, KillSwitchPulled.code):
        refused = Refused(code=code, reason="empty")
        assert ask(tape(recording(taped(call(), refused))), call()) == refused
    # What a policy denied was never executed: there is no answer to it.
    denied = Refused(code=Denied.code, reason="no")
    assert "not on record" in missed(tape(recording(taped(call(), denied))), call())


def test_memory_is_answered_where_it_is_declared_the_same_and_read_else() -> None:
    asked = call("memory", "recall", {"text": "q"})
    recorded = recording(taped(asked, Done(value=["then"])))
    assert ask(tape(recorded), asked) == Done(value=["then"])
    assert ask(tape(recorded, memory=False), asked) is None
    assert ask(tape(recorded), call("memory", "recall", {"text": "other"})) is None
    # A provider that embeds questions is asked by nobody.
    assert "a provider embeds" in missed(tape(recorded, memory=False, embeds=False), asked)
    assert ask(tape(recorded, embeds=False), call("memory", "get", {"ids": ["m"]})) is None


def test_what_is_remembered_is_not_and_may_not_be_read_then() -> None:
    made = tape(recording())
    written = call("memory", "remember", {"text": "t"}, effect="idempotent")
    assert ask(made, written) == Done(
        value={"id": "replay-1", "state": "active", "merged": False, "superseded": ""}
    )
    forgotten = call("memory", "forget", {"ids": ["m-1"]}, number=2, effect="idempotent")
    assert ask(made, forgotten) == Done(value=["m-1"])
    asked = call("memory", "recall", {"text": "q"}, number=3)
    assert "did not really remember" in missed(made, asked)
    recorded = recording(taped(written, Done(value={"id": "m-9"})))
    assert ask(tape(recorded), written) == Done(value={"id": "m-9"})


def test_what_undoes_or_follows_a_run_is_not_done() -> None:
    made = tape(recording())
    assert ask(made, call(effect="once"), undoing=True) == Done(value=None)
    assert ask(made, call("child", "sum", number=2), undoing=True) == Done(value="")


def test_waits_and_steps_answer_in_their_order() -> None:
    paid = call(name="pay", arguments=ONE, number=2, effect="once")

    def wait(key: str, kind: Any, topic: str, answer: Json) -> Wait:
        return Wait(
            run_id="r1", key=key, kind=kind, topic=topic, due_at=9.0, answered=True, answer=answer
        )

    made = tape(
        recording(
            taped(call()),
            taped(paid),
            waits=(wait("w1", "signal", "go", 1), wait("a2", "approval", "x", 2)),
            steps=(("now", 5.0), ("random", 0.5), ("now", 6.0)),
        )
    )
    found = made.waited("approval", "tool", "pay", digest(["tool", "pay", ONE]))
    assert found is not None and found.answer == 2
    assert made.waited("approval", "tool", "pay", digest(["tool", "pay", TWO])) is None
    found = made.waited("signal", "go")
    assert found is not None and found.answer == 1
    assert made.waited("signal", "go") is None
    assert [made.step("now"), made.step("now"), made.step("now")] == [(5.0,), (6.0,), None]
    assert made.step("random") == (0.5,)


def test_invariant_11_a_live_model_is_asked_while_money_is_left() -> None:
    purse = Purse(most_usd=0.5)
    first, second = (tape(recording(), model="live", purse=purse) for _ in range(2))
    asked = call("model", "m")
    assert ask(first, asked) is None
    asyncio.run(first.hold(asked, 0.25))
    first.ended(asked, Done(value="said", usage=Usage(cost_usd=0.5)))
    # What came from the recording costs nothing now.
    first.ended(call(number=2), Done(value="said", usage=Usage(cost_usd=9.0)))
    assert (first.cost_usd, purse.spent_usd) == (0.5, 0.5)
    assert ask(second, call("memory", "recall")) is None, "which costs nothing"
    with pytest.raises(Missed):
        asyncio.run(second.hold(call("model", "m", number=2), 0.25))
    assert "may cost 0.5 USD, and no more is left" in second.missed
