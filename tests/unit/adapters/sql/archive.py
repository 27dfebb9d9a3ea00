"""An archive of runs on SQL, for what happens long after they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.approvals import SqlApprovalStore
from fairlead.adapters.sql.control import SqlRunControl
from fairlead.adapters.sql.conversations import SqlConversationStore
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.effects import SqlEffectsLedger
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.pruning import SqlPruneStore
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.streams import SqlStreamStore
from fairlead.adapters.sql.waits import SqlWaitStore
from fairlead.core.calls import Call, Done, Result
from fairlead.core.digests import Json
from fairlead.core.errors import UnknownRelease
from fairlead.core.event import verify_chain
from fairlead.core.outcome import RunState
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.dispatch import Fence
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.pruning import Pruned
from fairlead.ports.runs import Ending, Order, Room, RunRecord
from fairlead.ports.waits import Signal
from fairlead.runtime.control import Control
from fairlead.runtime.prune import DAY_S, Pruning, Wanted
from fairlead.testing import FakeClock

ORDER = Order(by="ann", reason="older than a month")
OLD = Wanted(older_than_days=1)
FENCE = Fence(worker_id="w1", claim=1)


@dataclass
class FakeQueue:
    """Remembers what the engine was told to forget; dies when a test says so."""

    known: set[str] = field(default_factory=set)
    dies: bool = False

    def forget(self, run_ids: Sequence[str]) -> None:
        if self.dies:
            raise KeyboardInterrupt
        self.known -= set(run_ids)

    def fork(self, origin: str, run_id: str, before: int) -> None:
        assert origin in self.known
        self.known.add(run_id)


@dataclass
class FakeTerms:
    """Releases of which only the retention matters."""

    days: dict[str, int] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        if name not in self.days:
            raise UnknownRelease(name)

        terms = SimpleNamespace(retention_days=self.days[name])
        return SimpleNamespace(manifest=SimpleNamespace(workflows={"w": terms}))


class Archive:
    """A database with runs that ended, as many as a test asks for."""

    def __init__(self, folder: Path, *, keep: int = 0) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite:///{folder}/a.db", synchronous="normal")
        self.runs = SqlRunStore(self.database, self.clock)
        self.journal = SqlJournal(self.database, self.clock)
        self.events = SqlEventLog(self.database, self.clock)
        self.effects = SqlEffectsLedger(self.database, self.clock)
        self.waits = SqlWaitStore(self.database, self.clock)
        self.approvals = SqlApprovalStore(self.database, self.clock)
        self.streams = SqlStreamStore(self.database, self.clock)
        self.conversations = SqlConversationStore(self.database)
        self.store = SqlPruneStore(self.database, self.clock)
        self.queue = FakeQueue()
        self.terms = FakeTerms()
        self.pruning = Pruning(
            store=self.store,
            queue=self.queue,  # type: ignore[arg-type]
            releases=self.terms,  # type: ignore[arg-type]
            clock=self.clock,
            keep=keep,
        )
        self.control = Control(
            runs=self.runs,
            control=SqlRunControl(self.database, self.clock),
            journal=self.journal,
            queue=self.queue,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def admit(self, input: Json = "in", **fields: Any) -> str:
        """Record a run that a worker has."""
        run_id = self.clock.id()
        fields = {"workflow": "w", "release": "d", "claims": 1, **fields}
        self.runs.admit(
            RunRecord(
                id=run_id,
                code_digest="c",
                principal=Principal(),
                purpose="user",
                state="queued",
                input=input,
                created_at=self.clock.now(),
                **fields,
            ),
            room=Room(backlog=1000),
        )
        self.sql("UPDATE runs SET state = 'running', worker_id = 'w1' WHERE id = :run", run=run_id)
        self.runs.begin(run_id, FENCE)
        self.queue.known.add(run_id)
        return run_id

    def call(self, run_id: str, number: int, result: Result, *, effect: Any = "read") -> Call:
        """Record a call of a run, with its effect."""
        run = self.runs.get(run_id)
        call = Call(
            run_id=run_id,
            number=number,
            kind="tool",
            name="pay",
            arguments={"n": number},
            effect=effect,
            lineage=run.lineage,
        )
        self.record(call, result)
        return call

    def record(self, call: Call, result: Result) -> None:
        """Record a call and what came back."""
        if call.effect != "read":
            self.journal.intend(call, self.clock.now())
            self.effects.intend(call, "default", FENCE)
        execution = Execution(started_at=0, finished_at=1, attempts=1, claim=1)
        verdict = CallVerdict(effect="allow", query={"asked": [call.name, call.arguments]})
        self.journal.finish(call, result, execution, verdict)

    def end(
        self, run_id: str, answer: Json = 1, said: Json = None, *, state: RunState = "succeeded"
    ) -> str:
        """End a run."""
        outcome = {"answer": answer, "checks": [], "grounded_sources": [], "code": ""}
        ending = Ending(state=state, outcome=outcome, reason="", said=said)
        self.runs.finish(run_id, ending, FENCE)
        return run_id

    def ended(self, **fields: Any) -> str:
        """Record a whole run with a call; return its id."""
        run_id = self.admit(**fields)
        self.call(run_id, 1, Done(value=run_id))
        return self.end(run_id)

    def later(self, days: float) -> None:
        """Let time pass."""
        self.clock.time += days * DAY_S

    def prune(self, wanted: Wanted = OLD) -> Pruned:
        """Prune."""
        return self.pruning.prune(wanted, ORDER)

    def pruned(self) -> set[str]:
        """Return the runs that were pruned."""
        with self.database.reading() as connection:
            query = sa.text("SELECT id FROM runs WHERE pruned_at IS NOT NULL")
            return set(connection.execute(query).scalars())

    def sql(self, statement: str, **values: object) -> int:
        """Change the tables by hand; return how many rows."""
        with self.database.transaction() as connection:
            return connection.execute(sa.text(statement), values).rowcount

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        with self.database.reading() as connection:
            return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())

    def findings(self) -> list[str]:
        """Return whatever does not hold."""
        chains = [found for chain in self.events.chains() if (found := verify_chain(chain))]
        return [*chains, *self.events.gaps()]


def full(archive: Archive) -> str:
    """Record a run that leaves a row in every table."""
    run_id = archive.admit({"asked": 1})
    archive.call(run_id, 1, Done(value="read"))
    archive.call(run_id, 2, Done(value="paid"), effect="once")
    archive.waits.open(run_id, "w1", "signal", topic="word", within_s=9.0)
    archive.waits.send(Signal(run_id=run_id, name="word", payload="heard", by="ann"))
    archive.streams.write(run_id, "s", 0, {"said": 1})
    approval = ApprovalRecord(
        id=archive.clock.id(),
        run_id=run_id,
        number=3,
        wait_key="a3",
        tenant="default",
        tool="pay",
        release="d",
        subject={"tool": "pay"},
        subject_digest="s",
        state="pending",
        asked_at=0.0,
        expires_at=0.0,
    )
    archive.approvals.ask(approval, 60.0)
    archive.approvals.answer(approval.id, True, ORDER)
    return archive.end(run_id)


LIVING: dict[str, Callable[[Archive], tuple[str, str]]] = {}


def living(make: Callable[[Archive], tuple[str, str]]) -> Callable[[Archive], tuple[str, str]]:
    """Name a way in which a run that ended hangs together with one that lives."""
    LIVING[make.__name__] = make
    return make


@living
def parent_of_a_living_child(archive: Archive) -> tuple[str, str]:
    parent = archive.admit()
    child = archive.admit(parent_id=parent, parent_call=1, root_id=parent, lineage=f"{parent}.1")
    archive.end(parent)
    return parent, child


@living
def child_of_a_living_parent(archive: Archive) -> tuple[str, str]:
    parent = archive.admit()
    child = archive.ended(parent_id=parent, parent_call=1, root_id=parent, lineage=f"{parent}.1")
    return child, parent


@living
def origin_of_a_living_fork(archive: Archive) -> tuple[str, str]:
    origin = archive.ended()
    fork = archive.control.fork(origin, 2, ORDER).id
    archive.sql("UPDATE runs SET state = 'running', worker_id = 'w1' WHERE id = :run", run=fork)
    return origin, fork


@living
def parent_of_an_origin_of_a_living_fork(archive: Archive) -> tuple[str, str]:
    parent = archive.admit()
    child = archive.ended(parent_id=parent, parent_call=1, root_id=parent, lineage=f"{parent}.1")
    archive.end(parent)
    fork = archive.control.fork(child, 2, ORDER).id
    archive.sql("UPDATE runs SET state = 'running', worker_id = 'w1' WHERE id = :run", run=fork)
    return parent, fork
