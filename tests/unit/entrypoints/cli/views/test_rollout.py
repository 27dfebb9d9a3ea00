"""The picture of a rollout: both thresholds, who is waited for, and lines that fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from fairlead.core.analysis import (
    AnalysisTerms,
    Assigned,
    MetricTerms,
    Observation,
    admit,
    begin,
    came_late,
    expected,
    learn,
    unread,
    verdict,
)
from fairlead.core.rollout import Rollout, RolloutTerms, Step, abort, pause, promote
from fairlead.entrypoints.cli.views.rollout import rollout_view, rollouts_view
from fairlead.entrypoints.cli.views.waterfall import Drawing
from fairlead.operations import RolloutStatus

TERMS = RolloutTerms(
    steps=(Step(kind="set_weight", weight=0.4), Step(kind="analysis", min_runs=10)),
    analysis=AnalysisTerms(
        metrics=(
            MetricTerms(name="success", p_max=0.2),
            MetricTerms(name="latency", kind="latency", source="latency", role="signal"),
        )
    ),
)


def rollout(*, bad: int = 0) -> Rollout:
    """Return a rollout at its analysis, with so many bad runs of the candidate and none beside."""
    analysis = begin(TERMS.analysis)
    for _ in range(bad):
        analysis, assigned = admit(analysis, "canary", 0.4)
        one = Observation(
            assigned=Assigned(arm="canary", probability=0.4, place=assigned.place), result="bad"
        )
        analysis = learn(TERMS.analysis, analysis, "success", [one])
    return Rollout(
        id="ro-01a22b482461a81bc48082ad",
        environment="default",
        app="handbook",
        candidate="c" * 64,
        baseline="b" * 64,
        terms=TERMS,
        by="ann",
        began_at=1000.0,
        analysis=analysis,
        waits="",
        step=1,
        weight=0.4,
    )


def drawn(one: Rollout, columns: int = 100, *, unicode: bool = True) -> list[str]:
    terms = one.terms.analysis
    ahead = expected(terms, one.analysis, runs_per_hour=40.0, weight=0.4)
    found = RolloutStatus(
        rollout=one,
        verdict=verdict(terms, one.analysis, elapsed_s=60.0),
        expected=ahead,
        runs_per_hour=40.0,
        in_flight=3,
    )
    drawing = Drawing(columns=columns, unicode=unicode, now=1060.0)
    return [line.plain for line in rollout_view(found, drawing)]


@pytest.mark.parametrize("columns", [40, 50, 60, 67, 68, 80, 100, 140])
@pytest.mark.parametrize("bad", [0, 2, 30])
def test_lines_fit_and_hang_together_below_their_name(columns: int, bad: int) -> None:
    lines = drawn(rollout(bad=bad), columns)
    assert max(map(cell_len, lines)) <= columns
    named = [place for place, line in enumerate(lines) if line.startswith("Verdict")]
    assert len(named) == 1
    for line in lines[named[0] :]:
        assert line[:10].strip() in ("", "Verdict", "Why", "Expected", "Shorter")
        assert line[9:10] == " "


@pytest.mark.parametrize("columns", [40, 100])
def test_what_did_not_count_is_said(columns: int) -> None:
    one = rollout(bad=2)
    assert not [line for line in drawn(one, columns) if line.startswith(("Unread", "Late"))]
    for number in (1, 2):
        one = replace(
            one,
            analysis=came_late(
                TERMS.analysis,
                unread(TERMS.analysis, one.analysis, "success", f"run r{number}: no JSON"),
                "success",
            ),
        )
        said = " ".join(" ".join(drawn(one, columns)).split())
        last = "1 word left aside;" if number == 1 else "2 words left aside; the last:"
        assert f"Unread success: {last} run r{number}: no JSON" in said
        came = "1 outcome came" if number == 1 else "2 outcomes came"
        assert f"Late success: {came} when the run was left out already" in said


def test_evidence_of_harm_grows_up_to_what_is_needed() -> None:
    none, some, enough = (
        next(line for line in drawn(rollout(bad=bad)) if line.startswith("  success"))
        for bad in (0, 2, 6)
    )
    assert "1.0:1 of 20" in none.split("of 20")[0] + "of 20"
    harm = [line[16:38].count("█") for line in (none, some, enough)]
    assert harm[0] == 0 < harm[1] < harm[2] == 22


def test_a_long_name_does_not_run_into_its_evidence() -> None:
    long = MetricTerms(name="a" * 40, p_max=0.2)
    analysis = replace(TERMS.analysis, metrics=(long,))
    one = replace(rollout(), terms=replace(TERMS, analysis=analysis), analysis=begin(analysis))
    [line] = [line for line in drawn(one) if line.startswith("  aaa")]
    assert "a… ░" in line


def test_what_is_drawn_in_ascii_is_ascii() -> None:
    long = MetricTerms(name="a" * 40, p_max=0.2)
    analysis = replace(TERMS.analysis, metrics=(long,), alpha=1e-9, promote_alpha=1e-9)
    one = replace(rollout(), terms=replace(TERMS, analysis=analysis), analysis=begin(analysis))
    for columns in (50, 100):
        assert all(line.isascii() for line in drawn(one, columns, unicode=False))


@pytest.mark.parametrize("state", ["paused", "observing"])
def test_a_narrow_screen_shows_all_of_it(state: str) -> None:
    one = pause(rollout(bad=30), "lunch") if state == "paused" else promote(rollout(), 1060.0)
    lines = drawn(one, 50)
    assert max(map(cell_len, lines)) <= 50
    said = " ".join(" ".join(lines).split())
    assert "of 20" in said and "signal: it only pauses" in said
    assert ("it was paused" if state == "paused" else "5% stay behind") in said


def test_what_began_is_more_than_what_is_known_and_says_so() -> None:
    before = rollout()
    analysis, _ = admit(before.analysis, "canary", 0.4)
    assert any(
        line.endswith("40.0%  1 began") for line in drawn(replace(before, analysis=analysis))
    )
    sticky = replace(before, terms=replace(TERMS, sticky="user"), analysis=analysis)
    assert any(line.endswith("40.0%  1 users") for line in drawn(sticky))


def test_a_list_has_one_line_for_each_rollout() -> None:
    one = replace(rollout(), reason="because\nof " + 50 * "many words ")
    for width in (100, 4000):
        lines = rollouts_view([one, one], width)
        assert len(lines) == 3
        assert all("\n" not in line.plain and line.cell_len <= width for line in lines)


@pytest.mark.parametrize("width", [80, 90, 120])
def test_a_list_names_each_rollout_on_any_screen(width: int) -> None:
    phases = ("rolled_back", "progressing")
    found = [replace(rollout(), phase=one, weight=1.0, reason="many words " * 9) for one in phases]
    lines = rollouts_view(found, width)
    assert max(line.cell_len for line in lines) <= width
    for line, phase in zip(lines[1:], ("rolled back", "progressing"), strict=True):
        said = line.plain
        assert said.startswith(f"ro-01a22b482461a81bc48082ad  {'c' * 12}  {phase}")
        assert "  100%  1970-01-01 00:16" in said
        assert ("many" in said) == (width == 120)


def test_a_signal_promotes_nothing() -> None:
    [line] = [line for line in drawn(rollout()) if line.startswith("  latency")]
    assert line.endswith("signal: it only pauses")


def test_who_is_waited_for_and_why() -> None:
    said = "\n".join(drawn(pause(rollout(), "lunch")))
    assert "▸ analysis, of 10 runs at least  waits for somebody to promote it" in said
    assert "Why       lunch" in said


def test_a_rollback_shows_what_was_known_when_it_was_decided() -> None:
    given_up = abort(rollout(bad=6), 1060.0, "worse by success", bad=True)
    lines = drawn(replace(given_up, phase="rolled_back", ended_at=1061.5))
    assert "  ✗ analysis, of 10 runs at least" in lines
    assert "Verdict   Failed" in lines
    assert "Why       worse by success" in lines
    assert "In flight safe 1.50 s after it" in lines


def test_who_gives_it_up_by_hand_needs_no_verdict() -> None:
    given_up = abort(rollout(), 1060.0, "answers are too short", bad=True)
    said = "\n".join(drawn(replace(given_up, phase="rolled_back", ended_at=1061.5)))
    assert "Verdict" not in said
    assert "Why       answers are too short" in said
    assert "New runs  safe 0 ms after the decision" in said


def test_a_promoted_one_says_who_stays_behind() -> None:
    said = "\n".join(drawn(promote(rollout(), 1060.0)))
    assert "5% stay behind" in said
    assert "Expected" not in said
