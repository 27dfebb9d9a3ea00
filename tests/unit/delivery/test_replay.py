"""What replays show: noise first, then the candidate, then the evidence."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fairlead.core.calls import Done, Usage
from fairlead.core.replay import Course, ReplayTerms
from fairlead.delivery.replay import Comparison, ReplayReport, replay_check
from fairlead.ports.recordings import Recording
from fairlead.runtime.replay import Played
from fairlead.runtime.replay.purse import Purse, over_calls, over_cost
from tests.unit.runtime.replay.tapes import call, recording, taped


def recorded(number: int, state: str = "succeeded", **more: Any) -> Recording:
    made = recording(**more)
    outcome = {"answer": number, "checks": [], "code": ""}
    return replace(made, run=replace(made.run, id=f"r{number}", state=state, outcome=outcome))


def course(number: int, state: str = "succeeded", *checks: str) -> Course:
    return Course(state=state, output=number, checks=checks)


def player(*courses: Course | str) -> Any:
    """Return what plays these, in order; a text says why it cannot be decided."""
    left = list(courses)

    async def play(_: Recording, __: Any) -> Played:
        one = left.pop(0)
        return Played(course=None, why=one) if isinstance(one, str) else Played(course=one)

    release = SimpleNamespace(digest="b" * 64)
    return SimpleNamespace(release=release, play=play, purse=Purse(unpriced={"x:m": 2}))


def compared(own: Any, candidate: Any, *runs: Recording, **terms: Any) -> ReplayReport:
    made = Comparison(
        player=candidate,
        own=lambda _: own,
        releases={"a" * 64: cast(Any, None)},
        terms=ReplayTerms(**terms),
    )
    return asyncio.run(made.run(runs))


def test_noise_stands_beside_what_the_candidate_does() -> None:
    report = compared(
        player(course(1), course(9), "no"),
        player(course(1), course(2, "denied"), "gone"),
        recorded(1),
        recorded(2),
        recorded(3),
    )
    assert report.verdicts == {"same": 1, "changed": 1, "diverged": 1}
    assert report.noise == {"same": 1, "changed": 1, "diverged": 1}
    assert [(one.before, one.after) for one in report.runs] == [
        (True, True),
        (True, False),
        (True, None),
    ]
    assert (report.pairs.both_passed, report.pairs.harmed, report.pairs.undecided) == (1, 1, 1)
    assert (report.conclusion, report.replays) == ("inconclusive", 6)
    assert report.runs[2].why == "gone"


def test_what_its_own_release_does_not_come_to_again_is_no_evidence() -> None:
    """As of code that looks at the real time: no candidate is to blame, and none is to thank."""
    runs = [*map(recorded, range(20)), *(recorded(number, "failed") for number in range(20, 110))]
    other = [course(number, "failed") for number in range(20)]
    other += [course(number) for number in range(20, 110)]
    report = compared(player(*other), player(*other), *runs)
    assert (report.conclusion, report.pairs.decided) == ("inconclusive", 0)
    assert (report.verdicts["diverged"], report.noise["changed"]) == (110, 110)
    assert {(one.after, one.why) for one in report.runs} == {
        (None, "on its own release it does not come to the recorded result either")
    }


def test_undecided_runs_never_count_as_passed() -> None:
    report = compared("other code", player(*["gone"] * 200), *map(recorded, range(200)))
    assert (report.conclusion, report.pairs.decided) == ("inconclusive", 0)
    assert report.noise == {"same": 0, "changed": 0, "diverged": 0}
    check = replay_check(report)
    assert (check.name, check.conclusion) == ("replay", "neutral")
    assert check.findings == ("200 of 200 replays are undecided (100%; at most 10% may be)",)


def test_enough_that_agree_is_a_success_and_enough_that_fail_is_none() -> None:
    runs = [recorded(number) for number in range(90)]
    courses = [course(number) for number in range(90)]
    report = compared(player(*courses), player(*courses), *runs)
    assert replay_check(report).conclusion == "success"
    assert report.reason.startswith("the candidate harms less than 5% of the runs: 0 of 90")
    failed = [course(number, "succeeded", "kind failed") for number in range(8)]
    report = compared(player(*courses), player(*failed, *courses[8:]), *runs)
    assert replay_check(report).conclusion == "failure"
    assert "8 of 90 runs passed before and not with the candidate" in report.reason


def test_an_unusable_record_is_undecided_whatever_is_played() -> None:
    gone = recorded(1, unusable="its payloads were pruned")
    report = compared(player("x"), player(course(1)), gone)
    (one,) = report.runs
    assert (one.verdict, one.before, one.after, one.why) == (
        "diverged",
        None,
        None,
        "its payloads were pruned",
    )
    assert report.pairs.undecided == 1


def test_time_is_bounded() -> None:
    report = compared(player(), player(), recorded(1), recorded(2), wall_s=0.0)
    assert (report.replays, report.verdicts["diverged"]) == (0, 2)
    assert report.runs[0].why == "no time was left for it"


def test_the_evidence_has_a_digest_that_follows_what_was_seen() -> None:
    def digest(*courses: Course) -> str:
        return compared("x", player(*courses), recorded(1)).evidence

    assert digest(course(1)) == digest(course(1))
    assert digest(course(1)) != digest(course(2))


@pytest.mark.parametrize("cost", [0.0, 0.5])
def test_costs_are_those_of_the_calls(cost: float) -> None:
    made = recorded(1, state="succeeded")
    done = Done(value=1, usage=Usage(cost_usd=cost))
    made = replace(made, calls=(taped(call("model", "m"), done),))
    same = Course(state="succeeded", output=1, cost_usd=cost)
    (one,) = compared("x", player(same), made).runs
    assert [each.what for each in one.differences] == ["call"]


def test_the_clock_stands_still_while_somebody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("fairlead.delivery.replay.monotonic", lambda: now[0])

    async def play(_: Recording, __: Any) -> Played:
        now[0] += 700.0
        return Played(course=course(1), asked_s=699.0)

    asked: Any = player()
    asked.play = play
    report = compared("other code", asked, *[recorded(1)] * 3, on_miss="ask")
    assert [one.why for one in report.runs] == [""] * 3


def test_what_cannot_be_judged_is_undecided_and_says_why() -> None:
    def passed(_: Recording, found: Course) -> bool:
        return bool(found.output["total"]) if found.output == 9 else True

    made = Comparison(
        player=player(course(1), course(9)),
        own=lambda _: "other code",
        releases={"a" * 64: cast(Any, None)},
        passed=passed,
    )
    report = asyncio.run(made.run([recorded(1), recorded(2)]))
    assert [one.after for one in report.runs] == [True, None]
    assert report.runs[1].why.startswith("`passed` could not judge it: TypeError: 'int' object")
    assert (report.pairs.both_passed, report.pairs.undecided) == (1, 1)


def test_runs_for_which_no_money_was_left_are_named() -> None:
    poor = over_cost(2.0)
    report = compared(
        player(course(1), course(2)), player(poor, poor), *map(recorded, (1, 2)), cost_usd=2.0
    )
    assert report.reason.endswith("; 2 are undecided as the bound of 2 USD is spent")
    assert report.unpriced == {"x:m": 2}


def test_runs_for_which_no_turn_without_a_price_was_left_are_named() -> None:
    none = over_calls(3)
    report = compared(player(course(1)), player(none), recorded(1), unpriced_calls=3)
    said = "; 1 are undecided as the bound of 3 turns of models without a known price is reached"
    assert report.reason.endswith(said)
