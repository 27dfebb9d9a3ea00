"""Fakes in memory: deterministic, and as strict as the real parts where it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fairlead.core.audit import Checkpoint
from fairlead.core.calls import Call, Done, Result, Usage, result_state, result_to_json
from fairlead.core.context import Context
from fairlead.core.digests import Json, canonical_json, digest
from fairlead.core.errors import JournalForeign, ReplayDiverged
from fairlead.core.event import GENESIS, Event, Fact, seal
from fairlead.core.flags import FlagDetails
from fairlead.core.grounding import Passage
from fairlead.core.policy import Decision, Obligations, Query, Rule
from fairlead.core.release import ToolContract
from fairlead.ports.authorizer import PolicyMutant
from fairlead.ports.documents import Document, Hit
from fairlead.ports.documents import Query as DocumentQuery
from fairlead.ports.journal import CallRecord, CallVerdict, Execution
from fairlead.ports.telemetry import Signal


@dataclass
class FakeClock:
    """Time that only moves when it is told to, or when somebody waits.

    Attributes:
        time: Seconds since 1970, UTC.
        luck: What `chance` returns, from 0.0 up to 1.0.
        pauses: Every wait, in seconds.
    """

    time: float = 1_000_000.0
    luck: float = 0.5
    pauses: list[float] = field(default_factory=list)
    _ids: int = 0

    def now(self) -> float:
        """Return the time."""
        return self.time

    def monotonic(self) -> float:
        """Return the time."""
        return self.time

    def chance(self) -> float:
        """Return `luck`."""
        return self.luck

    def id(self) -> str:
        """Return the next id: 24 digits that count up."""
        self._ids += 1
        return f"{self._ids:024x}"

    async def pause(self, seconds: float) -> None:
        """Move the time instead of waiting."""
        self.pauses.append(seconds)
        self.time += seconds


@dataclass
class FakeEngine:
    """Journals steps in a list; `replay` gives an engine that reads them back first.

    Attributes:
        steps: Name and result of each journaled step.
        executed: Names of the steps whose bodies were executed by this engine.
        clock: Its time moves with each durable wait; None leaves time alone.
    """

    steps: list[tuple[str, Json]] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    clock: FakeClock | None = None
    _next: int = 0

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as one journaled step, or return what is on record.

        Raises:
            ReplayDiverged: Another step is on record in this place.
        """
        place, self._next = self._next, self._next + 1
        if place < len(self.steps):
            recorded, result = self.steps[place]
            if recorded != name:
                raise ReplayDiverged(f"step {place} is on record as {recorded!r}, not {name!r}")
            return result
        result = await body()
        canonical_json(result)
        self.executed.append(name)
        self.steps.append((name, result))
        return result

    def replay(self, *, keep: int | None = None) -> FakeEngine:
        """Return an engine for a recovery.

        Args:
            keep: How many steps are on record; None for all. With fewer, the rest is as if the
                worker had died before the engine recorded it.
        """
        return FakeEngine(steps=list(self.steps[:keep]), clock=self.clock)


def _settle_nothing(call: Call, result: Result) -> None:
    """Tell no ledger."""


def _book_nothing(call: Call, result: Result, execution: Execution) -> None:
    """Book nothing."""


@dataclass
class FakeJournal:
    """Keeps calls in a dict by run and number.

    Attributes:
        records: Every call on record, by run and number.
        decisions: What was decided, the same way.
        settle: Told of each call with an effect and how it came back, as the ledger is.
        book: Told of each call, how it came back and how it was executed, as budgets are.
        read: How many results were read that their steps only name.
    """

    records: dict[tuple[str, int], CallRecord] = field(default_factory=dict)
    decisions: dict[tuple[str, int], CallVerdict] = field(default_factory=dict)
    settle: Callable[[Call, Result], None] = field(default_factory=lambda: _settle_nothing)
    book: Callable[[Call, Result, Execution], None] = field(default_factory=lambda: _book_nothing)
    read: int = 0

    def find(self, run_id: str, number: int) -> CallRecord | None:
        """Return a call of a run, or None."""
        return self.records.get((run_id, number))

    def result(self, run_id: str, number: int, kept: str) -> Result:
        """Return the result of a call by its digest.

        Raises:
            JournalForeign: Another result is on record, or none.
        """
        found = self.find(run_id, number)
        if found is None or found.result is None or digest(result_to_json(found.result)) != kept:
            raise JournalForeign(f"call {number} has another result", run=run_id)
        self.read += 1
        return found.result

    def intend(self, call: Call, at: float) -> None:
        """Record that a call with an effect is about to be executed; once is enough."""
        execution = Execution(started_at=at, finished_at=at, attempts=0, claim=0)
        self.records.setdefault(
            (call.run_id, call.number), _record(call, "intended", None, execution)
        )

    def finish(
        self, call: Call, result: Result, execution: Execution, verdict: CallVerdict
    ) -> Result:
        """Record how a call ended; what is on record stays, unless it is unknown."""
        place = (call.run_id, call.number)
        known = self.records.get(place)
        if known is not None and known.result and known.state not in ("intended", "unknown"):
            return known.result
        self.records[place] = _record(call, result_state(result), result, execution)
        self.decisions[place] = verdict
        if call.effect != "read":
            self.settle(call, result)
        self.book(call, result, execution)
        return result

    def of_run(self, run_id: str) -> Sequence[CallRecord]:
        """Return a run's calls in order."""
        found = (record for record in self.records.values() if record.run_id == run_id)
        return sorted(found, key=lambda record: record.number)


@dataclass
class FakeEvents:
    """Keeps the event log in a list, sealed like the real one.

    Attributes:
        events: Every event, in order.
    """

    events: list[Event] = field(default_factory=list)

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts to their chains."""
        for fact in facts:
            chain = [event for event in self.events if event.chain == fact.chain]
            number = len(self.events) + 1
            self.events.append(
                seal(
                    fact,
                    sequence=len(chain) + 1,
                    id=f"{number:024x}",
                    time=float(number),
                    previous=chain[-1].hash if chain else GENESIS,
                )
            )

    def list(
        self,
        *,
        chain: str | None = None,
        tenant: str | None = None,  # noqa: ARG002 - whose a run is stands in another table
        limit: int = 100,
    ) -> Sequence[Event]:
        """Return the newest events, newest last."""
        return [event for event in self.events if chain in (None, event.chain)][-limit:]

    def of_types(self, types: Collection[str], *, since: float = 0.0) -> Iterator[Event]:
        """Yield the events of some types, chain by chain, each chain in its order."""
        return (e for c in self.chains() for e in c if e.type in types and e.time >= since)

    def chains(self) -> Iterator[Sequence[Event]]:
        """Yield each chain whole, in order."""
        for name in sorted({event.chain for event in self.events}):
            yield [event for event in self.events if event.chain == name]

    def gaps(self) -> Sequence[str]:
        """Return nothing: there is no other table to compare with."""
        return ()


@dataclass
class FakeTelemetry:
    """Keeps the names of spans.

    Attributes:
        spans: Kind and name of each call's span, in order.
        runs: State of each run that finished, in order.
        checkpoints: Every checkpoint, in order.
        flags: Every evaluation of a flag, in order.
    """

    spans: list[tuple[str, str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    flags: list[FlagDetails[Json]] = field(default_factory=list)

    @contextmanager
    def call(self, call: Call, context: Context) -> Iterator[FakeTelemetry]:  # noqa: ARG002
        """Open the span of a call."""
        self.spans.append((call.kind, call.name))
        yield self

    def end(self, result: Result) -> None:
        """Say how the call came back."""

    def run_finished(
        self,
        context: Context,  # noqa: ARG002 - the port's signature
        *,
        state: str,
        started_at: float,  # noqa: ARG002
        finished_at: float,  # noqa: ARG002
    ) -> None:
        """Keep the state of a run."""
        self.runs.append(state)

    def flag_evaluated(self, context: Context, details: FlagDetails[Json]) -> None:  # noqa: ARG002
        """Keep an evaluation."""
        self.flags.append(details)

    def checkpointed(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint."""
        self.checkpoints.append(checkpoint)

    def signals(self) -> Sequence[Signal]:
        """Return nothing."""
        return ()

    def flush(self) -> None:
        """Do nothing."""


@dataclass
class FakeAuthorizer:
    """Allows everything but what it is told to deny or to ask about.

    Attributes:
        denied: Names of resources.
        asking: Names of resources of which a person is asked first.
        redacting: Fields that are taken out of what comes back.
        asked: Every query, in order.
    """

    denied: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()
    redacting: tuple[str, ...] = ()
    asked: list[Query] = field(default_factory=list)

    @property
    def rules(self) -> Sequence[Rule]:
        """No rules."""
        return ()

    def decide(self, query: Query) -> Decision:
        """Decide by the resource's name."""
        self.asked.append(query)
        if query.resource in self.denied:
            return Decision(effect="deny", reasons=("denied-by-name",))
        if query.resource in self.asking:
            wanted = Obligations(asked_by=("asks-by-name",))
            return Decision(effect="ask", reasons=("asks-by-name",), obligations=wanted)
        if self.redacting:
            wanted = Obligations(redact=self.redacting)
            return Decision(effect="redact", reasons=("redacts",), obligations=wanted)
        return Decision(effect="allow", reasons=("allowed",))

    def findings(
        self,
        contracts: Mapping[str, ToolContract] | None,
        *,
        workflows: Collection[str] = (),
        shared: bool = False,
    ) -> Sequence[str]:
        """Find nothing: there are no rules."""
        del contracts, workflows, shared
        return ()

    def reads(self) -> frozenset[str]:
        """Return no fact: there are no rules."""
        return frozenset()

    def mutants(self) -> Iterator[PolicyMutant]:
        """Yield no mistake: there are no rules."""
        return iter(())


@dataclass
class FakeDocuments:
    """Finds passages that share a word with the question, in the order in which they were given.

    Attributes:
        passages: Passages with their tenant.
        queries: Every query, in order.
    """

    passages: list[tuple[str, Passage]] = field(default_factory=list)
    queries: list[DocumentQuery] = field(default_factory=list)

    def replace(
        self, tenant: str, collection: str, documents: Iterable[Document]
    ) -> tuple[int, int, int]:
        """Make the collection hold exactly these documents."""
        given = list(documents)
        kept = [p for p in self.passages if (p[0], p[1].collection) != (tenant, collection)]
        removed = len(self.passages) - len(kept)
        added = [(tenant, passage) for document in given for passage in document.passages]
        self.passages = kept + added
        return len(given), 0, removed

    def search(self, query: DocumentQuery) -> Sequence[Hit]:
        """Return passages of the asker's tenant and collections."""
        self.queries.append(query)
        words = set(query.text.lower().split())
        hits = [
            Hit(passage=passage, score=1.0)
            for tenant, passage in self.passages
            if tenant == query.tenant and passage.collection in query.collections
            if words & set(passage.text.lower().split())
        ]
        return hits[: query.top_k]

    def collections(self, tenant: str) -> dict[str, int]:
        """Return each collection of a tenant with its number of documents."""
        found: dict[str, set[str]] = {}
        for owner, passage in self.passages:
            if owner == tenant:
                found.setdefault(passage.collection, set()).add(passage.document)
        return {name: len(documents) for name, documents in found.items()}


def _record(call: Call, state: str, result: Result | None, execution: Execution) -> CallRecord:
    return CallRecord(
        key=call.key,
        run_id=call.run_id,
        number=call.number,
        kind=call.kind,
        name=call.name,
        effect=call.effect,
        state=state,
        arguments_digest=call.arguments_digest,
        result=result,
        attempts=execution.attempts,
        started_at=execution.started_at,
        finished_at=None if result is None else execution.finished_at,
        usage=result.usage if isinstance(result, Done) else Usage(),
        reason="" if result is None or isinstance(result, Done) else result.reason,
        leaked=call.leaked,
    )
