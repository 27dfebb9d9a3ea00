"""Releases, rollouts and runs of one database, with the real controller."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.deployments import SqlDeploymentStore
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.rollouts import SqlRolloutStore
from fairlead.adapters.sql.runs import end, run_fact
from fairlead.adapters.sql.schema_delivery import assignments
from fairlead.core.analysis import AnalysisTerms, MetricTerms
from fairlead.core.digests import Json
from fairlead.core.event import verify_chain
from fairlead.core.outcome import Outcome, RunState
from fairlead.core.release import Release, manifest_digest
from fairlead.core.rollout import Rollout, RolloutTerms, Step
from fairlead.delivery.controller import Controller, Pace
from fairlead.delivery.release import Releases
from fairlead.delivery.rollouts import Rollouts
from fairlead.ports.clock import Clock
from fairlead.ports.releases import Activation
from fairlead.ports.runs import Ending, Order, RunRecord
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.admission import Admission, StartOptions
from fairlead.runtime.control import Control
from fairlead.testing import FakeClock, FakeKills
from tests.unit.adapters.sql.test_releases import MANIFEST
from tests.unit.adapters.sql.test_runs import Stores
from tests.unit.runtime.office import FakeQueue

LEASE_S = 10.0
ORDER = Order(by="ann", reason="she said so")
ADA = Principal(user="ada", tenant="acme")
ANALYSIS = AnalysisTerms(metrics=(MetricTerms(name="success", p_max=0.5),), min_runs=5)
TERMS = RolloutTerms(
    steps=(
        Step(kind="set_weight", weight=0.5),
        Step(kind="analysis", min_runs=5),
        Step(kind="set_weight", weight=0.8),
        Step(kind="analysis", min_runs=5),
    ),
    analysis=ANALYSIS,
    observe_s=100.0,
)
HELD = replace(TERMS, steps=(TERMS.steps[0], Step(kind="pause"), *TERMS.steps[1:]))
"""It waits for a person at half of the traffic."""


class Rolling(Stores):
    """Release `a` is active, `b` and `c` are there; nothing moves by itself."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        super().__init__(database)
        self.time = self.clock
        given = clock or self.clock
        self.releases = SqlReleaseStore(database, given)
        self.rollouts = SqlRolloutStore(database, given)
        self.deployments = SqlDeploymentStore(database, given)
        self.queue = FakeQueue([])
        self.a, self.b, self.c = (self.put(name) for name in ("a", "b", "c"))
        self.activate(self.a)
        verbs = Releases(store=self.releases, clock=given, environment="default")
        self.verbs = Rollouts(
            store=self.rollouts, releases=verbs, clock=given, environment="default"
        )
        self.admission = Admission(
            runs=self.runs,
            clock=given,
            kills=FakeKills(FakeClock()),
            routes=lambda: self.rollouts.routes("default"),
            release=self.releases.get,
        )
        self.controller = self.make_controller("me", given)

    def make_controller(self, by: str, clock: Clock) -> Controller:
        """Return a controller of its own."""
        control = Control(
            runs=self.runs,
            control=self.control,
            journal=self.journal,
            queue=self.queue,
            clock=clock,
        )
        return Controller(
            rollouts=self.verbs,
            deployments=self.deployments,
            control=control,
            pace=Pace(lease_s=LEASE_S, stranded_after_s=30.0, retire_after_s=1000.0, sweep_s=0.0),
            by=by,
        )

    def put(self, name: str) -> Release:
        """Store a release whose code is its own."""
        terms = replace(MANIFEST.workflows["echo"], prompt=name)
        manifest = replace(MANIFEST, code_digest=f"code-{name}", workflows={"echo": terms})
        release = Release(digest=manifest_digest(manifest), manifest=manifest, created_at=1.0)
        self.releases.put(release)
        return release

    def activate(self, release: Release, kind: Any = "activate") -> None:
        """Move the pointer by hand."""
        move = Activation(release=release.digest, kind=kind, reason="", by="ann", time=1.0)
        self.releases.activate("default", move)

    def serve(self, *releases: Release) -> None:
        """Let a worker of the code of each release live."""
        for release in releases:
            code = release.manifest.code_digest
            worker = WorkerRecord(
                id=f"w-{code}", code_digest=code, host="h", pid=7, started_at=0.0, heartbeat_at=0.0
            )
            self.workers.start(worker, LEASE_S)

    def start(self, terms: RolloutTerms = TERMS, release: Release | None = None) -> Rollout:
        """Begin to roll a release out; `b` when nobody says."""
        found = release or self.b
        return self.verbs.start(found.digest, terms, by="ann", override="a test")

    def ramp(self, terms: RolloutTerms = TERMS) -> Rollout:
        """Begin to roll `b` out, to workers that are there."""
        self.serve(self.b)
        return self.tick(self.start(terms))

    def tick(self, rollout: Rollout) -> Rollout:
        """Let a second pass, and look."""
        self.time.time += 1.0
        self.controller.tick()
        return self.rollouts.get(rollout.id)

    def begin(self, luck: float = 0.0, user: str = "ada", **options: Any) -> RunRecord:
        """Admit a run: with a luck of 0.0 to the candidate, with 0.99 to the other one."""
        self.time.luck = luck
        return self.admission.start_routed(
            "echo",
            "hi",
            principal=replace(ADA, user=user),
            options=StartOptions(**options),
        )

    def end(self, run: RunRecord, state: RunState = "succeeded", **more: Json) -> None:
        """Let a run end."""
        outcome = {**asdict(Outcome[Json](state=state)), **more}
        ending = Ending(state=state, outcome=outcome, reason="")
        with self.database.transaction() as connection:
            data = end(connection, self.database, self.time, run.id, ending=ending)
            append(connection, self.time, run_fact(run.id, "run.finished", data))

    def play(self, number: int, bad: RunState = "succeeded") -> None:
        """Let so many runs of each side begin and end; those of the candidate in a state."""
        for _ in range(number):
            self.end(self.begin(0.99))
            self.end(self.begin(0.0), bad)

    def pointer(self) -> Release:
        """Return the active release."""
        return self.releases.get(self.releases.active()["default"])

    def standing(self) -> dict[str, tuple[str, float]]:
        """Return state and share of each release, by its prompt."""
        names = {
            one.digest: one.manifest.workflows["echo"].prompt for one in (self.a, self.b, self.c)
        }
        found = self.deployments.list("default")
        return {str(names[one.release]): (one.state, one.weight) for one in found}

    def said(self, chain: str) -> list[str]:
        """Return the types of a chain's events, but for how much is known by then."""
        found = [event.type for event in self.events.list(chain=chain, limit=1000)]
        return [one for one in found if one != "rollout.evidence"]

    def taken(self, arm: str = "canary") -> int:
        """Return how many runs were ever given to one side."""
        query = sa.select(sa.func.count()).where(assignments.c.arm == arm)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def verified(self) -> bool:
        """Whether the whole log holds."""
        broken = [verify_chain(chain) for chain in self.events.chains()]
        return self.events.gaps() == [] and broken == [None] * len(broken)
