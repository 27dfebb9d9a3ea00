"""Operators, controllers and callers at the same moment: a run starts where the routes say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event, Thread

import pytest
import sqlalchemy as sa

import fairlead.adapters.sql.runs as runs_module
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_delivery import assignments
from fairlead.core.errors import (
    FairleadError,
    RolloutEnded,
    RolloutOpen,
    RouteClosed,
)
from fairlead.core.rollout import Rollout, abort, pause
from fairlead.core.routing import Routes
from fairlead.ports.clock import SystemClock
from fairlead.ports.releases import Activation
from fairlead.ports.runs import Order, RunRecord
from tests.unit.adapters.sql.rolling import ADA, HELD, ORDER, TERMS, Rolling
from tests.unit.adapters.sql.test_concurrency import at_once

CALLERS = 3
OVERRIDE = Order(by="bob", reason="we know better")


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database, SystemClock())


def drawn(stage: Rolling) -> Counter[float]:
    """Return how many runs were admitted with each probability."""
    query = sa.select(assignments.c.probability, sa.func.count()).group_by(
        assignments.c.probability
    )
    with stage.database.reading() as connection:
        return Counter({row[0]: row[1] for row in connection.execute(query)})


def admitted(stage: Rolling) -> int:
    """Return how many runs were admitted, whatever drew their release."""
    with stage.database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one()


def calling(stage: Rolling, enough: Event) -> Callable[[], None]:
    """Return a caller who starts runs until it is enough."""

    def call() -> None:
        try:
            while not enough.is_set():
                stage.admission.start_routed("echo", "hi", principal=ADA)
        finally:
            enough.set()

    return call


def weigh(stage: Rolling, rollout: Rollout, weight: float) -> None:
    """Change the share of new runs."""
    stage.rollouts.change(rollout.id, lambda one, _: replace(one, weight=weight), ORDER, "test")


def test_no_run_starts_by_a_share_that_is_not_the_rows_nor_after_the_rollback(
    stage: Rolling,
) -> None:
    rollout = stage.ramp(HELD)
    enough, after = Event(), list[tuple[float, int]]()

    def operate() -> None:
        last = 0.5
        try:
            for weight in (0.55, 0.6, 0.65, 0.7, 0.75):
                before = drawn(stage).total()
                while drawn(stage).total() < before + 10 and not enough.is_set():
                    pass
                weigh(stage, rollout, weight)
                # Whoever drew by the share before is admitted by now, or draws anew.
                after.append((last, drawn(stage)[last]))
                last = weight
            stage.verbs.abort(ORDER, bad=True)
            taken = stage.taken("canary")
            after.append((last, drawn(stage)[last]))
            before = admitted(stage)
            while admitted(stage) < before + 10 and not enough.is_set():
                pass
            assert stage.taken("canary") == taken
        finally:
            enough.set()

    at_once(operate, *(calling(stage, enough) for _ in range(CALLERS)))
    found = drawn(stage)
    assert [(weight, found[weight]) for weight, _ in after] == after
    assert set(found) <= {0.5, 0.55, 0.6, 0.65, 0.7, 0.75}
    assert stage.verified()


def test_a_rollback_waits_for_whoever_is_being_admitted(
    stage: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the run is there when it is counted what is in flight."""
    stage.ramp(HELD)
    given_up, insert = Event(), runs_module.insert
    aborts = Thread(target=lambda: (stage.verbs.abort(ORDER, bad=True), given_up.set()))

    def slow(*given: object) -> None:
        aborts.start()
        assert not given_up.wait(0.2)
        insert(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.admission.clock, "chance", lambda: 0.0)
    monkeypatch.setattr(runs_module, "insert", slow)
    run = stage.admission.start_routed("echo", "hi", principal=ADA)
    aborts.join()
    assert given_up.is_set()
    rollout = stage.verbs.current()
    assert (run.release, rollout.phase) == (stage.b.digest, "aborting")
    assert list(stage.rollouts.in_flight(rollout, 10)) == [run.id]
    assert stage.controller.carry_on(rollout.id).phase == "aborting"


def until_it_waits(stage: Rolling) -> None:
    """Return when somebody waits for a lock."""
    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with stage.database.glance() as connection:
        while not connection.execute(waits).scalar():
            pass


def test_a_rollback_is_before_whoever_asks_later(
    stage: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a steady stream of callers, each of them short, holds no rollback up.

    SQLite has one writer, and says nothing of who is the next one.
    """
    if stage.database.engine.dialect.name != "postgresql":
        return
    stage.ramp(HELD)
    slowly, insert = Event(), runs_module.insert
    aborts = Thread(target=lambda: stage.verbs.abort(ORDER, bad=True))
    late: list[RunRecord] = []

    def start() -> None:
        late.append(stage.admission.start_routed("echo", "hi", principal=ADA))

    later = Thread(target=start)

    def slow(*given: object) -> None:
        if not slowly.is_set():
            slowly.set()
            aborts.start()
            until_it_waits(stage)
            later.start()
            later.join(0.2)
            assert not late
        insert(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.admission.clock, "chance", lambda: 0.0)
    monkeypatch.setattr(runs_module, "insert", slow)
    stage.admission.start_routed("echo", "hi", principal=ADA)
    aborts.join()
    later.join()
    assert [run.release for run in late] == [stage.a.digest]


def test_a_run_that_was_drawn_before_a_rollback_by_hand_starts_on_the_release_before(
    stage: Rolling,
) -> None:
    stage.activate(stage.b)
    drawn: list[Routes | None] = []

    def routes() -> Routes | None:
        drawn.append(stage.rollouts.routes("default"))
        if len(drawn) == 1:
            stage.verbs.releases.rollback(by="ann", reason="it harms")
        return drawn[-1]

    admission = replace(stage.admission, routes=routes)
    run = admission.start_routed("echo", "hi", principal=ADA)
    assert [one.baseline for one in drawn if one] == [stage.b.digest, stage.a.digest]
    assert run.release == stage.a.digest


@pytest.mark.parametrize("place", range(4))
def test_invariant_08_an_abort_wins_over_a_promotion_at_the_same_moment(
    stage: Rolling, place: int
) -> None:
    rollout = stage.ramp(HELD)
    del place

    def promote() -> str:
        try:
            stage.verbs.promote(OVERRIDE, override=True)
        except RolloutEnded:
            return "refused"
        return "promoted"

    def give_up() -> str:
        return stage.verbs.abort(ORDER, bad=True).phase

    promoted, aborted = at_once(promote, give_up)
    assert aborted == "aborting"
    stage.controller.carry_on(rollout.id)
    after = stage.rollouts.get(rollout.id)
    assert (after.phase, after.weight, after.bad) == ("rolled_back", 0.0, True)
    assert (after.promoted_at is not None) == (promoted == "promoted")
    assert (stage.pointer(), stage.releases.get(stage.b.digest).bad) == (stage.a, True)
    assert stage.standing()["a"] == ("current", 1.0)
    types = stage.said(f"rollout:{rollout.id}")
    assert types.count("rollout.promoted") == (promoted == "promoted")
    assert types.count("rollout.rolled_back") == 1
    assert stage.verified()


def test_many_orders_at_once_come_one_after_the_other(stage: Rolling) -> None:
    rollout = stage.ramp(HELD)

    def order(number: int) -> Callable[[], str]:
        def give() -> str:
            try:
                if number == 3:
                    return stage.rollouts.change(
                        rollout.id,
                        lambda one, now: abort(one, now, "why", bad=False),
                        ORDER,
                        "abort",
                    ).phase
                return stage.rollouts.change(
                    rollout.id, lambda one, _: pause(one, f"lunch {number}"), ORDER, "pause"
                ).phase
            except FairleadError as error:
                return error.code

        return give

    found = at_once(*(order(number) for number in range(6)))
    assert set(found) <= {"paused", "aborting"}
    assert stage.rollouts.get(rollout.id).phase == "aborting"
    assert stage.verified()


def test_of_two_operators_one_starts_a_rollout(stage: Rolling) -> None:
    def start(release: object) -> Callable[[], str]:
        def begin() -> str:
            try:
                return stage.start(TERMS, release).id  # type: ignore[arg-type]
            except RolloutOpen as error:
                return error.code

        return begin

    found = at_once(*(start(one) for one in (stage.b, stage.c, stage.b, stage.c)))
    assert sorted(found)[:3] == ["FL-930"] * 3
    assert [one.id for one in stage.rollouts.list("default")] == sorted(found)[3:]
    assert stage.verified()


def test_however_many_controllers_each_run_is_counted_once(stage: Rolling) -> None:
    rollout = stage.ramp(HELD)
    clock = stage.admission.clock
    controllers = [stage.make_controller(f"c{number}", clock) for number in range(4)]
    enough = Event()

    def traffic() -> None:
        for _ in range(60):
            stage.end(stage.admission.start_routed("echo", "hi", principal=ADA))
        enough.set()

    def carry_on(number: int) -> Callable[[], None]:
        def looks() -> None:
            while not enough.is_set():
                controllers[number].tick()

        return looks

    at_once(traffic, *(carry_on(number) for number in range(4)))
    after = controllers[0].carry_on(rollout.id)
    canary, baseline = stage.taken("canary"), stage.taken("baseline")
    assert canary + baseline == 60
    assert (after.analysis.canary, after.analysis.baseline) == (canary, baseline)
    success = after.analysis.metrics["success"]
    assert (success.canary, success.baseline, success.canary_bad) == (canary, baseline, 0)
    assert stage.said(f"rollout:{rollout.id}").count("rollout.paused") == 1
    assert stage.verified()


def test_of_two_operators_one_rolls_back_by_hand_and_the_good_release_stays_good(
    stage: Rolling,
) -> None:
    for release in (stage.b, stage.c):
        stage.activate(release)
    history = stage.releases.history

    def seen(environment: str) -> Sequence[Activation]:
        found = history(environment)
        # The other one is quicker.
        theirs = SqlReleaseStore(stage.database, stage.time)
        replace(stage.verbs.releases, store=theirs).rollback(by="bob", reason="it harms")
        return found

    stage.releases.history = seen  # type: ignore[method-assign]
    with pytest.raises(RouteClosed, match="in place of"):
        stage.verbs.releases.rollback(by="ann", reason="it harms")
    assert stage.pointer() == stage.b
    bad = {one.digest for one in stage.releases.list() if one.bad}
    assert bad == {stage.c.digest}
