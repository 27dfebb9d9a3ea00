"""The call protocol: the one way from a run to the outside.

Whatever a run does to the outside is a `Call`, and every call passes the same parts:

    W0  number, idempotency key, canonical arguments and their digest
    W1  `before`: pure checks, replayed; the first refusal counts
    S   `inside`: exactly one journaled step around the driver; it returns a value, never raises
    W3  a failure that may pass: sleep durably, then a new S under the same key

W is workflow code: it is replayed on recovery, so it is pure and emits nothing. Refusals pass
through S too, so that each decision is recorded once. Add a control by adding an interceptor to
one of the two tuples in `interceptors/__init__.py`, never by editing a driver.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from fairlead.core.calls import (
    Call,
    CallKind,
    Done,
    Effect,
    Failed,
    Refused,
    Result,
    RetryAt,
    Unknown,
    Usage,
    result_from_json,
    result_to_json,
)
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    CallFailed,
    Denied,
    EffectUnknown,
    FairleadError,
    OutsideRun,
    ReplayDiverged,
    ResultNotJson,
    error_classes,
)
from fairlead.ports.boundary import Driver, current_call
from fairlead.ports.engine import Engine
from fairlead.runtime import interceptors
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import RunScope, Services, Tally


class Boundary:
    """The boundary of one run.

    A run makes one call at a time, in the order in which its code asks: so numbers, keys and steps
    fall the same way on every replay, also when the code gathers several calls.
    """

    def __init__(self, scope: RunScope, engine: Engine, services: Services) -> None:
        self.scope = scope
        self._engine = engine
        self._services = services
        self._turn = asyncio.Lock()
        self._tally = Tally()
        self._closed = False

    async def close(self) -> None:
        """Let the call that is being made end, and refuse every later one.

        A body that ends while calls that it gathered still wait leaves nothing behind that would
        act after the run's end.
        """
        self._closed = True
        async with self._turn:
            pass

    async def call(self, kind: CallKind, name: str, arguments: Json, driver: Driver) -> Json:
        """Make a call under the whole protocol and return its value.

        Args:
            kind: What is called.
            name: Name of the model, tool or collection.
            arguments: JSON arguments.
            driver: The body; not executed when the call is on record or refused.

        Raises:
            FairleadError: The call was denied, failed, or its effect is unknown.
        """
        if current_call.get() is not None:
            raise OutsideRun(f"{kind} {name} was called inside the body of another call")
        made = asyncio.ensure_future(self._call(kind, name, arguments, driver))
        # A caller that gives up does not take the call with it: what was begun is recorded.
        made.add_done_callback(_retrieve)
        return await asyncio.shield(made)

    async def _call(self, kind: CallKind, name: str, arguments: Json, driver: Driver) -> Json:
        async with self._turn:
            if self._closed:
                raise OutsideRun(f"{kind} {name} was asked for when its run had ended")
            call = self._number(kind, name, arguments)
            refusal = self._before(call)
            result = await self._perform(Attempt.first(call, self.scope, refusal, driver))
            usage = result.usage if isinstance(result, Done) else Usage()
            self._tally = replace(
                self._tally,
                calls=self._tally.calls + 1,
                cost_usd=self._tally.cost_usd + usage.cost_usd,
            )
        return _value(call, result)

    def _number(self, kind: CallKind, name: str, arguments: Json) -> Call:
        """W0."""
        try:
            canonical_json(arguments)
        except (TypeError, ValueError) as error:
            raise ResultNotJson(f"the arguments of {kind} {name} are not JSON: {error}") from error
        contract = self.scope.rules.contracts.get(name) if kind == "tool" else None
        effect: Effect = contract.effect if contract else "read"
        return Call(
            run_id=self.scope.context.run_id,
            number=self._tally.calls + 1,
            kind=kind,
            name=name,
            arguments=arguments,
            effect=effect,
            lineage=self.scope.lineage,
        )

    def _before(self, call: Call) -> Refused | None:
        """W1: the first refusal, or None."""
        for interceptor in interceptors.BEFORE:
            refusal = interceptor(self.scope, call, self._tally)
            if refusal is not None:
                return refusal
        return None

    async def _perform(self, attempt: Attempt) -> Result:
        """S, and W3 while a failure may pass."""
        call = attempt.call
        while True:
            name = f"{call.kind} {call.name} #{call.number}"
            record = await self._engine.step(name, partial(self._inside, attempt))
            if record["arguments"] != call.arguments_digest:
                raise ReplayDiverged(
                    f"call {call.number} of run {call.run_id} asked {call.kind} {call.name} for "
                    "something else than on record",
                    run=call.run_id,
                )
            result = result_from_json(record["result"])
            if not isinstance(result, RetryAt):
                return result
            await self._engine.sleep(result.delay_s)
            attempt = replace(attempt, tries=record["tries"])

    async def _inside(self, attempt: Attempt) -> Json:
        """S: the interceptors around the driver, outermost first."""
        link: Next = interceptors.drive
        for interceptor in reversed(interceptors.INSIDE):
            link = _bind(interceptor, link)
        result, tries = await link(attempt, self._services)
        return {
            "arguments": attempt.call.arguments_digest,
            "result": result_to_json(result),
            "tries": tries,
        }


def _retrieve(made: asyncio.Future[Json]) -> None:
    """Look at a call's error, which may have nobody left to raise it to."""
    if not made.cancelled():
        made.exception()


def _bind(interceptor: interceptors.Inside, inner: Next) -> Next:
    async def link(attempt: Attempt, services: Services) -> tuple[Result, int]:
        return await interceptor(attempt, services, inner)

    return link


def _value(call: Call, result: Result) -> Json:
    if isinstance(result, Done):
        return result.value
    ids = {"run": call.run_id, "call": call.key}
    what = f"{call.kind} {call.name}, call {call.number}"
    if isinstance(result, Unknown):
        raise EffectUnknown(f"{what}: {result.reason}", **ids)
    fallback: type[FairleadError] = Denied if isinstance(result, Refused) else CallFailed
    code = result.code if isinstance(result, Refused | Failed) else ""
    raise error_classes().get(code, fallback)(f"{what}: {result.reason}", **ids)
