"""The call protocol: the one way from a run to the outside.

Whatever a run does to the outside is a `Call`, and every call passes the same parts:

    W0  number, idempotency key, canonical arguments and their digest
    W1  `before`: pure checks, the first refusal counts; not made for a call that is on record
    W2  only when a person is to be asked: the question's row, and a durable wait for the answer
    S   `inside`: exactly one journaled step around the driver; it returns a value, never raises
    W3  a failure that may pass: wait durably, then a new S under the same key; an unknown effect:
        wait until somebody has found out, then a new S

W is workflow code: it is replayed on recovery, so it is pure and emits nothing. Refusals pass
through S too, so that each decision is recorded once. Add a control by adding an interceptor to
one of the two tuples in `interceptors/__init__.py`, never by editing a driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial

from fairlead.core.bounds import ARGUMENTS, UNDOING
from fairlead.core.calls import (
    Ask,
    Call,
    CallKind,
    Done,
    Result,
    RetryAt,
    Unknown,
    result_from_json,
    result_to_json,
)
from fairlead.core.digests import Json, canonical_json, digest_bytes
from fairlead.core.errors import (
    FairleadError,
    OutsideRun,
    ReplayDiverged,
    StepsExceeded,
    error_classes,
)
from fairlead.core.guarding import Check
from fairlead.core.label import Labels
from fairlead.core.limits import INLINE_BYTES_MAX
from fairlead.core.policy import Decision
from fairlead.guardrails.decide import Situation
from fairlead.guardrails.labels import Flow
from fairlead.ports.boundary import Driver, current_call
from fairlead.ports.engine import Engine
from fairlead.ports.waits import Wait
from fairlead.runtime import interceptors
from fairlead.runtime.asking import ask_person, by_workflow
from fairlead.runtime.calling import denial, value_of
from fairlead.runtime.interceptors.attempt import Attempt, Next, Ruling
from fairlead.runtime.interceptors.policy import situation_of
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import RunScope, Services, Tally
from fairlead.runtime.screening import Asking, Screened, refused_by, screened
from fairlead.runtime.toolbox import Toolbox
from fairlead.runtime.waiting import Awaited, wait_for

ASIDE_MAX = 50_000
"""What a run may do that is no call: its waits, signals, stream items, times and random values."""

PROBE_AFTER_S = 5.0
"""Seconds after which a probe is asked again about an effect that it could not tell of; doubled
each time."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """An effect that a run made, as a compensation needs it.

    Attributes:
        call: The call.
        value: What came back.
    """

    call: Call
    value: Json


class Boundary:
    """The boundary of one run.

    A run makes one call at a time, in the order in which its code asks: so numbers, keys and steps
    fall the same way on every replay, also when the code gathers several calls.

    Attributes:
        scope: The run.
        engine: Journals its steps.
        services: What steps and waits use.
        made: The effects that the run made so far, in order.
        noted: The tool guardrails that failed so far, in order.
    """

    def __init__(self, scope: RunScope, engine: Engine, services: Services, at: float) -> None:
        """Begin a run's boundary.

        Args:
            scope: The run.
            engine: Journals its steps.
            services: What steps and waits use.
            at: When the run started, later by as long as it was paused; its wall time counts from
                here.
        """
        self.scope = scope
        self.engine = engine
        self.services = services
        self.made: list[Made] = []
        self.noted: list[Check] = []
        self._turn = asyncio.Lock()
        self._tally = Tally()
        self._waits = 0
        self._deadline = at + scope.terms.limits.wall_time.total_seconds()
        self._bound: asyncio.Timeout | None = None
        self._shared = scope.family.generation > 0
        self._compensating = False
        self._closed = False

    @property
    def deadline(self) -> float:
        """Seconds since 1970 after which nothing is executed any more; waits move it."""
        return self._deadline

    @property
    def next_number(self) -> int:
        """The number of the call that is made next."""
        return self._tally.calls + 1

    @property
    def toolbox(self) -> Toolbox:
        """The run's tools, as the bodies of calls."""
        return Toolbox(rules=self.scope.rules, client=self.services.mcp)

    def bound_by(self, bound: asyncio.Timeout) -> None:
        """Name the timeout of the workflow's own code, which stands still during waits."""
        self._bound = bound

    def compensate(self) -> None:
        """From here on undo, or hand on: the run's own limits do not stop that."""
        self._compensating = True

    def share(self) -> None:
        """From here on the run has children: its limits are shared with them."""
        self._shared = True

    @property
    def stopped(self) -> FairleadError | None:
        """Why the run may make no further call, whatever its code does about it; None if it may."""
        refusal = self._tally.stopped
        if refusal is None:
            return None
        run_id = self.scope.context.run_id
        return error_classes()[refusal.code](f"the run was stopped: {refusal.reason}", run=run_id)

    async def close(self) -> None:
        """Let the call that is being made end, and refuse every later one, gathered or not."""
        self._closed = True
        async with self._turn:
            pass

    @asynccontextmanager
    async def turn(self, what: str) -> AsyncIterator[int]:
        """Take the run's turn for something that is no call; yields its number among those."""
        if current_call.get() is not None:
            raise OutsideRun(f"{what} was asked for inside the body of a call")
        async with self._turn:
            if self._closed:
                raise OutsideRun(f"{what} was asked for when its run had ended")
            if self.stopped is not None:
                raise self.stopped
            if self._waits >= ASIDE_MAX:
                said = f"{what} was asked for after {ASIDE_MAX} things that are no calls"
                raise StepsExceeded(said, run=self.scope.context.run_id)
            self._waits += 1
            yield self._waits

    async def call(
        self,
        kind: CallKind,
        name: str,
        arguments: Json,
        driver: Driver,
        *,
        approve_within: timedelta | None = None,
        rebind: Callable[[Json], Driver] | None = None,
    ) -> Json:
        """Make a call under the whole protocol and return its value.

        Args:
            kind: What is called.
            name: Name of the model, tool or collection.
            arguments: JSON arguments.
            driver: The body; not executed when the call is on record or refused.
            approve_within: A person must agree first, within this time; None asks nobody.
            rebind: Makes the body for other arguments, when a guardrail takes something out of
                them; None refuses the call then.

        Raises:
            FairleadError: The call was denied, failed, or its effect is unknown.
        """
        if current_call.get() is not None:
            raise OutsideRun(f"{kind} {name} was called inside the body of another call")
        asked = Asking(kind=kind, name=name, arguments=arguments, driver=driver, rebind=rebind)
        asking = self._call(asked, approve_within=approve_within)
        made = asyncio.ensure_future(asking)
        # A caller that gives up does not take the call with it: what was begun is recorded.
        made.add_done_callback(_retrieve)
        return await asyncio.shield(made)

    async def _call(self, asked: Asking, *, approve_within: timedelta | None) -> Json:
        async with self._turn:
            if self._closed:
                what = f"{asked.kind} {asked.name}"
                raise OutsideRun(f"{what} was asked for when its run had ended")
            bounds = UNDOING if self._compensating else ARGUMENTS
            made = screened(self.scope, self.next_number, asked, bounds)
            call = made.call
            attempt = Attempt(
                call=call,
                scope=self.scope,
                # Pure, and S records what it says: a replay that reads the record does not ask.
                before=cache(partial(self._before, made)),
                flow=self._tally.flow,
                driver=made.driver,
                deadline=None if self._compensating else self._deadline,
                shared=self._shared and not self._compensating,
                noted=made.checks,
            )
            if approve_within is not None and attempt.before().refused is None:
                attempt = await self._ask(attempt, by_workflow(attempt, approve_within))
            result = await self._perform(attempt)
            self.noted += getattr(result, "checks", ())
            repeats = self.scope.terms.limits.repeats
            self._tally = self._tally.after(call, result, repeats=repeats)
            # What another run did under the same business key is not this one's to undo.
            theirs = isinstance(result, Done) and result.found == "ledger" and call.business_key
            if isinstance(result, Done) and call.effect != "read" and not theirs:
                self.made.append(Made(call=call, value=result.value))
        return value_of(call, result)

    def _before(self, made: Screened) -> Ruling:
        """W1: the first refusal, or none, and what the policies said."""
        tally = self._tally
        if self._compensating:
            # What ended the run does not stop its undoing; what it has seen still counts.
            tally = Tally(flow=tally.flow, tools=tally.tools)
        decision = None
        for interceptor in interceptors.BEFORE:
            said = interceptor(self.scope, made.call, tally)
            if isinstance(said, Decision):
                decision = said
                said = denial(decision)
            if said is not None:
                return Ruling(refused=said, decision=decision)
        return Ruling(refused=refused_by(self.scope, made), decision=decision)

    def received(self, value: Json, labels: Labels) -> None:
        """Take note of something that the run received, and that no call of it returned."""
        self._tally = replace(self._tally, flow=self._tally.flow.received(value, labels))

    @property
    def flow(self) -> Flow:
        """What the run has received so far."""
        return self._tally.flow

    @property
    def situation(self) -> Situation:
        """What the run is at, as the policies see it."""
        return situation_of(self.scope, self._tally)

    async def _ask(self, attempt: Attempt, wanted: Ask) -> Attempt:
        """W2: ask a person, wait durably, and go on with what they said."""
        asked = await ask_person(attempt, wanted, self.services, wait=self.wait)
        # The wait has moved it: what a person takes is no time at work.
        return replace(attempt, asked=asked, deadline=attempt.deadline and self._deadline)

    async def wait(self, awaited: Awaited, *, counts: bool = False) -> Wait:
        """Wait durably for something, with the run's turn taken.

        Args:
            awaited: What is waited for.
            counts: Whether the time counts as time at work.
        """
        if not counts:
            self._rebound(None)
        ended = await wait_for(awaited, self.engine, self.services, self.scope.seat)
        if not counts:
            self._deadline += max(ended.ended_at - ended.opened_at, 0.0)
            left_s = max(self._deadline - self.services.clock.now(), 0.0)
            self._rebound(asyncio.get_running_loop().time() + left_s)
        return ended

    def _rebound(self, when: float | None) -> None:
        """Move the timeout of the workflow's own code, while it still runs."""
        if self._bound is not None and not self._bound.expired():
            # What has left its block by now needs no timeout any more.
            with suppress(RuntimeError):
                self._bound.reschedule(when)

    async def _perform(self, attempt: Attempt) -> Result:
        """S, and W3 while a failure may pass or an effect is unknown."""
        call, waits, probe_s = attempt.call, 0, PROBE_AFTER_S
        longest_s = unknown_s = attempt.scope.terms.limits.unknown_wait.total_seconds()
        while True:
            name = f"{call.kind} {call.name} #{call.number}"
            record = await self.engine.step(name, partial(self._inside, attempt))
            if record["arguments"] != call.arguments_digest:
                raise ReplayDiverged(
                    f"call {call.number} of run {call.run_id} asked {call.kind} {call.name} for "
                    "something else than on record",
                    run=call.run_id,
                )
            result = await self._result(call, record)
            waits += 1
            if isinstance(result, Ask):
                attempt = await self._ask(attempt, result)
            elif isinstance(result, RetryAt):
                await self.wait(
                    Awaited(
                        run_id=call.run_id,
                        key=f"r{call.number}.{waits}",
                        kind="timer",
                        topic="",
                        within_s=result.delay_s,
                    ),
                    counts=True,
                )
            elif isinstance(result, Unknown) and unknown_s > 0:
                probed = call.name in attempt.scope.probes
                within_s = min(probe_s, unknown_s) if probed else unknown_s
                ended = await self.wait(
                    Awaited(
                        run_id=call.run_id,
                        key=f"u{call.number}.{waits}",
                        kind="effect",
                        topic=call.key,
                        within_s=within_s,
                    )
                )
                if ended.answered:
                    # It is executed again, or known; if it becomes unknown once more, that is a
                    # question of its own.
                    unknown_s, probe_s = longest_s, PROBE_AFTER_S
                elif not probed:
                    return result
                else:
                    unknown_s, probe_s = unknown_s - within_s, probe_s * 2
            else:
                return result
            attempt = replace(
                attempt,
                tries=record["tries"],
                place=result.place if isinstance(result, RetryAt) else None,
                deadline=None if attempt.deadline is None else self._deadline,
            )

    async def _inside(self, attempt: Attempt) -> Json:
        """S: the interceptors around the driver, outermost first."""
        link: Next = interceptors.drive
        for interceptor in reversed(interceptors.INSIDE):
            link = _bind(interceptor, link)
        result, tries = await link(attempt, self.services)
        data = result_to_json(result)
        record = {"arguments": attempt.call.arguments_digest, "result": data, "tries": tries}
        text = canonical_json(data).encode()
        if isinstance(result, Done) and len(text) > INLINE_BYTES_MAX:
            # The journal has it by now; the engine would keep a second copy of it for each fork.
            return {**record, "result": None, "kept": digest_bytes(text)}
        return record

    async def _result(self, call: Call, record: Json) -> Result:
        """Return the result that a step's record holds, or that it names."""
        if record["result"] is not None:
            return result_from_json(record["result"])
        services = self.services
        return await persist(
            services.clock, services.journal.result, call.run_id, call.number, record["kept"]
        )


def _retrieve(made: asyncio.Future[Json]) -> None:
    """Look at a call's error, which may have nobody left to raise it to."""
    if not made.cancelled():
        made.exception()


def _bind(interceptor: interceptors.Inside, inner: Next) -> Next:
    async def link(attempt: Attempt, services: Services) -> tuple[Result, int]:
        return await interceptor(attempt, services, inner)

    return link
