"""The innermost part: executes the driver's body under a timeout and sorts what it raises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fairlead.core.bounds import ANSWER, RESULT, excess
from fairlead.core.calls import Call, Done, Failed, Result, cut, uncut
from fairlead.core.digests import canonical_json
from fairlead.core.errors import (
    CallFailed,
    CallTimedOut,
    FairleadError,
    ResultNotJson,
    ResultTooLarge,
)
from fairlead.ports.boundary import Driven, DriverError, current_call
from fairlead.ports.engine import Suspended
from fairlead.runtime.interceptors.attempt import Attempt
from fairlead.runtime.scope import Services
from fairlead.runtime.vault import vault_of

_FINAL = (TypeError, ValueError, LookupError, AttributeError, AssertionError, NotImplementedError)
"""A mistake in the body's own code: trying again gives the same."""

NAME_CHARS_MAX = 128
"""Longest model id that is kept of a provider's answer."""


class Stumble(Exception):
    """The body failed in a way that may pass.

    Attributes:
        code: The error's code; empty for the call's own failure.
        retry_after_s: Seconds that the other side asks to wait; None when it does not say.
        throttled: Whether the other side says that it is asked too often.
    """

    def __init__(
        self,
        reason: str,
        retry_after_s: float | None = None,
        code: str = "",
        throttled: bool = False,
    ) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.code = code
        self.throttled = throttled


async def drive(attempt: Attempt, services: Services) -> tuple[Result, int]:
    """Execute the body once.

    Raises:
        Stumble: It failed, and another try may succeed.
        Suspended: The worker's lease may have lapsed: somebody else may execute this run by now.
    """
    call, timeout = attempt.call, attempt.scope.terms.limits.call_timeout
    if not attempt.scope.seat.held():
        raise Suspended(f"the lease lapsed before {call.kind} {call.name} was executed")
    key = attempt.handed_key or call.key
    try:
        vault = vault_of(call, attempt.scope, services.secrets)
    except FairleadError as error:
        return Failed(code=error.code, reason=error.message), 1
    context = replace(attempt.scope.context, idempotency_key=key, vault=vault)
    meter, begun_at = attempt.meter, services.clock.monotonic()
    meter.begun += 1
    token = current_call.set(context)
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return _done(call, await attempt.driver(context)), 1
    except TimeoutError as error:
        raise Stumble(f"no answer within {timeout}", code=CallTimedOut.code) from error
    except DriverError as error:
        if error.transient:
            raise Stumble(str(error), error.retry_after_s, error.code, error.throttled) from error
        return Failed(code=error.code or CallFailed.code, reason=uncut(str(error))), 1
    except FairleadError as error:
        return Failed(code=error.code, reason=uncut(error.message)), 1
    except _FINAL as error:
        return Failed(code=CallFailed.code, reason=uncut(f"{type(error).__name__}: {error}")), 1
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # Whatever a body raises becomes a value: the engine would record a raised error as final.
        raise Stumble(f"{type(error).__name__}: {error}") from error
    finally:
        current_call.reset(token)
        meter.busy_s = services.clock.monotonic() - begun_at


def _done(call: Call, driven: Driven) -> Done | Failed:
    what = f"the result of {call.kind} {call.name}"
    bounds = ANSWER if call.kind == "model" else RESULT
    found = excess(driven.value, bounds)
    if found is not None:
        reason = f"{what} has {found}, which is the limit"
        return Failed(code=ResultTooLarge.code, reason=cut(reason))
    try:
        size = len(canonical_json(driven.value).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return Failed(code=ResultNotJson.code, reason=uncut(f"{what} is not JSON: {error}"))
    if size > bounds.chars:
        reason = f"{what} has {size} bytes as JSON; the limit is {bounds.chars}"
        return Failed(code=ResultTooLarge.code, reason=cut(reason))
    return Done(
        value=driven.value,
        usage=driven.usage,
        served_by=cut(driven.served_by, NAME_CHARS_MAX),
        labels=driven.labels if call.kind == "memory" else {},
    )
