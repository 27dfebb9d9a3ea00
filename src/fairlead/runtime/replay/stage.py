"""The stage of one replay: engine, clock and stores in memory, in the place of the real ones.

Each class has the methods that a run asks for and no others: what is not here cannot be reached. So
no effect, budget, breaker, approval, signal, event or item of the real database is written.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.core.breaker import Permit
from fairlead.core.calls import Call, Done, Result, Unknown, result_state, result_to_json
from fairlead.core.digests import Json, digest
from fairlead.core.errors import JournalForeign, UnknownRun
from fairlead.core.history import Turn
from fairlead.core.kill import Kills
from fairlead.core.rates import Place
from fairlead.core.replay import Step
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.dispatch import Fence
from fairlead.ports.journal import CallRecord, CallVerdict, Execution
from fairlead.ports.runs import Ending, RunRecord, Spent
from fairlead.ports.waits import Signal, Wait, WaitKind
from fairlead.runtime.redacting import recordable
from fairlead.runtime.replay.tape import Missed, Tape

_RECORDED = frozenset(("now", "random", "uuid", "history"))
"""Steps that are no calls and answer from the recording."""


_FENCE = Fence(worker_id="replay", claim=1)


class StageClock:
    """The recorded time; chance, ids and pauses are the machine's own."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def now(self) -> float:
        return self._tape.clock.at

    def monotonic(self) -> float:
        return time.monotonic()

    def chance(self) -> float:
        return random.random()

    def id(self) -> str:
        return uuid.uuid4().hex[:24]

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(kw_only=True)
class StageEngine:
    """Executes steps, and keeps none: a replay is executed once, and never recovered.

    Attributes:
        tape: The recording.
        sent: What the run let out beside calls, in order.
    """

    tape: Tape
    sent: list[str] = field(default_factory=list)

    # Nothing is written down, so nothing has to be taken out of it first.
    records = False

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Answer a step from the recording, or execute it.

        Raises:
            Missed: The replay cannot be decided.
        """
        if self.tape.missed:
            raise Missed(self.tape.missed)
        if name in _RECORDED:
            found = self.tape.step(name)
            if found is None:
                self.tape.miss(f"the run asks for {name} more often than on record")
            else:
                return found[0]
        if name.startswith(("send ", "stream ")):
            # Nothing leaves; the recording says whether it was refused.
            self.sent.append(name)
            said = self.tape.step(name)
            return None if said is None else said[0]
        if name.startswith("flag "):
            told = self.tape.flag(name.removeprefix("flag "))
            if told is not None:
                return told[0]
        value = await body()
        if self.tape.missed:
            raise Missed(self.tape.missed)
        return value


@dataclass(kw_only=True)
class StageJournal:
    """Keeps a replay's calls.

    Attributes:
        tape: The recording, which counts what is not on it.
        steps: Each call as two executions are compared by, in order.
        cost_usd: What they cost.
    """

    tape: Tape
    steps: dict[int, Step] = field(default_factory=dict)
    cost_usd: float = 0.0
    _results: dict[int, tuple[Call, Result]] = field(default_factory=dict)

    in_memory = True

    def find(self, run_id: str, number: int) -> CallRecord | None:  # noqa: ARG002
        known = self._results.get(number)
        if known is None or isinstance(known[1], Unknown):
            return None
        call, result = known
        return CallRecord(
            key=call.key,
            run_id=call.run_id,
            number=number,
            kind=call.kind,
            name=call.name,
            effect=call.effect,
            state=result_state(result),
            arguments_digest=call.arguments_digest,
            result=result,
            attempts=1,
            started_at=0.0,
            finished_at=0.0,
        )

    def result(self, run_id: str, number: int, kept: str) -> Result:
        known = self._results.get(number)
        if known is None or digest(result_to_json(known[1])) != kept:
            raise JournalForeign(f"call {number} has another result", run=run_id)
        return known[1]

    def intend(self, call: Call, at: float) -> None:
        """Nothing is about to be executed."""

    def finish(
        self,
        call: Call,
        result: Result,
        execution: Execution,  # noqa: ARG002
        verdict: CallVerdict,
    ) -> Result:
        self._results[call.number] = call, result
        decided = " ".join([verdict.effect, *verdict.rules]) if verdict.effect else ""
        self.steps[call.number] = step_of(call, result, decided)
        if isinstance(result, Done):
            self.cost_usd += result.usage.cost_usd
        self.tape.ended(call, result)
        return result


@dataclass(kw_only=True)
class StageRuns:
    """Knows the run that is replayed, and its family as it is on record.

    Attributes:
        run: The run, as it begins.
        family: Its ancestors and children.
        ending: How the replay ended; None until it does.
    """

    run: RunRecord
    family: Mapping[str, RunRecord]
    ending: Ending | None = None

    in_memory = True

    def begin(self, run_id: str, fence: Fence) -> RunRecord:  # noqa: ARG002
        return self.run

    def finish(self, run_id: str, ending: Ending, fence: Fence) -> RunRecord:  # noqa: ARG002
        # As the store would record it: it is compared with what was recorded.
        self.ending = ending = recordable(ending)
        return replace(self.run, state=ending.state, outcome=ending.outcome)

    def spent(self, root_id: str) -> Spent:  # noqa: ARG002 - what the others used is not replayed
        return Spent()

    def get(self, run_id: str) -> RunRecord:
        if run_id not in self.family:
            raise UnknownRun(f"run {run_id} is not on record with this one", run=run_id)
        return self.family[run_id]


@dataclass(kw_only=True)
class StageWaits:
    """Ends waits as the recording did; approvals answer from it as well."""

    tape: Tape
    family: Mapping[str, RunRecord]
    _kept: dict[str, Wait] = field(default_factory=dict)
    _resting: Wait | None = None

    in_memory = True

    def open(self, run_id: str, key: str, kind: WaitKind, *, topic: str, within_s: float) -> Wait:
        now = self.tape.clock.at
        wait = Wait(run_id=run_id, key=key, kind=kind, topic=topic, due_at=now + within_s)
        wait = replace(wait, opened_at=now, ended_at=now + within_s, over=True)
        if kind == "signal":
            wait = self._recorded(wait, self.tape.waited("signal", topic), f"signal {topic}")
        elif kind == "child":
            child = self.family.get(topic)
            state = "" if child is None else child.state
            ended = now if child is None or child.finished_at is None else child.finished_at
            wait = replace(wait, answered=True, answer={"state": state}, ended_at=max(ended, now))
        elif kind == "timer" and key.startswith("r"):
            # Whoever is really asked, such as a model, is left alone for as long as it asks for.
            wait = self._resting = replace(wait, over=False)
        self._kept[key] = wait
        return wait

    def look(self, run_id: str, key: str) -> Wait | None:  # noqa: ARG002
        return self._kept.get(key)

    def close(self, run_id: str, key: str) -> Wait:  # noqa: ARG002
        wait = self._kept[key]
        self.tape.clock.reach(wait.ended_at)
        return wait

    def send(self, signal: Signal) -> bool:
        """Send nothing."""
        raise AssertionError(f"signal {signal.name} would leave a replay")

    def ask(self, approval: ApprovalRecord, within_s: float) -> Wait:
        """Answer as the person did who was asked about the same tool and arguments."""
        now = self.tape.clock.at
        wait = Wait(
            run_id=approval.run_id,
            key=approval.wait_key,
            kind="approval",
            topic=approval.id,
            due_at=now + within_s,
            opened_at=now,
            ended_at=now,
            over=True,
        )
        asked = digest(["tool", approval.tool, approval.subject["arguments"]])
        found = self.tape.waited("approval", "tool", approval.tool, asked)
        what = f"an approval of tool {approval.tool}, call {approval.number},"
        wait = self._recorded(wait, found, what)
        self._kept[approval.wait_key] = wait
        return wait

    def consume(self, run_id: str, number: int, subject_digest: str) -> str:  # noqa: ARG002
        return ""

    def expire(self, run_id: str, wait_key: str) -> None:
        """Nobody waits for it."""

    def park(self, run_id: str, fence: Fence, wait: str) -> bool:  # noqa: ARG002
        return not self._kept[wait].over

    async def rest(self) -> None:
        """Wait for as long as somebody really has to be left alone."""
        wait, self._resting = self._resting, None
        if wait is not None:
            await asyncio.sleep(wait.due_at - wait.opened_at)
            self._kept[wait.key] = replace(wait, over=True)

    def _recorded(self, wait: Wait, found: Wait | None, what: str) -> Wait:
        if found is None:
            self.tape.note(f"{what} is not on record")
            return wait
        lasted_s = max(found.ended_at - found.opened_at, 0.0)
        ended_at = wait.opened_at + lasted_s
        return replace(wait, answered=found.answered, answer=found.answer, ended_at=ended_at)


@dataclass(frozen=True, kw_only=True)
class StageHistory:
    """What the run read of its conversation."""

    turns: Mapping[str, Turn]

    in_memory = True

    def said(self, names: Sequence[str]) -> Sequence[Turn]:
        return [self.turns[name] for name in names]


class StageLedgers:
    """An empty ledger of effects, budgets without a bound, closed breakers, and no kill switch.

    What they said of the recorded run's calls is a part of the recording, and is answered by it.
    """

    in_memory = True

    def find(self, call: Call) -> None:
        """Know of no effect."""

    def intend(self, call: Call, tenant: str, fence: Fence, **_: Any) -> tuple[None, str]:  # noqa: ARG002
        return None, call.key

    def undo(self, key: str) -> None:
        """Undo nothing."""

    def reserve(self, *_: Any, **__: Any) -> None:
        """Let it be used."""

    def note(self, *_: Any, **__: Any) -> None:
        """Book nothing."""

    def take(self, *_: Any, **__: Any) -> Place:
        return Place(granted=True, wait_s=0.0, at=None)

    def close(self, *_: Any, **__: Any) -> None:
        """Close nothing."""

    def allow(self, *_: Any) -> Permit:
        return Permit(allowed=True)

    def record(self, *_: Any, **__: Any) -> None:
        """Count nothing."""

    async def kills(self) -> Kills:
        return {}


class StageEvents:
    """An event log that keeps nothing."""

    in_memory = True

    def append(self, facts: Sequence[Any]) -> None:
        """Append nothing."""

    def list(self, **_: Any) -> Sequence[Any]:
        return ()


@dataclass(frozen=True, kw_only=True)
class StageSeat:
    """A place that nobody else wants."""

    waits: StageWaits
    fence: Fence = _FENCE

    def held(self) -> bool:
        return True

    def got_on(self) -> None:
        """No worker dies of a replay."""

    def expect(self) -> None:
        """Nobody wakes it."""

    def stay(self) -> None:
        """It stays."""

    async def rest(self) -> None:
        await self.waits.rest()

    def sit(self, run_id: str) -> StageSeat:  # noqa: ARG002
        return self

    def leave(self, seat: Any, run_id: str) -> None:
        """Free nothing."""


def step_of(call: Any, result: Result, decided: str) -> Step:
    """Return a call as two executions of a run are compared by.

    Args:
        call: The call, or its record.
        result: How it came back.
        decided: What the policies said.
    """
    code = getattr(result, "code", "")
    ended = f"{result_state(result)} {code}".strip()
    return Step(
        kind=call.kind,
        name=call.name,
        # Another prompt asks otherwise in every turn: what came of it is what counts.
        arguments="" if call.kind == "model" else call.arguments_digest,
        ended=ended,
        decided=decided,
    )
