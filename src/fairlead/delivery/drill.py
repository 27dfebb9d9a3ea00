"""A rollback drill: a release is promoted and rolled back beside the real thing, under way.

It is played by the product's own verbs on a scratch database, with real worker processes, and what
it shows is a check as of a gate. Nothing with an effect is executed: see `runtime/stand_ins.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from fairlead.core.errors import FairleadError
from fairlead.core.event import Event
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES, OPEN_STATES
from fairlead.core.release import Release
from fairlead.core.rollout import Rollout, RolloutTerms, Step
from fairlead.delivery.controller import Controller
from fairlead.delivery.drill_checks import Accepting, memory_findings
from fairlead.delivery.gate import CheckRun
from fairlead.delivery.release import Releases
from fairlead.delivery.rollout_file import usual_analysis
from fairlead.delivery.rollouts import Rollouts
from fairlead.ports.clock import Clock
from fairlead.ports.events import EventLog
from fairlead.ports.journal import CallRecord, Journal
from fairlead.ports.processes import Spawner, WorkerProcess
from fairlead.ports.runs import Order, RunRecord, RunStore
from fairlead.ports.workers import WorkerStore
from fairlead.runtime.admission import Admission
from fairlead.runtime.control import Control
from fairlead.settings import Settings

NAME = "rollback_drill"
"""The check's name."""

RUNS_MIN, RUNS_MAX = 4, 12
"""Runs that are started on each side: as many as there are cases, within these."""

READY_S_MAX = 60.0
"""Seconds within which a worker of a release must take runs."""

BEGIN_S_MAX = 5.0
"""Seconds that a run is given to begin before it is held."""

END_S_MAX = 300.0
"""Seconds within which the runs in flight must have ended."""

LOOK_S = 0.02

_ORDER = Order(by="rollback drill", reason="a rollback drill")
_USER = Principal(user="rollback drill")


class Place(Protocol):
    """What of an open platform on a scratch database is used here; see `Platform`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def releases(self) -> Releases: ...

    @property
    def rollouts(self) -> Rollouts: ...

    @property
    def controller(self) -> Controller: ...

    @property
    def admission(self) -> Admission: ...

    @property
    def control(self) -> Control: ...

    @property
    def runs(self) -> RunStore: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def workers(self) -> WorkerStore: ...


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run of the drill.

    Attributes:
        id: The run.
        release: Digest of the release on which it must begin and end.
    """

    id: str
    release: str


@dataclass(kw_only=True)
class Drill:
    """One drill.

    Attributes:
        place: The scratch platform; both releases are stored there.
        candidate: The release from which it is rolled back.
        previous: The release to which.
        cases: Workflows with inputs; at least one.
        spawner: Starts workers there.
        flying: Runs of the candidate that are really in flight, with their calls.
        said: Returns the last that they said.
        findings: What does not hold, in the order in which it was found.
        figures: What was measured.
    """

    place: Place
    candidate: Release
    previous: Release
    cases: Sequence[tuple[str, Any]]
    spawner: Spawner
    flying: Sequence[tuple[RunRecord, Sequence[CallRecord]]] = ()
    said: Callable[[], str] = lambda: ""
    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _workers: dict[str, WorkerProcess] = field(default_factory=dict)

    def play(self) -> CheckRun:
        """Play it, and return what it shows."""
        self.findings += memory_findings(self.candidate.manifest, self.previous.manifest)
        try:
            self._play()
        except (FairleadError, TimeoutError) as error:
            self.findings.append(str(error))
        finally:
            for worker in self._workers.values():
                worker.stop()
            for worker in self._workers.values():
                worker.kill()
        safe = self.figures.get("new_traffic_safe_s")
        return CheckRun(
            name=NAME,
            conclusion="failure" if self.findings else "success",
            summary=f"{self.candidate.id} to {self.previous.id}"
            + ("" if safe is None else f", new runs safe in {safe:.2f} s"),
            findings=tuple(self.findings),
            figures=self.figures,
        )

    def _play(self) -> None:
        place = self.place
        place.releases.activate(self.previous.digest, by=_ORDER.by, override=_ORDER.reason)
        self.figures["worker_ready_s"] = round(self._worker(self.previous), 3)
        before = self._start(self.previous)
        self._hold(before)
        self.figures["candidate_ready_s"] = round(self._worker(self.candidate), 3)
        rollout = self._promote()
        after = self._start(self.candidate)
        self._hold(after)
        for name, runs in (("previous", before), ("candidate", after)):
            flying = sum(place.runs.get(one.id).state in OPEN_STATES for one in runs)
            self.figures[f"in_flight_{name}"] = flying
            if not flying:
                self.findings.append(f"no run of the {name} release was in flight at the rollback")
        ordered_at = time.monotonic()
        place.rollouts.abort(_ORDER, bad=True)
        probes = self._start(self.previous, count=1)
        safe_s = time.monotonic() - ordered_at
        probes += self._start(self.previous)
        self._let_go([*before, *after])
        ended = self._until_over(rollout, [*before, *after, *probes])
        # The rollout's own figures, and what somebody beside it saw; the longer one counts.
        own_s = float(ended.data["new_traffic_safe_s"])
        self.figures["new_traffic_safe_s"] = round(max(own_s, safe_s), 3)
        self.figures["in_flight_safe_s"] = round(float(ended.data["in_flight_safe_s"]), 3)
        self._look(before, after, probes)

    def _worker(self, release: Release) -> float:
        """Make sure that a worker of a release takes runs; return after how many seconds it did."""
        code, began = release.manifest.code_digest, time.monotonic()
        if code in self._workers:
            return 0.0
        worker = self._workers[code] = self.spawner.spawn(release.digest)

        def ready() -> bool:
            if worker.status() is not None:
                raise TimeoutError(f"a worker of release {release.id} ended: {self.said()}")
            living = self.place.workers.living(self.place.settings.lease_s)
            return any(one.code_digest == code for one in living)

        _until(ready, READY_S_MAX, lambda: f"no worker of release {release.id} takes runs")
        return time.monotonic() - began

    def _promote(self) -> Rollout:
        """Let all new runs start on the candidate, and observe it, as a rollout does at its end."""
        terms = RolloutTerms(
            steps=(Step(kind="set_weight", weight=1.0), Step(kind="analysis")),
            # Nobody looks at it before it is given up: a drill tries the way back.
            analysis=usual_analysis(self.candidate.manifest),
            holdback=0.0,
        )
        rollouts = self.place.rollouts
        rollouts.start(self.candidate.digest, terms, by=_ORDER.by, override=_ORDER.reason)
        return rollouts.promote(_ORDER, override=True)

    def _start(self, expected: Release, count: int | None = None) -> list[Started]:
        """Start runs as anybody would; they must begin on the release that is expected."""
        if count is None:
            count = min(max(len(self.cases), RUNS_MIN), RUNS_MAX)
        started = []
        for number in range(count):
            workflow, given = self.cases[number % len(self.cases)]
            run = self.place.admission.start_routed(workflow, given, principal=_USER)
            started.append(Started(id=run.id, release=run.release))
        strays = sum(one.release != expected.digest for one in started)
        if strays:
            self.findings.append(f"{strays} of {count} new runs did not start on {expected.id}")
        return started

    def _hold(self, runs: Sequence[Started]) -> None:
        """Pause runs: every other one as it stands, the others once they have begun."""
        for number, one in enumerate(runs):
            if number % 2:
                with suppress(TimeoutError):
                    _until(lambda one=one: self._has_begun(one.id), BEGIN_S_MAX, lambda: "")  # type: ignore[misc]
            with suppress(FairleadError):
                # What has ended meanwhile is in flight no more.
                self.place.control.pause(one.id, _ORDER)

    def _has_begun(self, run_id: str) -> bool:
        return self.place.runs.get(run_id).started_at is not None

    def _let_go(self, runs: Sequence[Started]) -> None:
        for one in runs:
            with suppress(FairleadError):
                self.place.control.resume(one.id, _ORDER)

    def _until_over(self, rollout: Rollout, runs: Sequence[Started]) -> Event:
        """Carry the rollback on until every run has ended; return the event of its end."""
        place, stopped = self.place, set[str]()

        def over() -> bool:
            open_ = [run for run in self._records(runs) if run.state not in FINAL_STATES]
            if open_ and all(run.state == "waiting" for run in open_):
                # Nobody is here to answer, and nobody waits for an hour.
                for run in open_:
                    with suppress(FairleadError):
                        stopped.update(place.control.cancel(run.id, _ORDER))
            return not open_ and place.controller.carry_on(rollout.id).final

        _until(over, END_S_MAX, lambda: "the runs in flight do not end")
        self.figures["stopped_waiting"] = len(stopped)
        chain = place.events.list(chain=f"rollout:{rollout.id}", limit=100)
        return next(one for one in chain if one.type == "rollout.ended")

    def _records(self, runs: Sequence[Started]) -> list[RunRecord]:
        return [self.place.runs.get(one.id) for one in runs]

    def _look(
        self, before: Sequence[Started], after: Sequence[Started], probes: Sequence[Started]
    ) -> None:
        """Hold what happened against what should have."""
        runs = [*before, *after, *probes]
        found = self._records(runs)
        moved = [run.id for run, one in zip(found, runs, strict=True) if run.release != one.release]
        if moved:
            self.findings.append(f"{len(moved)} runs did not end on their release: {moved[:5]}")
        good = sum(run.state != "failed" for run in self._records(probes))
        if not good:
            reason = self._records(probes)[0].reason
            self.findings.append(f"every new run of {self.previous.id} failed: {reason[:300]}")
        states = Counter(run.state for run in found)
        held = {event.chain for event in self.place.events.of_types(("run.paused",))}
        self.figures |= {
            "runs": len(runs),
            "held": len(held),
            "states": dict(sorted(states.items())),
        }
        self.figures |= dict(self._effects())
        accepting = Accepting(self.previous.manifest, self.candidate.manifest)
        for run in self._records(after):
            accepting.look(run, self.place.journal.of_run(run.id))
        for run, calls in self.flying:
            accepting.look(run, calls)
        self.findings += accepting.findings

    def _effects(self) -> Iterator[tuple[str, int]]:
        """Yield how many effects were stood in for, and how many of them twice."""
        keys = Counter(
            str(event.data["key"]) for event in self.place.events.of_types(("call.intended",))
        )
        twice = sorted(key for key, times in keys.items() if times > 1)
        if twice:
            self.findings.append(f"{len(twice)} effects were about to be made twice: {twice[:5]}")
        yield "effects", len(keys)
        yield "effects_twice", len(twice)


def _until(reached: Callable[[], bool], within_s: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {within_s:g} s still not: {what()}")
        time.sleep(LOOK_S)
