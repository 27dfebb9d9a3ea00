"""Fakes of what durable runs wait for: waits, approvals, streams, and a place with a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.digests import Json
from fairlead.core.errors import (
    ApprovalClosed,
    InboxFull,
    LeaseLost,
    RunFinished,
    UnknownApproval,
    UnknownConversation,
    UnknownRun,
)
from fairlead.core.history import Turn, compact
from fairlead.core.limits import Limits
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.approvals import ApprovalRecord, ApprovalState
from fairlead.ports.clock import Clock
from fairlead.ports.conversations import ConversationRecord, Read, TurnRecord
from fairlead.ports.dispatch import Bid, Claimed, Fence, Start, TakenOver
from fairlead.ports.runs import Order, RunRecord
from fairlead.ports.waits import Signal, Wait, WaitKind
from fairlead.testing.fakes import FakeClock


@dataclass
class FakeWaits:
    """Keeps waits in a dict.

    Attributes:
        clock: Time.
        waits: Every wait, by run and key.
        signals: Signals that nobody has taken yet.
        runs: The runs that signals may be sent to; None takes signals for any.
        untaken_max: Most signals that wait untaken for one run.
    """

    clock: Clock
    waits: dict[tuple[str, str], Wait] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)
    runs: Mapping[str, RunRecord] | None = None
    untaken_max: int = 1000
    _sent: set[tuple[str, str]] = field(default_factory=set)

    def open(self, run_id: str, key: str, kind: WaitKind, *, topic: str, within_s: float) -> Wait:
        """Begin a wait; a signal that came before ends it at once, and so does a child's end."""
        now = self.clock.now()
        if (run_id, key) not in self.waits:
            self.waits[run_id, key] = Wait(
                run_id=run_id, key=key, kind=kind, topic=topic, due_at=now + within_s, opened_at=now
            )
            self._match()
            child = (self.runs or {}).get(topic) if kind == "child" else None
            if child is not None and child.state in FINAL_STATES:
                self.answer("child", topic, {"state": child.state})
        return self._found(run_id, key)

    def look(self, run_id: str, key: str) -> Wait | None:
        """Return a wait as it stands; None when it is not on record."""
        return self._found(run_id, key) if (run_id, key) in self.waits else None

    def close(self, run_id: str, key: str) -> Wait:
        """Return how a wait ended; one whose time is up takes no answer any more."""
        found = self._found(run_id, key)
        if found.over:
            self.waits[run_id, key] = found
        return found

    def send(self, signal: Signal) -> bool:
        """Keep a signal, and end the wait for it."""
        if self.runs is not None:
            run = self.runs.get(signal.run_id)
            if run is None or signal.tenant not in (None, run.principal.tenant):
                raise UnknownRun(f"no run has the id {signal.run_id!r}", run=signal.run_id)
            if run.state in FINAL_STATES:
                raise RunFinished(f"run {run.id} has already {run.state}", run=run.id)
        if signal.dedup_key is not None:
            if (signal.run_id, signal.dedup_key) in self._sent:
                return False
            self._sent.add((signal.run_id, signal.dedup_key))
        if sum(kept.run_id == signal.run_id for kept in self.signals) >= self.untaken_max:
            raise InboxFull("too many signals wait", run=signal.run_id)
        self.signals.append(signal)
        self._match()
        return True

    def answer(self, kind: WaitKind, topic: str, answer: Json) -> None:
        """End the open waits for a topic with an answer, unless their time is up."""
        for place, wait in list(self.waits.items()):
            if (wait.kind, wait.topic) == (kind, topic) and not self._found(*place).over:
                self._end(place, answer)

    def _found(self, run_id: str, key: str) -> Wait:
        wait, now = self.waits[run_id, key], self.clock.now()
        if wait.over:
            return wait
        return replace(wait, over=now >= wait.due_at, ended_at=min(now, wait.due_at))

    def _end(self, place: tuple[str, str], answer: Json) -> None:
        ended = replace(self.waits[place], over=True, answered=True, answer=answer)
        self.waits[place] = replace(ended, ended_at=self.clock.now())

    def _match(self) -> None:
        for signal in list(self.signals):
            for place, wait in self.waits.items():
                named = (wait.run_id, wait.kind, wait.topic)
                if named == (signal.run_id, "signal", signal.name) and not wait.over:
                    self.signals.remove(signal)
                    self._end(place, {"payload": signal.payload, "by": signal.by})
                    break


@dataclass
class FakeApprovals:
    """Keeps approvals in a dict by id, beside the waits for them.

    Attributes:
        waits: The waits.
        records: Every approval, by id.
    """

    waits: FakeWaits
    records: dict[str, ApprovalRecord] = field(default_factory=dict)

    def ask(self, approval: ApprovalRecord, within_s: float) -> Wait:
        """Record the question and the run's wait for its answer."""
        for known in self.records.values():
            if (known.run_id, known.number) == (approval.run_id, approval.number):
                return self.waits.close(known.run_id, known.wait_key)
        now = self.waits.clock.now()
        self.records[approval.id] = replace(approval, asked_at=now, expires_at=now + within_s)
        return self.waits.open(
            approval.run_id, approval.wait_key, "approval", topic=approval.id, within_s=within_s
        )

    def answer(self, approval_id: str, approved: bool, order: Order) -> ApprovalRecord:
        """Record a person's answer and end the run's wait."""
        if approval_id not in self.records:
            raise UnknownApproval(approval_id)
        record = self._dated(self.records[approval_id])
        if record.state != "pending":
            raise ApprovalClosed(f"approval {approval_id} is {record.state}")
        said: ApprovalState = "approved" if approved else "denied"
        now = self.waits.clock.now()
        record = replace(
            record, state=said, by=order.by, reason=order.reason, answered_at=now, roles=order.roles
        )
        self.records[approval_id] = record
        answer = {"approved": approved, "by": order.by, "reason": order.reason}
        self.waits.answer("approval", approval_id, answer)
        return record

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval by its id."""
        if approval_id not in self.records:
            raise UnknownApproval(approval_id)
        return self._dated(self.records[approval_id])

    def consume(self, run_id: str, number: int, subject_digest: str) -> str:
        """Use an approval up; return why not, or nothing."""
        for record in self.records.values():
            if (record.run_id, record.number) != (run_id, number):
                continue
            if record.subject_digest != subject_digest:
                return "arguments, policies or release are not those that a person was shown"
            if record.state == "consumed":
                # This call's own: it died after this and before its outcome was on record.
                return ""
            if record.state != "approved":
                return f"the approval is {record.state}"
            if record.expires_at <= self.waits.clock.now():
                return "the approval has expired"
            self.records[record.id] = replace(record, state="consumed")
            return ""
        return "nobody was asked"

    def expire(self, run_id: str, wait_key: str) -> None:
        """Record that nobody answered in time."""
        for record in list(self.records.values()):
            named = (record.run_id, record.wait_key, record.state)
            if named == (run_id, wait_key, "pending"):
                self.records[record.id] = replace(record, state="expired")

    def list(
        self, *, state: str | None = "pending", tenant: str | None = None, limit: int = 100
    ) -> Sequence[ApprovalRecord]:
        """Return approvals, oldest first, of one tenant or all; late ones count as expired."""
        dated = [self._dated(record) for record in self.records.values()]
        found = [record for record in dated if state in (None, record.state)]
        return [record for record in found if tenant in (None, record.tenant)][:limit]

    def _dated(self, record: ApprovalRecord) -> ApprovalRecord:
        late = record.state == "pending" and record.expires_at <= self.waits.clock.now()
        return replace(record, state="expired") if late else record


@dataclass
class FakeStreams:
    """Keeps the items of streams in a dict.

    Attributes:
        items: Every item, by run, stream and offset.
    """

    items: dict[tuple[str, str, int], Json] = field(default_factory=dict)

    def write(self, run_id: str, stream: str, offset: int, item: Json) -> None:
        """Keep one item; what stands at the offset already stays."""
        self.items.setdefault((run_id, stream, offset), item)

    def read(self, run_id: str, stream: str, offset: int, limit: int = 100) -> Sequence[Json]:
        """Return items from an offset on, in order."""
        found = sorted(
            (key[2], item) for key, item in self.items.items() if key[:2] == (run_id, stream)
        )
        return [item for place, item in found if place >= offset][:limit]


@dataclass
class FakeConversations:
    """One conversation, of which every run reads what was said so far.

    Attributes:
        earlier: What was said, oldest first.
        reads: How often a run chose what it reads.
    """

    earlier: list[Turn] = field(default_factory=list)
    reads: int = 0

    def read(self, run_id: str, limits: Limits) -> Read:  # noqa: ARG002
        """Choose the newest turns within the limits."""
        self.reads += 1
        first = len(self.earlier) - len(compact(self.earlier, limits))
        names = tuple(str(place) for place in range(first, len(self.earlier)))
        return Read(said=names, dropped=first)

    def said(self, names: Sequence[str]) -> Sequence[Turn]:
        """Return turns by their place."""
        return [self.earlier[int(name)] for name in names]

    def get(self, tenant: str, id: str) -> ConversationRecord:
        """Know no conversation by its id."""
        raise UnknownConversation(f"tenant {tenant} has no conversation {id!r}", conversation=id)

    def turns(self, tenant: str, id: str, limit: int) -> Sequence[TurnRecord]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[ConversationRecord]:  # noqa: ARG002
        """Return nothing."""
        return ()


@dataclass
class FakeDispatch:
    """Says of a wait whether it is over; claims nothing.

    Attributes:
        waits: The waits.
        parkings: Run and wait of each time that a run was parked.
        owners: Under which claim each run is executed; a run that is not here is anybody's.
    """

    waits: FakeWaits
    parkings: list[tuple[str, str]] = field(default_factory=list)
    owners: dict[str, Fence] = field(default_factory=dict)

    def parked(self, worker_id: str) -> frozenset[str]:  # noqa: ARG002
        """Return nothing."""
        return frozenset()

    def claim(self, bid: Bid, start: Start) -> Sequence[Claimed]:  # noqa: ARG002
        """Take nothing."""
        return ()

    def awake(self, worker_id: str, most: int) -> Sequence[str]:  # noqa: ARG002
        """Wake nothing."""
        return ()

    def park(self, run_id: str, fence: Fence, wait: str) -> bool:
        """Say whether a wait still lasts."""
        held(self.owners, run_id, fence)
        self.parkings.append((run_id, wait))
        found = self.waits.look(run_id, wait)
        assert found is not None, "a run is parked after its wait was opened"
        return not found.over

    def unload(self, run_id: str, fence: Fence) -> None:
        """Do nothing."""

    def strays(self, worker_id: str, seated: frozenset[str]) -> int:  # noqa: ARG002
        """Queue nothing."""
        return 0

    def refuse(self, run_id: str, worker_id: str) -> None:
        """Do nothing."""

    def hand_back(self, worker_id: str) -> int:  # noqa: ARG002
        """Hand nothing back."""
        return 0

    def take_over(self, dead: str, ttl_s: float, limit: int) -> TakenOver | None:  # noqa: ARG002
        """Take nothing over."""
        return None


@dataclass
class FakeSeat:
    """A place whose rest takes no time: the clock jumps to when the wait is due.

    Attributes:
        clock: Time.
        waits: The waits.
        answer: Called instead of the jump, to answer what is waited for; None lets it be due.
        lease: Whether the lease holds.
        rests: How often the place was given up.
        progress: How often the run said that it got on.
    """

    clock: FakeClock
    waits: FakeWaits
    answer: Callable[[Wait], None] | None = None
    lease: bool = True
    rests: int = 0
    progress: int = 0

    @property
    def fence(self) -> Fence:
        """Always the first claim of worker `w1`."""
        return Fence(worker_id="w1", claim=1)

    def held(self) -> bool:
        """Return `lease`."""
        return self.lease

    def got_on(self) -> None:
        """Count it."""
        self.progress += 1

    def expect(self) -> None:
        """Do nothing."""

    def stay(self) -> None:
        """Do nothing."""

    async def rest(self) -> None:
        """Answer the newest open wait, or jump to when it is due."""
        self.rests += 1
        newest = [wait for wait in self.waits.waits.values() if not wait.over][-1]
        if self.answer is not None:
            self.answer(newest)
        ended = self.waits.look(newest.run_id, newest.key)
        if ended is None or not ended.over:
            self.clock.time = max(self.clock.time, newest.due_at)


def held(owners: Mapping[str, Fence], run_id: str, fence: Fence) -> None:
    """Make sure that a run belongs to a claim.

    Args:
        owners: Under which claim each run is executed; a run that is not here is anybody's.
        run_id: The run.
        fence: The claim.

    Raises:
        LeaseLost: It does not.
    """
    if owners.get(run_id, fence) != fence:
        raise LeaseLost(f"run {run_id} belongs to another worker by now", run=run_id)
