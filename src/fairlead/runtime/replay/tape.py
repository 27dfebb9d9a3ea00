"""The tape: a recording as the answers to whatever its replay asks.

A call is found by what is called and with what, in order among equals: so a candidate may ask in
another order. What is not on record makes the replay undecidable, and is never made up, but for
four things that nothing of the verdict rests on: what is remembered (until it is read), what undoes
or follows a run whose outcome stands, what is let out as a signal or a stream, and stubs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fairlead.core.budget import CHARGED
from fairlead.core.calls import Call, Done, Failed, Refused, Result, Unknown
from fairlead.core.digests import Json
from fairlead.core.errors import BudgetExhausted, KillSwitchPulled
from fairlead.core.replay import ModelMode, ReplayTerms, ToolPolicy
from fairlead.ports.engine import Suspended
from fairlead.ports.recordings import Recording
from fairlead.ports.waits import Wait
from fairlead.runtime.replay.purse import Purse, over_calls, over_cost
from fairlead.runtime.screening import WRITES

Asker: TypeAlias = Callable[[Call], Awaitable[tuple[Json] | None]]
"""Asks somebody for the answer to a call: it in a tuple of one, or None when nobody knows it."""

_CIRCUMSTANCES = frozenset((BudgetExhausted.code, KillSwitchPulled.code))
"""Refusals that say nothing of the release: they are repeated as they were."""

_RECORDED = ToolPolicy()


class Missed(Suspended):
    """A replay asks for what is not on record: it ends here, undecided."""


@dataclass(kw_only=True)
class TapeClock:
    """The time of the recording, which moves with what is answered.

    Attributes:
        at: Seconds since 1970, UTC.
    """

    at: float

    def reach(self, at: float | None) -> None:
        """Move on to a time; never back."""
        if at is not None:
            self.at = max(self.at, at)


@dataclass(frozen=True, kw_only=True)
class Modes:
    """What answers a run's calls.

    Attributes:
        terms: What was asked for.
        model: Whether models answer from the recording.
        memory: Whether the candidate's memory is declared as the recorded release's was: then the
            same question has the same answer.
        embeds: Whether a question that is not on record may be embedded.
        writes: Tools with an effect by the recorded release: a candidate that calls one of them a
            `read` tool may be wrong, which is what a replay is made to find out.
        flags: Flags that the candidate declares otherwise: they are evaluated anew.
        ask: Asks somebody, where `on_miss` says so.
        purse: What this replay shares with others.
        pause: Stops the clock of the replay while it waits for others.
    """

    terms: ReplayTerms = field(default_factory=ReplayTerms)
    model: ModelMode = "recorded"
    memory: bool = True
    embeds: bool = True
    writes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    ask: Asker | None = None
    purse: Purse = field(default_factory=Purse)
    pause: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def live(self) -> bool:
        """Whether anything may be really asked."""
        modes = {policy.mode for policy in self.terms.tools.values()}
        return self.model == "live" or "live" in modes or self.terms.on_miss == "live-read"


class Tape:
    """The answers of one recording to one replay.

    Attributes:
        missed: Why the replay cannot be decided; empty while it can.
        live: Numbers of the calls that were executed and not answered from the recording.
        cost_usd: US dollars that they cost.
    """

    def __init__(self, recording: Recording, modes: Modes, clock: TapeClock) -> None:
        """Rewind it.

        Args:
            recording: What is on record.
            modes: What answers which calls.
            clock: The time, which moves with the answers.
        """
        self.missed = ""
        self.live: set[int] = set()
        self.cost_usd = 0.0
        self.clock = clock
        self._modes = modes
        self._given: dict[int, Result] = {}
        self._unwritten = False
        self._held: dict[int, float] = {}
        self._closed = False
        self._calls: dict[tuple[str, str, str], deque[tuple[Result, float | None]]] = defaultdict(
            deque
        )
        named = {}
        for record in recording.calls:
            assert record.result is not None, "a recording without an outcome is not usable"
            key = (record.kind, record.name, record.arguments_digest)
            named[f"a{record.number}"] = key
            self._calls[key].append((record.result, record.finished_at))
        self._waits: dict[tuple[str, ...], deque[Wait]] = defaultdict(deque)
        for wait in recording.waits:
            if wait.kind == "approval":
                self._waits["approval", *named.get(wait.key, ())].append(wait)
            elif wait.kind == "signal":
                self._waits["signal", wait.topic].append(wait)
        self._steps: dict[str, deque[Json]] = defaultdict(deque)
        for name, value in recording.steps:
            self._steps[name].append(value)

    async def of(self, call: Call, *, undoing: bool) -> Result | None:
        """Return how a call came back; None lets it be executed.

        Raises:
            Missed: It is not on record, and so the replay cannot be decided.
        """
        known = self._given.get(call.number)
        if known is not None:
            # An effect that stayed unknown is looked at again: it is still the same call.
            return known
        if call.number in self.live:
            return None
        found = await self._answer(call, undoing=undoing)
        if found is None:
            self.live.add(call.number)
        else:
            self._given[call.number] = found
        return found

    async def hold(self, call: Call, cost_usd: float | None) -> None:
        """Hold what a live model's turn is expected to cost, and wait while others hold it.

        Raises:
            Missed: So much is not left, and so the replay cannot be decided.
        """
        purse = self._modes.purse
        if cost_usd is None:
            if not purse.count(call.name):
                self.miss(over_calls(purse.most_unpriced))
            return
        with self._modes.pause():
            enough = await purse.hold(cost_usd)
        if not enough:
            self.miss(over_cost(purse.most_usd))
        if self._closed:
            # The replay has ended while this waited.
            purse.settle(cost_usd, 0.0)
            self.miss("the replay had ended before a model was asked")
        self._held[call.number] = cost_usd

    def stumbled(self, call: Call, *, charged: bool) -> None:
        """Settle a try that failed: one that may have been charged for costs what was held."""
        held_usd = self._held.pop(call.number, 0.0)
        self._pay(held_usd, held_usd if charged else 0.0)

    def ended(self, call: Call, result: Result) -> None:
        """Settle a call that came back, if it was executed.

        Args:
            call: The call.
            result: How it came back.
        """
        if isinstance(result, Done):
            if call.number in self.live and not self._closed:
                self._pay(self._held.pop(call.number, 0.0), result.usage.cost_usd)
        else:
            self.stumbled(call, charged=isinstance(result, Failed) and result.code in CHARGED)

    def close(self) -> None:
        """End it: a turn that is still under way costs what was held for it."""
        self._closed = True
        for held_usd in self._held.values():
            self._pay(held_usd, held_usd)
        self._held.clear()

    def _pay(self, held_usd: float, cost_usd: float) -> None:
        self.cost_usd += cost_usd
        self._modes.purse.settle(held_usd, cost_usd)

    async def _answer(self, call: Call, *, undoing: bool) -> Result | None:
        if call.kind == "tool":
            policy = self._modes.terms.tools.get(call.name, _RECORDED)
            if policy.mode == "stub":
                return Done(value=policy.value)
            if policy.mode == "live":
                self._may_be_executed(call)
                return None
        elif call.kind == "model" and self._modes.model == "live":
            return None
        elif call.kind == "memory":
            return self._memory(call)
        found = self._match(call)
        if found is not None:
            return found
        if undoing:
            # The outcome stands by now. What follows it is not done, and nothing waits for it.
            return Done(value="" if call.kind == "child" else None)
        return await self._not_on_record(call)

    def _may_be_executed(self, call: Call) -> None:
        if not self._reads(call):
            effect = "an effect on record" if call.effect == "read" else f"effect {call.effect}"
            self.miss(f"{call.kind} {call.name} has {effect}: it is never executed")

    def _reads(self, call: Call) -> bool:
        """Say whether a tool only reads, by the candidate and by the recorded release."""
        return call.effect == "read" and call.name not in self._modes.writes

    def _match(self, call: Call) -> Result | None:
        """Return the next answer to exactly this; None when there is none."""
        waiting = self._calls.get((call.kind, call.name, call.arguments_digest))
        while waiting:
            result, finished_at = waiting.popleft()
            found = _repeatable(call, result)
            if found is not None:
                self.clock.reach(finished_at)
                return found
        return None

    def _memory(self, call: Call) -> Result | None:
        """Answer what is asked of memory; what is not on record is read as it was then."""
        if call.name in WRITES:
            found = self._match(call)
            if found is None:
                self._unwritten = True
                return Done(value=_unwritten(call))
            return found
        if self._unwritten:
            self.miss(f"memory {call.name} would read what the replay did not really remember")
        found = self._match(call) if self._modes.memory else None
        if found is None and call.name == "recall" and not self._modes.embeds:
            self.miss("memory recall asks another question, and a provider embeds questions")
        return found

    async def _not_on_record(self, call: Call) -> Result | None:
        on_miss = self._modes.terms.on_miss
        reads = call.kind == "retrieval" or (call.kind == "tool" and self._reads(call))
        if on_miss == "live-read" and reads:
            return None
        if on_miss == "ask" and self._modes.ask is not None:
            said = await self._modes.ask(call)
            if said is not None:
                return Done(value=said[0])
        names = {key[:2] for key in self._calls}
        what = "with these arguments" if (call.kind, call.name) in names else "at all"
        self.miss(f"{call.kind} {call.name}, call {call.number}, is not on record {what}")
        return None

    def waited(self, *kind: str) -> Wait | None:
        """Return the next recorded wait for a signal or an approval; None when there is none.

        Args:
            kind: `signal` and its name, or `approval` with kind, name and arguments of its call.
        """
        found = self._waits.get(kind)
        return found.popleft() if found else None

    def step(self, name: str) -> tuple[Json] | None:
        """Return the next recorded value of a step, in a tuple of one; None when there is none."""
        found = self._steps.get(name)
        return (found.popleft(),) if found else None

    def flag(self, key: str) -> tuple[Json] | None:
        """Return what the run was told of a flag; None when it is to be evaluated anew.

        Args:
            key: The flag.
        """
        return None if key in self._modes.flags else self.step(f"flag {key}")

    def note(self, reason: str) -> None:
        """Note why the replay cannot be decided; the first reason stands."""
        self.missed = self.missed or reason

    def miss(self, reason: str) -> None:
        """End the replay undecided.

        Raises:
            Missed: Always.
        """
        self.note(reason)
        raise Missed(self.missed)


def _repeatable(call: Call, result: Result) -> Result | None:
    """Return a recorded result as the driver's answer; None when the driver was never asked."""
    if isinstance(result, Done):
        # Labels come from the candidate's contracts, verdicts from its guardrails.
        labels = result.labels if call.kind == "memory" else {}
        return replace(result, labels=labels, checks=())
    if isinstance(result, Refused):
        return replace(result, checks=()) if result.code in _CIRCUMSTANCES else None
    if isinstance(result, Failed):
        return replace(result, labels={})
    return result if isinstance(result, Unknown) else None


def _unwritten(call: Call) -> Json:
    """Return what a write is answered that is not done."""
    if call.name == "forget":
        return list(call.arguments["ids"])
    return {"id": f"replay-{call.number}", "state": "active", "merged": False, "superseded": ""}
