"""The delivery metrics are a fold over events: in any order of chains, and with every case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import LogTooLong
from fairlead.delivery import deployed
from fairlead.delivery.deployed import DELIVERY_TYPES, RUN_TYPES, Log
from fairlead.delivery.dora import Delivery, Scope, fold, readiness_of, spread
from tests.unit.delivery.logs import DAY, HOUR, LogBook

T0 = 100 * DAY
SCOPE = Scope(since=T0, until=T0 + 28 * DAY)
AB, BC = ("a", "b"), ("b", "c")


@pytest.fixture
def log() -> LogBook:
    """A release that has been current for long, with runs."""
    log = LogBook()
    log.release(T0 - 9 * DAY, "a")
    log.activate(T0 - 8 * DAY, "a")
    log.run(T0 - 7 * DAY, "old", "a")
    return log


def told(log: LogBook, **scope: Any) -> Delivery:
    return fold(log.events, replace(SCOPE, **scope))


def test_of_nothing_nothing_is_known() -> None:
    found = fold([], SCOPE)
    assert found.per_week is None
    assert found.lead.median_s is found.lead.p90_s is None
    assert found.failed.value is found.escaped.value is found.rework.value is None
    assert found.traffic.median_s is found.runs.median_s is None
    assert found.readiness == ()


def test_where_something_was_deployed_before_none_in_the_window_is_zero(log: LogBook) -> None:
    found = told(log)
    assert found.per_week == 0.0
    assert found.failed.value is None


def test_a_deployment_without_a_run_of_a_user_is_none(log: LogBook) -> None:
    log.release(T0 + 1, "b")
    log.activate(T0 + 2, "b", "a")
    log.run(T0 + 3, "gate", "b", purpose="gate")
    log.run(T0 + 3, "child", "b", parent="r")
    log.run(T0 + 3, "moved", "b")
    log.say(T0 + 3, "run:moved", "run.moved", release="b", origin="r", **{"from": "a"})
    assert told(log).deployments == ()
    log.run(T0 + 4, "user", "b")
    assert [one.id for one in told(log).deployments] == ["live:2"]
    assert told(log).per_week == 1 / 4


def test_lead_time_is_from_the_first_commit_until_all_new_runs_start_on_it(log: LogBook) -> None:
    log.release(T0 + 5 * HOUR, "b", first_commit_at=T0 + HOUR, committed_at=T0 + 4 * HOUR)
    log.rollout(T0 + 6 * HOUR, "ro", AB)
    log.run(T0 + 7 * HOUR, "r", "b", rollout="ro", arm="canary")
    assert told(log).lead.median_s is None
    log.promoted(T0 + 9 * HOUR, "ro", AB)
    found = told(log)
    assert (found.lead.median_s, found.lead_from) == (8 * HOUR, {"commit": 1})
    # The pointer's move is the same deployment.
    assert len(found.deployments) == 1


def test_without_a_commit_lead_time_is_from_the_release_and_says_so(log: LogBook) -> None:
    log.release(T0 + 5 * HOUR, "b")
    log.activate(T0 + 6 * HOUR, "b", "a")
    log.run(T0 + 7 * HOUR, "r", "b")
    assert told(log).lead.median_s == HOUR
    assert told(log).lead_from == {"release": 1}
    log.say(T0 + 8 * HOUR, "release:b", "release.amended", provenance={"committed_at": T0})
    assert (told(log).lead.median_s, told(log).lead_from) == (6 * HOUR, {"commit": 1})


def test_a_canary_that_is_rolled_back_failed_and_did_not_escape(log: LogBook) -> None:
    log.release(T0, "b")
    log.rollout(T0 + 100, "ro", AB)
    log.run(T0 + 200, "r1", "b", "failed", rollout="ro", arm="canary")
    log.run(T0 + 220, "r2", "a", "failed", rollout="ro", arm="baseline")
    log.given_up(T0 + 300, "ro", AB)
    found = told(log)
    assert (found.failed.count, found.failed.of, found.escaped.count) == (1, 1, 0)
    assert found.caught == {"gate": 0, "canary": 1, "after_promote": 0}
    assert found.harmed == {"canary": 1, "after_promote": 0}
    # The first harmed run ended at 260; the rollout says 1 s and 9 s after its decision at 300.
    assert (found.traffic.median_s, found.runs.median_s) == (41.0, 49.0)


def test_harm_is_what_the_outcome_metric_of_an_analysis_counts_as_bad(log: LogBook) -> None:
    log.release(T0, "b")
    log.rollout(T0 + 100, "ro", AB)
    log.run(T0 + 110, "open", "b", "", rollout="ro", arm="canary")
    states = ("succeeded", "cancelled", "escalated", "denied", "failed")
    for place, state in enumerate(states):
        log.run(T0 + 110 + place, state, "b", state, rollout="ro", arm="canary")
    # What did not succeed stays bad, whatever is said of it, and of words the last one counts.
    log.word(T0 + 200, "escalated", "good")
    for word in ("bad", "good"):
        log.word(T0 + 200, "succeeded", word)
    log.given_up(T0 + 300, "ro", AB)
    found = told(log)
    assert (found.deployments[0].runs, found.harmed["canary"]) == (6, 3)
    # The first one that was harmed ended at 172.
    assert found.deployments[0].first_harm_at == T0 + 172
    assert found.traffic.median_s == 129.0


def test_what_an_analysis_found_on_record_is_harm(log: LogBook) -> None:
    log.release(T0, "b")
    log.rollout(T0 + 100, "ro", AB)
    log.run(T0 + 110, "leak", "b", rollout="ro", arm="canary")
    breach = {"invariant": "secret_leaked", "run": "leak"}
    evidence = {"breaches": [breach, {**breach, "run": "of nobody"}]}
    data = {"environment": "live", "candidate": "b", "baseline": "a", "bad": True}
    log.say(T0 + 300, "rollout:ro", "rollout.rolled_back", **data, evidence=evidence)
    assert told(log).harmed["canary"] == 1


def test_a_rollback_after_the_promotion_escaped(log: LogBook) -> None:
    log.release(T0, "b")
    log.rollout(T0 + 100, "ro", AB)
    log.promoted(T0 + 200, "ro", AB)
    log.run(T0 + 210, "r1", "b")
    log.word(T0 + 500, "r1", "bad")
    log.given_up(T0 + 600, "ro", AB)
    log.pointed_back(T0 + 600, "a", "b")
    found = told(log)
    assert (found.failed.count, found.escaped.count) == (1, 1)
    assert found.harmed["after_promote"] == 1
    # What was said to be bad harmed when the run ended, at 270.
    assert (found.traffic.median_s, found.runs.median_s) == (331.0, 339.0)


def test_a_rollback_without_a_rollout_is_safe_when_its_runs_are(log: LogBook) -> None:
    log.release(T0, "b")
    log.activate(T0 + 100, "b", "a")
    log.run(T0 + 150, "r1", "b", "")
    log.run(T0 + 310, "late", "b")
    log.pointed_back(T0 + 300, "a", "b")
    found = told(log)
    assert (found.failed.count, found.escaped.count) == (1, 1)
    # Nobody was harmed that is known of: from the decision.
    assert found.traffic.median_s == 10.0
    assert (found.runs.n, found.runs.median_s) == (0, None), "a run of it goes on"
    log.say(T0 + 400, "run:r1", "run.finished", state="succeeded")
    assert told(log).runs.median_s == 100.0


def test_a_rollback_by_activating_the_release_before_is_one(log: LogBook) -> None:
    log.release(T0, "b")
    log.activate(T0 + 100, "b", "a")
    log.run(T0 + 150, "r1", "b")
    log.activate(T0 + 300, "a", "b", kind="override", reason="b is bad")
    log.run(T0 + 350, "r2", "a")
    found = told(log)
    assert [one.release for one in found.deployments] == ["b"]
    assert found.escaped.count == 1
    log.activate(T0 + 400, "b", "a")
    log.run(T0 + 450, "r3", "b")
    found = told(log)
    assert [(one.release, one.end) for one in found.deployments] == [("b", "failed"), ("b", "")]


def test_an_abort_before_anybody_was_harmed_is_no_failure(log: LogBook) -> None:
    log.release(T0, "b")
    log.rollout(T0 + 100, "ro", AB)
    log.run(T0 + 200, "r1", "b", rollout="ro", arm="canary")
    log.given_up(T0 + 300, "ro", AB, bad=False)
    found = told(log)
    assert (found.failed.count, found.failed.of, found.withdrawn) == (0, 1, 1)
    assert found.failed.value == 0.0
    log.word(T0 + 400, "r1", "bad")
    found = told(log)
    assert (found.failed.count, found.caught["canary"], found.withdrawn) == (1, 1, 0)
    log.word(T0 + 500, "r1", "good")
    assert told(log).failed.count == 0, "the last word counts"


def test_what_a_gate_refused_is_no_deployment_and_counted_apart(log: LogBook) -> None:
    log.release(T0, "b")
    log.say(T0 + 10, "release:b", "gate.finished", conclusion="success")
    assert told(log).caught["gate"] == 0
    log.say(T0 + 20, "release:b", "gate.finished", conclusion="failure")
    found = told(log)
    assert (found.caught["gate"], found.failed.of) == (1, 0)
    # Each gate speaks for itself, and one that could not be decided refuses nothing.
    log.say(T0 + 30, "release:b", "gate.finished", conclusion="success", gate="replay")
    assert told(log).caught["gate"] == 1
    log.say(T0 + 40, "release:b", "gate.finished", conclusion="skipped", gate="check")
    assert told(log).caught["gate"] == 0


def test_a_deployment_soon_after_a_rollback_is_rework(log: LogBook) -> None:
    log.release(T0, "b")
    log.release(T0, "c")
    log.rollout(T0 + 100, "ro", AB)
    log.run(T0 + 200, "r1", "b", rollout="ro", arm="canary")
    log.given_up(T0 + 300, "ro", AB)
    log.activate(T0 + 300 + 23 * HOUR, "c", "a")
    log.run(T0 + 300 + 24 * HOUR, "r2", "c")
    assert (told(log).rework.count, told(log).rework.of) == (1, 2)


def test_a_fix_is_rework_and_says_that_what_it_mends_had_failed(log: LogBook) -> None:
    log.release(T0, "b")
    log.activate(T0 + 100, "b", "a")
    log.run(T0 + 150, "r1", "b", "failed")
    log.release(T0 + 40 * HOUR, "c")
    log.rollout(T0 + 41 * HOUR, "ro", BC, fix=True)
    log.run(T0 + 42 * HOUR, "r2", "c", rollout="ro", arm="canary")
    found = told(log)
    assert (found.escaped.count, found.rework.count) == (1, 1)
    assert found.traffic.median_s is None, "the fix is not everywhere yet"
    log.promoted(T0 + 43 * HOUR, "ro", BC)
    assert told(log).traffic.median_s == 43 * HOUR - 210.0


def test_environments_and_apps_are_told_apart(log: LogBook) -> None:
    log.release(T0, "b")
    log.release(T0, "x", app="other")
    log.activate(T0 + 100, "b", "a")
    log.run(T0 + 150, "r1", "b")
    log.activate(T0 + 200, "x", "", env="stage")
    log.run(T0 + 250, "r2", "x")
    assert [one.release for one in told(log).deployments] == ["b", "x"]
    assert [one.release for one in told(log, environment="stage").deployments] == ["x"]
    assert [one.environment for one in told(log, environment="stage").readiness] == ["stage"]
    assert [one.release for one in told(log, app="shop").deployments] == ["b"]
    log.activate(T0 + 300, "b", "x", env="stage")
    log.run(T0 + 350, "r3", "b", environment="stage")
    assert [one.runs for one in told(log).deployments if one.release == "b"] == [1, 1]


def test_what_was_harmed_without_a_failed_state(log: LogBook) -> None:
    log.release(T0, "b")
    log.activate(T0 + 1, "b", "a")
    for name in ("ok", "leak", "dead", "stopped"):
        log.run(T0 + 2, name, "b", "" if name == "dead" else "succeeded")
    log.word(T0 + 99, "leak", "bad", "breach:secret_leaked")
    log.word(T0 + 99, "ok", 3.5, "helpful")
    log.say(T0 + 99, "run:dead", "run.quarantined", worker="w", deaths=3)
    [one] = told(log).deployments
    assert (one.runs, one.harmed) == (4, 2)


@pytest.mark.parametrize(
    ("drills", "now", "expected"),
    [
        ([], 0.0, "never"),
        ([("b", "a", "success", 0.0)], 30 * DAY, "ready"),
        ([("b", "a", "success", 0.0)], 30 * DAY + 1, "stale"),
        ([("b", "z", "success", 0.0)], 0.0, "stale"),
        ([("b", "a", "failure", 0.0)], 0.0, "failed"),
        ([("b", "a", "success", 0.0), ("b", "a", "failure", 1.0)], 1.0, "failed"),
        ([("b", "a", "failure", 0.0), ("b", "a", "success", 1.0)], 1.0, "ready"),
        ([("b", "a", "success", 0.0), ("b", "z", "failure", 1.0)], 1.0, "ready"),
        ([("a", "b", "success", 0.0)], 0.0, "never"),
    ],
)
def test_readiness(log: LogBook, drills: Any, now: float, expected: str) -> None:
    log.activate(T0 + 100, "b", "a")
    for release, previous, conclusion, at in drills:
        log.drill(T0 + at, release, previous, conclusion)
    found = readiness_of(Log.of(log.events), "live", T0 + now)
    assert found.readiness == expected
    assert (found.release, found.previous) == ("b", "a")


def test_a_rollback_goes_to_the_last_release_that_is_not_bad(log: LogBook) -> None:
    assert Log.of(log.events).standing("live", T0) == ("a", "")
    assert readiness_of(Log.of(log.events), "live", T0).readiness == "nothing before"
    log.activate(T0 + 1, "b", "a")
    log.pointed_back(T0 + 2, "a", "b")
    log.activate(T0 + 3, "c", "a")
    assert Log.of(log.events).standing("live", T0) == ("c", "a")
    log.rollout(T0 + 4, "ro", ("c", "d"))
    log.given_up(T0 + 5, "ro", ("c", "d"))
    assert Log.of(log.events).standing("live", T0) == ("c", "a")


def test_what_was_rolled_back_elsewhere_is_no_way_back_here(log: LogBook) -> None:
    log.activate(T0 + 1, "b", "a")
    log.activate(T0 + 2, "c", "b")
    assert Log.of(log.events).standing("live", T0) == ("c", "b")
    log.activate(T0 + 3, "b", "a", env="stage")
    log.pointed_back(T0 + 4, "a", "b", env="stage")
    assert Log.of(log.events).standing("live", T0) == ("c", "a")


def test_invariant_11_runs_of_one_fold_are_bounded(
    log: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployed, "RUNS_MAX", 2)
    log.run(T0 + 1, "r1", "a")
    told(log)
    log.run(T0 + 2, "r2", "a")
    with pytest.raises(LogTooLong):
        told(log)


def test_every_type_that_is_read_is_known_and_told_once() -> None:
    assert not set(DELIVERY_TYPES) & set(RUN_TYPES)


@given(st.lists(st.floats(0.0, 1e6), max_size=30))
def test_a_spread_is_of_what_is_known(seconds: list[float]) -> None:
    found = spread([*seconds, None])
    assert found.n == len(seconds)
    if seconds:
        assert found.median_s is not None
        assert found.p90_s is not None
        assert min(seconds) <= found.median_s <= max(seconds)
        assert sum(one <= found.p90_s for one in seconds) >= 0.9 * len(seconds)
        assert found.p90_s in seconds
    else:
        assert found.median_s is found.p90_s is None


@st.composite
def histories(draw: st.DrawFn) -> LogBook:
    """Some weeks of an environment, with whatever may happen to a release."""
    log, current, at = LogBook(), "", T0
    for number in range(draw(st.integers(0, 6))):
        name, pair = f"r{number}", (current, f"r{number}")
        at += draw(st.floats(1.0, 3 * DAY))
        commit = {"first_commit_at": at - HOUR} if draw(st.booleans()) else {}
        log.release(at, name, **commit)
        how = draw(st.sampled_from(["activate", "promote", "canary", "abort", "escape", "back"]))
        canary = {"rollout": name, "arm": "canary"}
        if how in ("activate", "back"):
            log.activate(at + 10, name, current)
        else:
            log.rollout(at + 10, name, pair, fix=draw(st.booleans()))
        for run in range(draw(st.integers(0, 3))):
            state = draw(st.sampled_from(["succeeded", "failed", "cancelled", ""]))
            given = {} if how in ("activate", "back") else canary
            log.run(at + 20 + run, f"{name}-{run}", name, state, **given)
            if draw(st.booleans()):
                log.word(at + 90, f"{name}-{run}", draw(st.sampled_from(["good", "bad"])))
        if how in ("promote", "escape"):
            log.promoted(at + 30, name, pair)
        if how in ("canary", "escape", "abort"):
            log.given_up(
                at + 40, name, pair, bad=how != "abort", safe=draw(st.booleans()) and (1, 2)
            )
        if how == "back" and current:
            log.pointed_back(at + 40, current, name)
        if draw(st.booleans()):
            log.drill(at + 50, name, current, draw(st.sampled_from(["success", "failure"])))
        if how in ("activate", "promote") or (how == "back" and not current):
            current = name
    return log


@settings(max_examples=60)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_chains_does_not_matter_nor_does_reading_twice(
    log: LogBook, random: Any
) -> None:
    expected = fold(log.events, SCOPE)
    chains = list(log.chains.values())
    random.shuffle(chains)
    shuffled = [event for chain in chains for event in chain]
    assert fold(shuffled, SCOPE) == expected
    assert fold(shuffled + log.events, SCOPE) == expected


@settings(max_examples=60)
@given(histories())
def test_the_numbers_agree_with_each_other(log: LogBook) -> None:
    found = fold(log.events, SCOPE)
    n = len(found.deployments)
    assert found.failed.of == found.rework.of == found.escaped.of == n
    assert 0 <= found.escaped.count <= found.failed.count <= n
    assert found.caught["canary"] + found.caught["after_promote"] == found.failed.count
    assert found.traffic.n <= found.failed.count
    assert found.runs.n <= found.failed.count
    assert found.lead.n == sum(found.lead_from.values()) <= n
    if found.traffic.n and found.traffic.n == found.runs.n:
        assert found.traffic.median_s is not None
        assert found.runs.median_s is not None
        assert found.traffic.median_s <= found.runs.median_s
    assert (found.per_week is None) <= (n == 0)
    for one in found.deployments:
        assert one.runs > 0
        assert one.harmed <= one.runs
        assert (one.end == "failed") == (one.caught is not None)
