"""A bench for the runtime: one workflow, executed by the real runner on fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from fairlead import SLO, App, Principal, Workflow
from fairlead.adapters.pydantic_ai.generator import PydanticGenerator
from fairlead.core.archive import Archive
from fairlead.core.digests import Json
from fairlead.core.errors import (
    QueueFull,
    ReleaseDamaged,
    RouteClosed,
    StartKeyReused,
    UnknownRelease,
    UnknownRun,
)
from fairlead.core.grounding import Passage
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Manifest, Release, manifest_digest
from fairlead.delivery.resolve import resolve
from fairlead.ports.app_files import AppFiles
from fairlead.ports.dispatch import Fence
from fairlead.ports.engine import Engine
from fairlead.ports.faults import NO_FAULTS
from fairlead.ports.releases import Activation, Evidence
from fairlead.ports.runs import Ending, Room, RunRecord, Spent
from fairlead.runtime.execute import Runner, Stores
from fairlead.runtime.scope import MemoryAccess, Services
from fairlead.runtime.seats import Seat
from fairlead.runtime.switches import Switches
from fairlead.testing import (
    FakeApprovals,
    FakeAuthorizer,
    FakeBudgets,
    FakeClock,
    FakeConversations,
    FakeDispatch,
    FakeDocuments,
    FakeEffects,
    FakeEngine,
    FakeEvents,
    FakeFlags,
    FakeJournal,
    FakeKills,
    FakeMemoryStore,
    FakePrices,
    FakeSeat,
    FakeStreams,
    FakeTelemetry,
    FakeThrottle,
    FakeWaits,
)
from fairlead.testing.faults import FaultPlan, Injector, Waits

SLO_OF_TESTS = SLO(success=0.9, latency_p95=timedelta(seconds=10))
TEXT = "An item under load is an item that works."
FILES = AppFiles(
    code={"app.py": b""},
    bundle={"fairlead.toml": b"", "prompts/p.md": b"Answer.\n", "policies/p.cedar": b"permit;"},
)


def memory_of(store: FakeMemoryStore) -> MemoryAccess:
    """Return the way to a store, without an embedding model and without a trial."""
    return MemoryAccess(store=store, embedder=lambda _: None, on_trial=lambda _: False)


@dataclass
class FakeRuns:
    """Keeps runs in a dict."""

    records: dict[str, RunRecord] = field(default_factory=dict)
    said: dict[str, Json] = field(default_factory=dict)
    begun_by: list[str] = field(default_factory=list)
    now: Callable[[], float] = lambda: 1_000_000.0
    used: Spent = field(default_factory=Spent)

    def admit(self, run: RunRecord, *, room: Room) -> RunRecord:
        for known in self.records.values():
            place = (known.parent_id, known.parent_call)
            if run.parent_id is not None and place == (run.parent_id, run.parent_call):
                return known
            owner = (known.workflow, known.principal.tenant, known.start_key)
            if run.start_key is not None and owner == (
                run.workflow,
                run.principal.tenant,
                run.start_key,
            ):
                if known.input != run.input:
                    raise StartKeyReused(run.start_key)
                return known
        queued = sum(known.state == "queued" for known in self.records.values())
        if run.parent_id is None and queued >= room.backlog:
            raise QueueFull(f"{queued} runs wait")
        return self.records.setdefault(run.id, run)

    def begin(self, run_id: str, fence: Fence) -> RunRecord:
        self.begun_by.append(fence.worker_id)
        run = self.get(run_id)
        if run.started_at is None and run.state not in FINAL_STATES:
            run = replace(run, state="running", started_at=self.now())
        self.records[run_id] = run
        return run

    def finish(self, run_id: str, ending: Ending, fence: Fence) -> RunRecord:
        run = self.get(run_id)
        if run.state not in FINAL_STATES:
            ended = {"outcome": ending.outcome, "reason": ending.reason}
            self.said[run_id] = ending.said
            run = replace(run, state=ending.state, finished_at=self.now(), **ended)
        self.records[run_id] = run
        return run

    def spent(self, root_id: str) -> Spent:
        return self.used

    def get(self, run_id: str) -> RunRecord:
        if run_id not in self.records:
            raise UnknownRun(run_id)
        return self.records[run_id]

    def list(
        self,
        *,
        state: str | None = None,
        release: str | None = None,
        workflow: str | None = None,
        tenant: str | None = None,
        environment: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        return list(self.records.values())[:limit]


@dataclass
class FakeReleases:
    """Keeps releases in a dict and the pointer's history in a list."""

    records: dict[str, Release] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    moves: list[tuple[str, Activation]] = field(default_factory=list)
    archives: dict[str, Archive] = field(default_factory=dict)

    def archive(self, name: str) -> Archive | None:
        return self.archives.get(name)

    def put(self, release: Release, archive: Archive | None = None) -> bool:
        if archive is not None:
            self.archives[archive.digest] = archive
        return self.records.setdefault(release.digest, release) is release

    def get(self, name: str) -> Release:
        found = [release for digest, release in self.records.items() if digest.startswith(name)]
        if len(found) != 1:
            raise UnknownRelease(name)
        return found[0]

    def list(self) -> Sequence[Release]:
        return list(self.records.values())

    def damaged(self) -> Sequence[ReleaseDamaged]:
        return ()

    def record_gate(self, evidence: Evidence) -> str:
        self.evidence.insert(0, evidence)
        return str(len(self.evidence))

    def gate(self, release: str) -> Evidence | None:
        return next(iter(self.evidence_of(release, "check")), None)

    def evidence_of(
        self,
        release: str,
        gate: str,
        environment: str = "",
        *,
        limit: int = 1,
        of_each: bool = False,
    ) -> Sequence[Evidence]:
        found = [
            one
            for one in self.evidence
            if (one.release, one.gate) == (release, gate) and one.environment in ("", environment)
        ]
        if of_each:
            # The last one that is put under a key is the newest: the list begins with it.
            newest = {(one.by, one.verified): one for one in reversed(found)}
            found = sorted(newest.values(), key=lambda one: one.conclusion == "success")
        return found[:limit]

    def evidence_on(self, release: str, limit: int = 100) -> Sequence[Evidence]:
        return [one for one in self.evidence if one.release == release][:limit]

    def activate(
        self,
        environment: str,
        activation: Activation,
        permit: Callable[[], None] = lambda: None,
        *,
        instead_of: str | None = None,
    ) -> None:
        permit()
        before = self.history(environment)
        if instead_of is not None and before[-1].release != instead_of:
            raise RouteClosed("another release is active by now")
        if activation.kind == "rollback" and before:
            bad = before[-1].release
            self.records[bad] = replace(self.records[bad], bad=True)
        self.moves.append((environment, activation))

    def active(self) -> dict[str, str]:
        return {environment: activation.release for environment, activation in self.moves}

    def history(self, environment: str) -> Sequence[Activation]:
        return [activation for where, activation in self.moves if where == environment]


def manifest_of(workflow: Workflow[Any, Any], **table: Any) -> Manifest:
    """Return the manifest of an app with one workflow.

    Args:
        workflow: The workflow.
        table: Its table in `fairlead.toml`.
    """
    config = {"workflow": {workflow.name: table}} if table else {}
    return resolve(App("bench", workflows=[workflow]), FILES, config)


def documents_of(*texts: str, collection: str = "notes", tenant: str = "default") -> FakeDocuments:
    """Return a store with one passage for each text."""
    passages = [
        Passage(
            collection=collection,
            document=f"{number}.md",
            title="Notes",
            start=0,
            end=len(text),
            text=text,
        )
        for number, text in enumerate(texts)
    ]
    return FakeDocuments(passages=[(tenant, passage) for passage in passages])


class Bench:
    """One run of one workflow.

    Attributes:
        engine: The engine of the newest execution.
        memory: What runs remember; None for a store of its own.
    """

    memory: MemoryAccess | None = None

    def __init__(
        self,
        workflow: Workflow[Any, Any],
        *,
        input: Json = "item",
        manifest: Manifest | None = None,
        authorizer: FakeAuthorizer | None = None,
        documents: FakeDocuments | None = None,
        plan: FaultPlan | None = None,
    ) -> None:
        """Admit the run.

        Args:
            workflow: What is executed.
            input: Its input.
            manifest: What it is pinned to; None for the workflow's own terms.
            authorizer: The policies; None allows everything.
            documents: What can be retrieved.
            plan: What breaks; None as in production.
        """
        self.manifest = manifest or manifest_of(workflow)
        self.clock, self.telemetry = FakeClock(), FakeTelemetry()
        self.throttle = FakeThrottle(self.clock)
        self.budgets, self.kills = FakeBudgets(self.clock), FakeKills(self.clock)
        self.prices, self.flags = FakePrices(), FakeFlags()
        self.runs, self.releases = FakeRuns(now=self.clock.now), FakeReleases()
        self.waits = FakeWaits(self.clock, runs=self.runs.records)
        self.effects = FakeEffects(self.clock, waits=self.waits)
        self.journal, self.events = (
            FakeJournal(settle=self.effects.settle, book=self.budgets.settle),
            FakeEvents(),
        )
        self.approvals, self.streams = FakeApprovals(self.waits), FakeStreams()
        self.conversations = FakeConversations()
        self.dispatch = FakeDispatch(self.waits)
        self.seat = FakeSeat(self.clock, self.waits)
        self.documents = documents or documents_of(TEXT)
        self.authorizer = authorizer or FakeAuthorizer()
        self.engine: FakeEngine = FakeEngine()
        waits = Waits(pause=self.clock.pause, monotonic=self.clock.now)
        self.faults = NO_FAULTS if plan is None else Injector(plan, waits=waits)
        self.release = Release(
            digest=manifest_digest(self.manifest), manifest=self.manifest, created_at=0.0
        )
        self.releases.put(self.release)
        self.runner = Runner(
            app=self._app(workflow),
            code_digest=self.manifest.code_digest,
            worker_id="w1",
            stores=Stores(
                runs=self.runs,
                releases=self.releases,
                documents=self.documents,
                events=self.events,
            ),
            services=self._services(),
            seats=self,
            generator=PydanticGenerator(),
            compile=lambda _: self.authorizer,
        )
        self.runs.records["r1"] = RunRecord(
            id="r1",
            workflow=workflow.name,
            release=self.release.digest,
            code_digest=self.manifest.code_digest,
            principal=Principal(),
            purpose="user",
            state="queued",
            input=input,
            created_at=self.clock.now(),
        )

    def _app(self, workflow: Workflow[Any, Any]) -> App:
        return App("bench", workflows=[workflow])

    def _services(self) -> Services:
        return Services(
            journal=self.journal,
            effects=self.effects,
            approvals=self.approvals,
            waits=self.waits,
            dispatch=self.dispatch,
            runs=self.runs,
            conversations=self.conversations,
            streams=self.streams,
            clock=self.clock,
            telemetry=self.telemetry,
            throttle=self.throttle,
            budgets=self.budgets,
            prices=self.prices,
            switches=Switches(self.kills, self.clock),
            memory=self.memory or memory_of(FakeMemoryStore(self.clock)),
            faults=self.faults,
            flags=self.flags,
        )

    def execute(self, engine: FakeEngine | None = None) -> RunRecord:
        """Execute the run, on another engine for a recovery, and return it."""
        self.engine = engine or self.engine
        given: Engine = self.engine
        asyncio.run(self.runner.execute(given, "r1"))
        return self.runs.get("r1")

    def sit(self, run_id: str) -> Seat:
        """Be the worker's places: there is one."""
        return self.seat

    def leave(self, seat: Seat, run_id: str) -> None:
        """Free the place."""

    def forget_end(self) -> None:
        """Make the run as if its worker had died before it ended."""
        run = self.runs.records["r1"]
        self.runs.records["r1"] = replace(run, state="running", outcome=None, finished_at=None)
