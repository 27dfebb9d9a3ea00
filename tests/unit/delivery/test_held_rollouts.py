"""A rollout takes no step that its environment does not allow; harm and people still end it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.deployments import SqlDeploymentStore
from fairlead.adapters.sql.environments import SqlEnvironmentStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.rollouts import SqlRolloutStore
from fairlead.adapters.sql.workers import SqlWorkerStore
from fairlead.core.analysis import AnalysisTerms, AnalysisVerdict, MetricTerms, begin
from fairlead.core.environments import (
    GATES,
    ApprovalRules,
    EnvironmentRules,
    Freeze,
)
from fairlead.core.errors import EnvironmentFrozen, GateRefused, StoreUnavailable
from fairlead.core.rollout import Finding, Rollout, RolloutTerms, Step, advance, go_on
from fairlead.delivery import observing
from fairlead.delivery.controller import Controller, Pace
from fairlead.delivery.observing import observe_rollout
from fairlead.delivery.release import Releases
from fairlead.delivery.rollouts import Rollouts
from fairlead.ports.releases import Evidence
from fairlead.ports.rollouts import Look
from fairlead.ports.runs import Order
from fairlead.ports.workers import WorkerRecord
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

ANALYSIS = AnalysisTerms(metrics=(MetricTerms(name="success", p_max=0.05),))
TERMS = RolloutTerms(
    steps=(
        Step(kind="set_weight", weight=0.1),
        Step(kind="pause"),
        Step(kind="set_weight", weight=0.5),
        Step(kind="analysis", min_runs=0),
    ),
    analysis=ANALYSIS,
)
PLAIN = EnvironmentRules()
FROZEN = EnvironmentRules(freezes=(Freeze(reason="a fair", weekly="mon 00:00 - sun 24:00"),))
ORDER, WHY = Order(by="bob", reason="on"), Order(by="bob", reason="the shop is down")
RULES = Order(by="root", reason="rules")
NOW = 1_800_000_000.0


# ------------------------------------------------------------------------------------------- rules


def rollout(step: int = 0, **values: object) -> Rollout:
    return Rollout(
        id="ro-1",
        environment="production",
        app="shop",
        candidate="b",
        baseline="a",
        terms=TERMS,
        by="ann",
        began_at=NOW,
        analysis=begin(ANALYSIS),
        waits="",
        step=step,
        **values,  # type: ignore[arg-type]
    )


def seen(**values: object) -> Finding:
    return Finding(now=NOW + 1.0, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [0, 2, 4])
def test_no_share_is_raised_and_nothing_is_promoted_while_it_is_held(step: int) -> None:
    before = rollout(step)
    held = advance(before, seen(held="frozen", status="Successful"))
    assert (held.waits, held.reason, held.phase) == ("gates", "frozen", "progressing")
    assert (held.weight, held.step, held.promoted_at) == (0.0, step, None)
    # The very same object: nothing is written while nothing changes.
    assert advance(held, seen(held="frozen", status="Successful")) is held
    assert advance(held, seen(held="denied", status="Successful")).reason == "denied"
    on = advance(held, seen(status="Successful"))
    assert (on.waits in ("step", ""), on.step > step or on.promoted_at is not None) == (True, True)


def test_what_gives_it_no_more_is_not_held() -> None:
    held = advance(rollout(1), seen(held="frozen"))
    assert (held.phase, held.waits) == ("paused", "step")
    analysed = advance(rollout(3), seen(held="frozen", status="Successful"))
    assert (analysed.step, analysed.waits) == (4, "gates")


def test_a_long_freeze_does_not_use_up_the_time_of_the_analysis() -> None:
    """Neither before the first traffic, nor between two weights."""
    week, later = ANALYSIS.max_time_s, NOW

    def looked(one: Rollout, at: float, why: str = "") -> Rollout:
        look = Look(now=at, served=True, in_flight=0)
        return observe_rollout(one, look, lambda _: why).rollout

    one = looked(replace(rollout(), idle_since=NOW), NOW, "a fair")
    for weight in (0.1, 0.5):
        later += 2 * week
        assert looked(one, later, "a fair") == one
        one = looked(one, later)
        assert (one.weight, one.analysed_s(later)) == (weight, 0.0)
        if weight == 0.1:
            assert (one.phase, one.waits) == ("paused", "step")
            one = looked(go_on(one, later), later, "a fair")
            assert one.waits == "gates"
    assert one.analysed_s(later + 60.0) == 60.0
    over = looked(one, later + week)
    assert (over.phase, over.waits) == ("paused", "analysis")
    assert "168 hours are over" in over.reason


def test_harm_rolls_back_what_is_held() -> None:
    held = advance(rollout(2, weight=0.1), seen(held="frozen"))
    bad = advance(held, seen(held="frozen", status="Failed", reason="it harms"))
    assert (bad.phase, bad.bad, bad.reason) == ("aborting", True, "it harms")


@pytest.mark.parametrize(
    ("step", "weight", "asked"), [(0, 0.0, 1), (1, 0.1, 0), (2, 0.1, 1), (3, 0.5, 0), (4, 0.5, 1)]
)
def test_the_environment_is_asked_before_a_step_and_not_at_each_look(
    step: int, weight: float, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step == 4:
        # Nothing is promoted before all is well.
        well = AnalysisVerdict(status="Successful", reasons=(), pause=False, metrics=())
        monkeypatch.setattr(observing, "verdict", lambda *_, **__: well)
    calls = []

    def held(one: Rollout) -> str:
        calls.append(one.id)
        return "frozen"

    look = Look(now=NOW + 1.0, served=True, in_flight=0)
    after = observe_rollout(rollout(step, weight=weight), look, held).rollout
    assert len(calls) == asked
    assert (after.weight, after.promoted_at) == (weight, None)
    free = observe_rollout(rollout(step, weight=weight), look).rollout
    assert bool(free.weight > weight or free.promoted_at) is bool(asked)


# ---------------------------------------------------------------------------------- on the database


class Stage:
    """Release `a` is active in production, and `b` is to follow; both have workers."""

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock(time=NOW)
        self.rules = SqlEnvironmentStore(database, self.clock)
        self.store = SqlReleaseStore(database, self.clock)
        self.events = SqlEventLog(database, self.clock)
        self.deployments = SqlDeploymentStore(database, self.clock)
        self.rules.set("production", PLAIN, RULES)
        self.releases = Releases(
            store=self.store,
            clock=self.clock,
            environment="production",
            rules=self.rules.rules,
            asker="ann",
        )
        self.verbs = Rollouts(
            store=SqlRolloutStore(database, self.clock),
            releases=self.releases,
            clock=self.clock,
            environment="production",
        )
        manifest = manifest_of(echo)
        terms = replace(manifest.workflows["echo"], prompt="b")
        self.a, _ = self.releases.create(manifest)
        self.b, _ = self.releases.create(replace(manifest, workflows={"echo": terms}))
        for one in (self.a, self.b):
            self.record("check", one.digest, environment="")
        self.releases.activate(self.a.digest, by="ann")
        SqlWorkerStore(database, self.clock).start(
            WorkerRecord(
                id="w",
                host="h",
                pid=1,
                code_digest=manifest.code_digest,
                started_at=0.0,
                heartbeat_at=0.0,
            ),
            3600.0,
        )

    def record(self, gate: str, release: str = "", **values: object) -> None:
        given = {"conclusion": "success", "environment": "production", "by": "cyd", **values}
        evidence = Evidence(
            release=release or self.b.digest,
            checks=[
                {
                    "summary": "because",
                    "figures": {"previous": self.a.digest, "roles": ["approver"]},
                }
            ],
            time=self.clock.now(),
            gate=gate,
            verified=True,
            **given,  # type: ignore[arg-type]
        )
        self.store.record_gate(evidence)

    def start(self, override: str | None = None) -> Rollout:
        return self.verbs.start(self.b.digest, TERMS, by="ann", override=override)

    def look(self, times: int = 1) -> Rollout:
        """Let a controller look; it looks again while something changes."""
        controller = Controller(
            rollouts=self.verbs,
            deployments=self.deployments,
            control=None,  # type: ignore[arg-type] - runs in flight end on their release
            pace=Pace(lease_s=3600.0),
            by="controller",
        )
        found = [controller.carry_on(self.verbs.current().id) for _ in range(times)]
        return found[-1]

    def said(self, one: Rollout) -> list[str]:
        return [event.type for event in self.events.list(chain=f"rollout:{one.id}")]


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


@pytest.mark.parametrize("gate", GATES)
def test_a_required_gate_that_did_not_pass_refuses_the_start(stage: Stage, gate: str) -> None:
    approval = ApprovalRules(four_eyes=False)
    stage.rules.set("production", EnvironmentRules(gates=(gate,), approval=approval), RULES)
    stage.record(gate, conclusion="failure", environment="" if gate == "check" else "production")
    with pytest.raises(GateRefused, match=f"may not go to production: {gate}: "):
        stage.start()
    stage.record(gate, environment="" if gate == "check" else "production")
    assert stage.start().overridden == ()


def test_a_freeze_refuses_the_start_and_an_override_stands_in_place_of_it(stage: Stage) -> None:
    stage.rules.set("production", FROZEN, RULES)
    with pytest.raises(EnvironmentFrozen):
        stage.start()
    begun = stage.start("the shop is down")
    assert begun.overridden == ("freeze",)
    assert stage.look().weight == 0.1
    # It stands for the freeze and for nothing else.
    stage.record("check", conclusion="failure", environment="")
    with pytest.raises(GateRefused, match=r"production: check: it did not pass its checks$"):
        stage.verbs.promote(ORDER)


def test_rules_that_change_hold_a_rollout_and_let_it_go_on(stage: Stage) -> None:
    begun = stage.start()
    stage.rules.set("production", FROZEN, RULES)
    held = stage.look()
    assert (held.waits, held.weight) == ("gates", 0.0)
    assert held.reason == "freeze: a fair (mon 00:00 - sun 24:00 UTC)"
    stage.look(3)
    assert stage.said(begun) == ["rollout.started", "rollout.resumed", "rollout.held"]
    stage.rules.set("production", PLAIN, RULES)
    on = stage.look()
    assert (on.waits, on.weight, on.reason) == ("step", 0.1, "the rollout says to wait here")
    assert "rollout.stepped" in stage.said(begun)


def test_evidence_that_becomes_old_holds_the_next_step_until_it_is_renewed(stage: Stage) -> None:
    stage.rules.set("production", EnvironmentRules(evidence_s={"check": 3600.0}), RULES)
    stage.start()
    stage.look()
    stage.verbs.promote(ORDER)
    stage.clock.time += 3601.0
    held = stage.look()
    assert (held.waits, held.weight) == ("gates", 0.1)
    assert held.reason == "check: its evidence is older than 1 hour"
    stage.record("check", environment="")
    assert stage.look().weight == 0.5


def test_a_denial_holds_the_next_step(stage: Stage) -> None:
    stage.rules.set("production", EnvironmentRules(gates=("approval",)), RULES)
    stage.record("approval")
    stage.start()
    stage.look()
    stage.verbs.promote(ORDER)
    stage.record("approval", conclusion="failure", by="dan")
    held = stage.look()
    assert (held.waits, held.weight) == ("gates", 0.1)
    assert held.reason == "approval: dan denied it: because"


def test_an_approval_of_who_started_it_does_not_carry_it_on(stage: Stage) -> None:
    stage.start()
    stage.look()
    stage.verbs.promote(ORDER)
    stage.rules.set("production", EnvironmentRules(gates=("approval",)), RULES)
    stage.record("approval", by="ann")
    assert stage.look().waits == "gates"
    stage.record("approval", by="bob")
    assert stage.look().weight == 0.5


def test_what_nobody_known_started_is_held_where_four_eyes_are_asked(stage: Stage) -> None:
    stage.verbs = replace(stage.verbs, releases=replace(stage.releases, asker=""))
    assert (stage.start().asker, stage.verbs.current().by) == ("", "ann")
    stage.look()
    stage.verbs.promote(ORDER)
    stage.rules.set("production", EnvironmentRules(gates=("approval",)), RULES)
    stage.record("approval", by="bob")
    held = stage.look()
    assert (held.waits, held.weight) == ("gates", 0.1)
    assert held.reason == "approval: no token says who asks, and four eyes are needed"


def test_a_freeze_refuses_a_promotion_and_lets_an_abort_through(stage: Stage) -> None:
    stage.start()
    paused = stage.look()
    assert (paused.phase, paused.waits, paused.weight) == ("paused", "step", 0.1)
    stage.rules.set("production", FROZEN, RULES)
    with pytest.raises(EnvironmentFrozen, match="a fair"):
        stage.verbs.promote(ORDER)
    given_up = stage.verbs.abort(ORDER, bad=True)
    assert (given_up.phase, given_up.weight) == ("aborting", 0.0)
    assert stage.look().phase == "rolled_back"
    assert stage.releases.current() == stage.a


def test_a_promotion_by_override_is_kept_with_what_it_stood_for(stage: Stage) -> None:
    begun = stage.start()
    stage.look()
    stage.rules.set("production", FROZEN, RULES)
    done = stage.verbs.promote(WHY, override=True)
    assert (done.phase, done.overridden) == ("observing", ("freeze",))
    [event] = [
        one
        for one in stage.events.list(chain=f"rollout:{begun.id}")
        if one.type == "rollout.promoted"
    ]
    assert (event.data["overridden"], event.data["reason"]) == (["freeze"], "the shop is down")
    # What is promoted can be given up in a freeze as well.
    assert stage.verbs.abort(ORDER, bad=True).phase == "aborting"
    assert stage.releases.current() == stage.a


def test_rules_that_cannot_be_read_hold_it_and_harm_is_looked_for_all_the_same(
    stage: Stage,
) -> None:
    def gone(_: str) -> EnvironmentRules:
        raise StoreUnavailable("the disk is gone")

    stage.start()
    stage.verbs = replace(stage.verbs, releases=replace(stage.releases, rules=gone))
    held = stage.look()
    assert (held.waits, held.weight) == ("gates", 0.0)
    assert held.reason == "it is not known whether it may go on: FL-205: the disk is gone"
    done = stage.verbs.promote(WHY, override=True)
    assert set(done.overridden) == {*GATES, "freeze"}
    assert stage.verbs.abort(ORDER, bad=True).phase == "aborting"
