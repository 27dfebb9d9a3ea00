"""A bench for memory: several runs, one after another, that remember on one database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import fairlead as fl
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.core.event import Event
from fairlead.core.memory import Item, Reader
from fairlead.delivery.resolve import resolve
from fairlead.ports.memory import MemoryStore
from fairlead.ports.runs import RunRecord
from fairlead.runtime.redacting import redacting
from fairlead.runtime.scope import MemoryAccess
from fairlead.testing import FakeAuthorizer, FakeClock, FakeEngine
from tests.unit.runtime.bench import FILES, SLO_OF_TESTS, Bench

KINDS: tuple[Any, ...] = ("working", "episodic", "semantic", "procedural")
SAID = "the customer pays by card"
MAILED = "the customer pays in gold"


@fl.tool(effect="read", scope="mail:read")
async def read_mail(_: fl.Context) -> str:
    """Read a mail; nobody says how far it may be trusted."""
    return MAILED


@fl.tool(effect="once", scope="money:write", targets=["to"])
async def pay(_: fl.Context, to: str) -> str:
    """Pay."""
    return to


class MemoryBench(Bench):
    """One run that remembers.

    Attributes:
        run_id: The run.
    """

    def __init__(
        self,
        workflow: fl.Workflow[Any, Any],
        memory: MemoryAccess,
        run_id: str,
        *,
        follows: Sequence[fl.Workflow[Any, Any]] = (),
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Admit the run.

        Args:
            workflow: What is executed.
            memory: What runs remember.
            run_id: The run.
            follows: Other workflows of the app.
            config: `fairlead.toml`.
            options: As of any bench.
        """
        self.memory, self.run_id, self.follows = memory, run_id, tuple(follows)
        manifest = resolve(self._app(workflow), FILES, config or {})
        super().__init__(workflow, manifest=manifest, **options)
        self.runs.records = {run_id: replace(self.runs.records.pop("r1"), id=run_id)}
        self.waits.runs = self.runs.records

    def _app(self, workflow: fl.Workflow[Any, Any]) -> fl.App:
        return fl.App("bench", workflows=[workflow, *self.follows])

    @property
    def record(self) -> RunRecord:
        """The run as it is on record."""
        return self.runs.records[self.run_id]

    def change(self, **values: Any) -> None:
        """Change the run before it is executed."""
        self.runs.records[self.run_id] = replace(self.record, **values)

    def execute(self, engine: FakeEngine | None = None) -> RunRecord:
        """Execute the run, on another engine for a recovery, and return it."""
        self.engine = engine or self.engine
        asyncio.run(self.runner.execute(self.engine, self.run_id))
        return self.record

    def forget_end(self) -> None:
        """Make the run as if its worker had died before it ended."""
        self.change(state="running", outcome=None, finished_at=None)


@dataclass
class Shelf:
    """What runs remember.

    Attributes:
        database: Where it is kept.
        clock: The store's time.
        trial: Digests of the releases that are on trial.
        made: How many runs there were.
    """

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    trial: set[str] = field(default_factory=set)
    made: int = 0

    def __post_init__(self) -> None:
        self.store: MemoryStore = redacting(SqlMemoryStore(self.database, self.clock))

    @property
    def access(self) -> MemoryAccess:
        """The way to it, as a worker has it."""
        return MemoryAccess(
            store=self.store, embedder=lambda _: None, on_trial=lambda one: one in self.trial
        )

    def bench(
        self,
        body: Callable[..., Any],
        *,
        kinds: Sequence[Any] = KINDS,
        limits: fl.Limits | None = None,
        remember: Any = None,
        **options: Any,
    ) -> MemoryBench:
        """Return a run of a workflow with this body, not yet executed."""
        declare = fl.workflow(
            intent="Remember",
            owner="group:default/tests",
            input=str,
            output=str,
            tools=(read_mail, pay),
            limits=limits,
            slo=SLO_OF_TESTS,
            memory=fl.Memory(remember=remember or fl.Remember(kinds)),
        )
        self.made += 1
        return MemoryBench(declare(body), self.access, f"run{self.made}", **options)

    def run(
        self, body: Callable[..., Any], *, user: str = "", tenant: str = "", **options: Any
    ) -> MemoryBench:
        """Execute a run to its success."""
        made = self.bench(body, **options)
        who = fl.Principal()
        made.change(principal=replace(who, user=user or who.user, tenant=tenant or who.tenant))
        ended = made.execute()
        assert (ended.state, ended.reason) == ("succeeded", "")
        return made

    def items(self, tenant: str = "default") -> list[Item]:
        """Return every item of a tenant, whatever its state, by id."""
        return list(self.store.each(Reader(tenant=tenant, app="bench")))

    def events(self, type: str) -> list[Event]:
        """Return the events of a type that memory left."""
        log = SqlEventLog(self.database, self.clock)
        return [one for one in log.list(chain="memory:default") if one.type == type]

    def one(self, tenant: str = "default") -> Item:
        """Return the only item of a tenant."""
        (item,) = self.items(tenant)
        return item


def query_on(authorizer: FakeAuthorizer, resource: str) -> Any:
    """Return what the policies were told of the last act on something."""
    return [query for query in authorizer.asked if query.resource == resource][-1].context
