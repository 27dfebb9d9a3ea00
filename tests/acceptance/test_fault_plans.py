"""Real workers carry fault plans out: each action at each boundary has its effect, and no other.

The workflow `errand` makes three calls: 1 `look` (read), 2 `put` (idempotent), 3 `pay` (once).
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from fairlead.core.breaker import BreakerTerms
from fairlead.core.errors import FairleadError
from fairlead.operations import Platform, open_platform, outcome_of_run, verify_events
from fairlead.testing import Collector
from fairlead.testing.faults import (
    Action,
    Delay,
    Exit,
    Fail,
    Fault,
    FaultPlan,
    Hang,
    Injector,
    Kill,
    Lose,
    Mutate,
    Repeat,
    Stop,
)
from fairlead.testing.faults.plan import Moment
from tests.acceptance.support.errands import ALL, Errands, errands
from tests.acceptance.support.scene import wait_for
from tests.forked import Started

pytestmark = pytest.mark.acceptance

KILLED = -signal.SIGKILL
HOUR_S = 3600.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Errands]:
    """An app whose workers take a fault plan."""
    with errands(tmp_path / "app") as made:
        yield made


def of_tool(name: str, moment: Moment, action: Action, **options: Any) -> Fault:
    return Fault(boundary="tool", name=name, moment=moment, action=action, **options)


def code_of(stage: Errands, run_id: str) -> str:
    return outcome_of_run(stage.run(run_id)).code


def record(stage: Errands, run_id: str, number: int) -> Any:
    return stage.platform.journal.of_run(run_id)[number - 1]


MOMENTS: dict[Moment, tuple[Counter[int], bool | None]] = {
    "asked": (ALL, None),
    "before": (Counter((1, 2)), False),
    "inside": (ALL, True),
    "after": (ALL, True),
    "recorded": (ALL, None),
}
"""What is done outside when a worker is killed in the call of `pay`, and whether somebody who must
find out sees that it was paid; None where nobody must."""


def test_a_worker_is_killed_at_each_moment_of_a_call(stage: Errands) -> None:
    runs = {moment: stage.errand() for moment in MOMENTS}
    plan = stage.plan(
        *(of_tool("pay", moment, Kill(), run=run_id) for moment, run_id in runs.items())
    )
    # One run at a time: with more, a death would count against runs that are not meant.
    ended = stage.play_plan(plan, *runs.values(), arguments=("--concurrency", "1"))
    assert ended == [KILLED] * len(MOMENTS) + [0]
    fired = stage.fired(plan)
    assert sorted((one.moment, one.run) for one in fired) == sorted(runs.items())
    assert len({one.pid for one in fired}) == len(MOMENTS)
    for moment, (executed, paid) in MOMENTS.items():
        run_id = runs[moment]
        assert stage.executed(run_id) == executed, moment
        assert stage.unknown(run_id) == (paid is not None), moment
        assert stage.run(run_id).takeovers == 1, moment
        if paid is not None:
            stage.found_out(run_id, paid=paid)
    assert stage.play_plan(stage.plan(), *runs.values()) == [0]
    for moment, run_id in runs.items():
        assert stage.run(run_id).state == "succeeded", moment
        assert stage.executed(run_id) == ALL, moment
        assert stage.run(run_id).takeovers == 1, moment
    assert verify_events(stage.platform).findings == ()


def test_an_effect_that_nobody_finds_out_about_fails_its_run_in_the_end(stage: Errands) -> None:
    stage.edit("fairlead.toml", "call_timeout_s = 0.4", "call_timeout_s = 0.4\nunknown_wait_s = 1")
    stage.release_again()
    run_id = stage.errand()
    plan = stage.plan(of_tool("pay", "inside", Fail(error="connection")))
    assert stage.play_plan(plan, run_id) == [0]
    assert stage.unknown(run_id)
    # What was waited for so far counts: the worker in between is another one.
    worker = stage.worker(stage.plan())
    ended = stage.wait(run_id)
    worker.send_signal(signal.SIGTERM)
    assert worker.communicate(timeout=60)[1] == ""
    assert (ended.state, code_of(stage, run_id)) == ("failed", "FL-405")
    assert stage.executed(run_id) == ALL
    (effect,) = stage.platform.effects.list(state="unknown")
    assert effect.key == f"{run_id}:3"


def test_the_first_two_workers_end_with_a_status(stage: Errands) -> None:
    """The count of firings survives the processes; a call's number does so too."""
    run_id = stage.errand()
    plan = stage.plan(of_tool("put", "inside", Exit(status=7), call=2, counted="run", times=2))
    assert stage.play_plan(plan, run_id) == [7, 7, 0]
    assert stage.executed(run_id) == ALL + Counter((2, 2))
    assert stage.run(run_id).state == "succeeded"


def test_a_failure_is_tried_again_or_final_as_the_tools_effect_allows(stage: Errands) -> None:
    served, refused, charged = (stage.errand() for _ in range(3))
    plan = stage.plan(
        of_tool("look", "before", Fail(transient=True), run=served, call=(1, 2)),
        of_tool("look", "before", Fail(reason="no such item", code="FL-600"), run=refused),
        of_tool("pay", "inside", Fail(error="connection"), run=charged),
    )
    assert stage.play_plan(plan, served, refused, charged) == [0]
    assert stage.executed(served) == ALL
    assert record(stage, served, 1).attempts == 3
    assert stage.run(served).state == "succeeded"
    assert stage.executed(refused) == Counter()
    assert code_of(stage, refused) == "FL-600"
    assert "no such item" in stage.run(refused).reason
    # It happened, and nobody heard of it: it is not repeated, and the run waits for somebody.
    assert stage.executed(charged) == ALL
    assert stage.unknown(charged)
    assert "ConnectionError" in record(stage, charged, 3).reason
    stage.found_out(charged, paid=True)
    assert stage.play_plan(stage.plan(), charged) == [0]
    assert stage.executed(charged) == ALL
    assert stage.run(charged).state == "succeeded"
    assert record(stage, charged, 3).result.found == "ledger"


def test_a_body_is_delayed_and_one_that_hangs_is_given_up(stage: Errands) -> None:
    slow, tried_again, paid = (stage.errand() for _ in range(3))
    plan = stage.plan(
        of_tool("put", "before", Delay(seconds=0.25), run=slow),
        of_tool("look", "before", Hang(), run=tried_again),
        of_tool("pay", "inside", Hang(), run=paid),
    )
    assert stage.play_plan(plan, slow, tried_again, paid) == [0]
    call = record(stage, slow, 2)
    assert call.finished_at - call.started_at >= 0.25
    assert stage.run(slow).state == "succeeded"
    assert record(stage, tried_again, 1).attempts == 2
    assert stage.executed(tried_again) == ALL
    assert stage.unknown(paid)
    assert "no answer within" in record(stage, paid, 3).reason
    assert stage.executed(paid) == ALL
    stage.found_out(paid, paid=False)
    assert stage.play_plan(stage.plan(), paid) == [0]
    assert stage.executed(paid) == ALL + Counter((3,))
    assert stage.run(paid).state == "succeeded"


def test_a_tool_lies(stage: Errands) -> None:
    lied_to, other = stage.errand(), stage.errand()
    plan = stage.plan(of_tool("look", "inside", Mutate(value="another item"), run=lied_to))
    assert stage.play_plan(plan, lied_to, other) == [0]
    assert outcome_of_run(stage.run(lied_to)).answer == "another item"
    assert record(stage, lied_to, 1).result.value == "another item"
    assert outcome_of_run(stage.run(other)).answer == "item"


def test_telemetry_is_lost_and_the_journal_is_not(stage: Errands) -> None:
    run_id = stage.errand()
    nothing = stage.plan()
    lose = FaultPlan(Fault(boundary="exporter", name="traces", call=(1, None), action=Lose()))
    with Collector(lose) as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        assert stage.play_plan(nothing, run_id, **environment) == [0]
        assert collector.lost >= 1
        assert collector.spans() == []
        assert collector.metrics()
    assert len(stage.platform.journal.of_run(run_id)) == 3
    with Collector(FaultPlan(Fault(boundary="exporter", action=Fail(error="busy")))) as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        assert stage.play_plan(nothing, stage.errand(), **environment) == [0]
        assert collector.refused == 1


def test_workers_die_at_a_claim_and_in_a_takeover(stage: Errands) -> None:
    """The one that takes the dead one's runs over dies of it too; the next one does both."""
    run_id = stage.errand()
    plan = stage.plan(
        Fault(boundary="queue", name="claim", moment="before", action=Fail(error="locked")),
        Fault(boundary="queue", name="claim", moment="after", run=run_id, action=Kill()),
        Fault(boundary="store", name="dispatch.take_over", moment="after", action=Kill()),
    )
    assert stage.play_plan(plan, run_id) == [KILLED, KILLED, 0]
    assert [one.name for one in stage.fired(plan)] == ["claim", "claim", "dispatch.take_over"]
    assert stage.executed(run_id) == ALL
    assert stage.run(run_id).state == "succeeded"
    assert verify_events(stage.platform).findings == ()


def asleep_after_its_claim(stage: Errands) -> tuple[str, Started]:
    """Return a run, and the worker that claimed it and stands still.

    One whose heart was beating at that moment keeps SQLite's one lock: then another has its turn.
    """
    while True:
        run_id = stage.errand()
        asleep = stage.plan(
            Fault(boundary="queue", name="claim", moment="after", run=run_id, action=Stop())
        )
        worker = stage.worker(asleep)
        wait_for(lambda asleep=asleep: bool(stage.fired(asleep)))  # type: ignore[misc]
        database = sqlite3.connect(stage.folder / ".fairlead" / "fairlead.db", timeout=1)
        with closing(database), suppress(sqlite3.OperationalError):
            database.execute("BEGIN IMMEDIATE")
            return run_id, worker
        worker.kill()


def test_a_run_that_two_workers_claimed_is_executed_by_one(stage: Errands) -> None:
    """The first one sleeps over its lease between its claim and the run's first step."""
    run_id, first = asleep_after_its_claim(stage)
    slow = stage.plan(of_tool("pay", "asked", Delay(seconds=3.0), run=run_id))
    second = stage.worker(slow)
    wait_for(lambda: bool(stage.fired(slow)))
    first.send_signal(signal.SIGCONT)
    # It has its lease again, and the run not, of which one call is left to be made.
    wait_for(lambda: {first.forked_pid, second.forked_pid} == stage.living())
    assert stage.wait(run_id).state == "succeeded"
    for worker in (first, second):
        worker.send_signal(signal.SIGTERM)
        assert "Traceback" not in worker.communicate(timeout=60)[1]
        assert worker.returncode == 0
    assert stage.executed(run_id) == ALL
    assert {entry["pid"] for entry in stage.ledger(run_id)} == {second.forked_pid}
    ended = stage.run(run_id)
    assert (ended.takeovers, ended.claims) == (1, 2)
    assert verify_events(stage.platform).findings == ()


def test_a_run_that_the_engine_is_given_twice_has_its_effects_once(stage: Errands) -> None:
    """It is queued again while its worker executes it; what only reads may come again."""
    run_id = stage.errand()
    plan = stage.plan(
        Fault(boundary="queue", name="claim", moment="after", run=run_id, action=Repeat()),
        of_tool("look", "inside", Delay(seconds=0.2)),
        of_tool("put", "before", Delay(seconds=0.2)),
        of_tool("pay", "inside", Delay(seconds=0.2)),
    )
    assert stage.play_plan(plan, run_id) == [0]
    assert [one.do for one in stage.fired(plan)] == ["repeat", "delay", "delay", "delay"]
    assert stage.executed(run_id) in (ALL, ALL + Counter((1,)))
    # One execution may meet the other's open intent: then somebody is asked, and nobody pays twice.
    assert stage.run(run_id).state in ("succeeded", "waiting")
    assert verify_events(stage.platform).findings == ()


def test_a_plan_that_cannot_be_carried_out_starts_no_worker(stage: Errands) -> None:
    broken = stage.folder / "broken.json"
    broken.write_text('[{"boundary": "tool", "action": {"do": "explode"}}]')
    elsewhere = stage.plan(Fault(boundary="exporter", action=Lose()))
    for plan, says in (
        (broken, "fault 0: 'explode' is no action"),
        (elsewhere, "fairlead.testing.Collector"),
        (stage.folder / "missing.json", "missing.json"),
    ):
        worker = stage.worker(plan)
        output, errors = worker.communicate(timeout=60)
        assert (worker.returncode, output) == (2, "")
        assert says in errors
        assert "Traceback" not in errors
    assert stage.platform.workers.living(HOUR_S) == []


PARTS: dict[str, Callable[[Platform], object]] = {
    "store runs.list": lambda platform: platform.runs.list(),
    "store journal.of_run": lambda platform: platform.journal.of_run("r"),
    "store events.list": lambda platform: platform.events.list(),
    "store releases.list": lambda platform: platform.release_store.list(),
    "store workers.living": lambda platform: platform.workers.living(1.0),
    "store dispatch.parked": lambda platform: platform.dispatch.parked("w"),
    "store waits.look": lambda platform: platform.waits.look("r", "w1"),
    "store effects.list": lambda platform: platform.effects.list(),
    "store approvals.list": lambda platform: platform.approvals.list(),
    "store streams.read": lambda platform: platform.streams.read("r", "default", 0),
    "store throttle.allow": lambda platform: platform.throttle.allow("tool:look", BreakerTerms()),
    "store pruning.unforgotten": lambda platform: platform.pruning.store.unforgotten(1),
    "store documents.collections": lambda platform: platform.documents.collections("t"),
    "store select": lambda platform: platform.runs.list(),
    "store update workflow_status": lambda platform: platform.queue.cancel("r"),
    "queue foreign": lambda platform: platform.queue.foreign(["r"]),
    "queue resume": lambda platform: platform.queue.resume([], "w"),
}
"""What a fault of each part of a platform is met by."""


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_a_platform_can_break(stage: Errands, part: str) -> None:
    boundary, _, name = part.partition(" ")
    plan = [{"boundary": boundary, "name": name, "action": {"do": "fail", "error": "locked"}}]
    faults = Injector(FaultPlan.from_json(plan))
    with open_platform(stage.platform.settings, faults=faults) as platform:
        with suppress(FairleadError, DBAPIError):
            PARTS[part](platform)
        assert [one.name for one in faults.firings] == [name]
        PARTS[part](platform)


def test_a_production_worker_takes_no_plan(stage: Errands) -> None:
    """A plan in production would be a way to kill workers and to forge results."""
    plan = stage.plan(of_tool("look", "before", Kill()))
    fairlead = Path(sys.executable).with_name("fairlead")
    command = [fairlead, "worker", "--app", str(stage.folder), "--faults", str(plan)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "--faults" in ended.stderr
    source = Path(__file__).parents[2] / "src" / "fairlead"
    modules = [*source.glob("entrypoints/**/*.py"), *source.glob("operations/**/*.py")]
    assert {source / "entrypoints" / "__init__.py", source / "operations" / "__init__.py"} <= {
        *modules
    }
    for module in modules:
        assert "faults" not in module.read_text(), module
