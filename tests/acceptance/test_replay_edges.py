"""Replays at their edges: shared effects, people who are asked, and code that never lets go."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from fairlead.core.calls import Call
from fairlead.operations import ReplayOptions, ReplaySelection, ReplayTerms, ToolPolicy, replay_runs
from tests.acceptance.support.replay_app import lines
from tests.acceptance.support.scene import Scene
from tests.acceptance.test_replay import played, replayed, stage

__all__ = ["stage"]

pytestmark = pytest.mark.acceptance

ENDLESS = """while words == "for ever":
        try:
            pass
        except Exception:
            pass
    """


def test_what_another_run_did_under_a_business_key_is_not_undone(stage: Scene) -> None:
    played(stage, ("charged", "A-1"))
    (run_id,) = played(stage, ("charged", "A-1 fail"))
    written = lines(stage.folder)
    assert (written.count("charge"), written.count("unpay")) == (1, 0)
    (one,) = replayed(stage, stage.release.digest, run_id).runs
    assert (one.verdict, one.differences, one.noise) == ("same", (), "same")


def test_somebody_who_is_asked_may_take_time_and_be_wrong(stage: Scene) -> None:
    played(stage, ("talk", "hello"), ("talk", "wrong"), ("talk", "bye"))
    stage.edit(
        "app.py", "return [turn.question", "await run.call(look, words)\n    return [turn.question"
    )
    digest = stage.release_again().digest

    asked: list[Call] = []

    async def person(call: Call) -> tuple[Any]:
        # As a prompt at a terminal does; longer than all replays may take, and only once.
        time.sleep(0.8 if asked else 5.0)  # noqa: ASYNC251
        asked.append(call)
        return (7,) if call.arguments["order"] == "wrong" else ({"order": "found"},)

    options = ReplayOptions(
        terms=ReplayTerms(on_miss="ask", run_wall_s=0.6, wall_s=4.5), ask=person
    )
    report = replay_runs(stage.platform, digest, ReplaySelection(), options)
    assert [(one.verdict, one.after) for one in report.runs] == [
        ("changed", True),
        ("diverged", None),
        ("changed", True),
    ]
    assert "tool look, call 1, is not on record at all" in report.runs[1].why


def test_a_candidate_that_never_lets_go_is_undecided_and_ends(stage: Scene) -> None:
    played(stage, ("talk", "hello"), ("talk", "for ever"))
    stage.edit("app.py", "return [turn.question", ENDLESS + "return [turn.question")
    handler = signal.getsignal(signal.SIGALRM)
    report = replayed(stage, stage.release_again().digest, run_wall_s=0.5)
    assert [(one.verdict, one.after, one.why) for one in report.runs] == [
        ("diverged", None, "the app's code held up the replay for over 0.5 s"),
        ("same", True, ""),
    ]
    assert signal.getsignal(signal.SIGALRM) is handler


def test_what_the_recorded_release_holds_for_an_effect_is_never_live(stage: Scene) -> None:
    (run_id,) = played(stage, ("charged", "A-1"))
    written = lines(stage.folder)
    once = 'effect="once", scope="money:write", targets=["order"], key=["order"], compensate=unpay'
    stage.edit("app.py", once, 'effect="read", scope="money:write"')
    live = {"charge": ToolPolicy(mode="live")}
    (one,) = replayed(stage, stage.release_again().digest, run_id, tools=live).runs
    assert one.why == "tool charge has an effect on record: it is never executed"
    assert lines(stage.folder) == written
