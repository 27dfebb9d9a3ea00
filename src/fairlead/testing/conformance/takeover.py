"""Takeovers that go wrong: their worker dies, was only asleep, or loses its database."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fairlead.testing.conformance.nursery import WorkerProcess
from fairlead.testing.conformance.site import LEASE_S, Execution, Site
from fairlead.testing.faults import Delay, Fault, Firing, Kill

RUNS = 6
ITEM = "b"
OUTAGE_S = 2 * LEASE_S
"""Longer than a lease, which nobody can renew meanwhile, and than anybody waits for a lock."""


class TakeoverConformance:
    """Nothing is lost and nothing happens twice, whatever becomes of a takeover.

    Attributes:
        mid_takeover: A statement in the middle of a takeover's transaction, and at which of its
            executions by a worker that has done nothing else yet. With our stores it is the second
            event that such a worker writes: the first one is that of its own start.
    """

    mid_takeover: ClassVar[tuple[str, int]] = ("insert events", 2)

    def test_runs_survive_the_death_of_whoever_takes_them_over(self, site: Site) -> None:
        """One worker after the other dies during its takeover; the last one finishes."""
        statement, call = self.mid_takeover
        deaths = [
            Fault(boundary="store", name="dispatch.take_over", moment="before", action=Kill()),
            Fault(boundary="store", name=statement, call=call, action=Kill()),
            Fault(boundary="store", name="dispatch.take_over", moment="after", action=Kill()),
            Fault(boundary="queue", name="resume", moment="before", action=Kill()),
            Fault(boundary="queue", name="resume", moment="after", action=Kill()),
            Fault(boundary="queue", name="claim", moment="after", action=Kill()),
        ]
        runs, first = _in_flight(site)
        first.kill()
        for number, death in enumerate(deaths):
            plan = site.plan(death)
            dying = site.worker(plan)
            assert dying.wait() == -signal.SIGKILL, f"death {number}"
            assert len(site.fired(plan)) == 1, f"death {number}"
        site.release(ITEM)
        site.employ()
        site.until_ended(*runs)
        _assert_nothing_lost_and_nothing_twice(site, runs)

    def test_a_zombie_writes_nothing_and_does_nothing_more(self, site: Site) -> None:
        """It stands still past its lease with an effect in its hands, and comes back too late."""
        read = site.start("series", ["look:a", f"look:{ITEM}", "put:c", "pay:d"])
        once = site.start("series", ["look:a", f"charge:{ITEM}", "put:c", "pay:d"])
        zombie, came_back = _frozen(site, read, once)
        site.worker()
        site.until(lambda: len(_of(site, read, "look")) == 2, "the read is made again")
        site.release(ITEM)
        site.until_ended(read, once)
        before = _record(site, read), _record(site, once), len(site.executions())
        zombie.thaw()
        # Both of its bodies return, and it would like to record that.
        site.until(lambda: len(came_back()) == 2, "the zombie has outcomes to record")
        zombie.end()
        assert (_record(site, read), _record(site, once), len(site.executions())) == before
        assert site.did(once) == ["look:a", f"charge:{ITEM}", "put:c", "pay:d"]
        for run_id in (read, once):
            assert site.answer(run_id) == ["a", ITEM, "c", "d"]
            assert site.types(run_id)["run.finished"] == 1
            late = [one for one in site.executions(run_id) if one.pid == zombie.pid]
            assert {one.item for one in late} == {"a", ITEM}

    def test_a_zombie_does_nothing_while_its_run_is_in_other_hands(self, site: Site) -> None:
        """It comes back while the other worker is still in the middle of the run."""
        run_id = site.start("series", [f"put:{ITEM}", "put:c", "pay:d"])
        zombie, came_back = _frozen(site, run_id)
        other = site.worker()
        site.hold("c")
        site.until(lambda: len(_of(site, run_id, "put")) == 2, "the effect is made again")
        site.release(ITEM)
        site.until(lambda: "put:c" in site.did(run_id), "the other worker has gone on")
        zombie.thaw()
        site.until(lambda: len(came_back()) == 1, "the zombie has an outcome to record")
        zombie.end()
        assert Counter(site.did(run_id)) == {f"put:{ITEM}": 2, "put:c": 1}
        site.release("c")
        site.until_ended(run_id)
        assert site.answer(run_id) == [ITEM, "c", "d"]
        assert Counter(site.did(run_id)) == {f"put:{ITEM}": 2, "put:c": 1, "pay:d": 1}
        assert [one.pid for one in site.executions(run_id)] == [zombie.pid, *[other.pid] * 3]

    def test_runs_survive_an_outage_of_the_database_during_a_takeover(self, site: Site) -> None:
        """It begins inside the takeover's transaction, and lasts for longer than a lease.

        A second one follows before the engine is given the runs. Meanwhile a run of a worker that
        lives returns from a body, and has an outcome to record.
        """
        statement, call = self.mid_takeover
        runs, first = _in_flight(site)
        plan = site.plan(
            Fault(boundary="store", name=statement, call=call, action=Delay(seconds=0.5)),
            Fault(
                boundary="queue", name="resume", moment="before", action=Delay(seconds=2 * LEASE_S)
            ),
        )
        site.employ(2, plan=plan)
        site.until(lambda: all(worker.ready for worker in site.workers), "all workers are ready")
        first.kill()
        site.release(ITEM)
        _until_fired(site, plan, 0)
        with site.database.outage():
            time.sleep(OUTAGE_S)
        site.hold("d")
        at_work = site.start("series", ["put:d", "charge:e"])
        site.until(lambda: "put:d" in site.did(at_work), "a run is inside a body")
        _until_fired(site, plan, 1)
        with site.database.outage():
            site.release("d")
            time.sleep(OUTAGE_S)
        site.until_ended(*runs, at_work)
        site.dismiss()
        _assert_nothing_lost_and_nothing_twice(site, runs)
        assert site.answer(at_work) == ["d", "e"]
        assert Counter(site.did(at_work))["charge:e"] == 1


def _in_flight(site: Site) -> tuple[list[str], WorkerProcess]:
    """Return runs that are inside the body of a call, and their worker."""
    site.hold(ITEM)
    tools = ("look", "put", "charge")
    steps = [["look:a", f"{tools[n % len(tools)]}:{ITEM}", "charge:c"] for n in range(RUNS)]
    runs = [site.start("series", each) for each in steps]
    worker = site.worker()
    site.until(
        lambda: sum(one.item == ITEM for one in site.executions()) == RUNS,
        "every run is inside a body",
    )
    return runs, worker


def _assert_nothing_lost_and_nothing_twice(site: Site, runs: Sequence[str]) -> None:
    for run_id in runs:
        assert site.answer(run_id) == ["a", ITEM, "c"]
        types = site.types(run_id)
        assert (types["run.started"], types["run.finished"], types["call.finished"]) == (1, 1, 3)
        did = Counter(site.did(run_id))
        # On record before the first death, so never again.
        assert did["look:a"] == 1
        assert did[f"charge:{ITEM}"] <= 1
        assert did["charge:c"] == 1


def _frozen(site: Site, *runs: str) -> tuple[WorkerProcess, Callable[[], Sequence[Firing]]]:
    """Freeze the worker of runs inside a body of each; return it, and what says that they return.

    Another worker may take them over once the lease of this one has lapsed.
    """
    # A pause too short to matter, which leaves a mark when a body of this worker has returned.
    mark = Fault(boundary="tool", moment="after", call=(1, None), action=Delay(seconds=0.001))
    site.hold(ITEM)
    plan = site.plan(mark)
    worker = site.worker(plan)
    site.until(
        lambda: sum(one.item == ITEM for one in site.executions()) == len(runs),
        "every run is inside a body",
    )
    site.freeze(worker)
    returned = len(site.fired(plan))
    return worker, lambda: site.fired(plan)[returned:]


def _until_fired(site: Site, plan: Path, fault: int) -> None:
    site.until(
        lambda: any(one.fault == fault for one in site.fired(plan)), f"fault {fault} has struck"
    )


def _of(site: Site, run_id: str, tool: str) -> list[Execution]:
    """Return the executions of a run's call for the item that is held."""
    return [one for one in site.executions(run_id) if (one.tool, one.item) == (tool, ITEM)]


def _record(site: Site, run_id: str) -> Any:
    """Return everything that is on record of a run."""
    platform = site.platform
    return (
        site.run(run_id),
        platform.journal.of_run(run_id),
        platform.effects.of_run(run_id),
        platform.events.list(chain=f"run:{run_id}"),
    )
