"""The innermost part: executes the driver's body under a timeout and sorts what it raises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fairlead.core.calls import Done, Failed, Result, cut
from fairlead.core.digests import canonical_json
from fairlead.core.errors import CallFailed, FairleadError, ResultNotJson
from fairlead.ports.boundary import Driven, DriverError, current_call
from fairlead.runtime.interceptors.attempt import Attempt
from fairlead.runtime.scope import Services

_FINAL = (TypeError, ValueError, LookupError, AttributeError, AssertionError, NotImplementedError)
"""A mistake in the body's own code: trying again gives the same."""


class Stumble(Exception):
    """The body failed in a way that may pass.

    Attributes:
        code: The error's code; empty for the call's own failure.
        retry_after_s: Seconds that the other side asks to wait; None when it does not say.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None, code: str = "") -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.code = code


async def drive(attempt: Attempt, _: Services) -> tuple[Result, int]:
    """Execute the body once.

    Raises:
        Stumble: It failed, and another try may succeed.
    """
    call, timeout = attempt.call, attempt.scope.terms.limits.call_timeout
    context = replace(attempt.scope.context, idempotency_key=call.key)
    token = current_call.set(context)
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return _done(await attempt.driver(context)), 1
    except TimeoutError as error:
        raise Stumble(f"no answer within {timeout}") from error
    except DriverError as error:
        if error.transient:
            raise Stumble(str(error), error.retry_after_s, error.code) from error
        return Failed(code=error.code or CallFailed.code, reason=cut(str(error))), 1
    except FairleadError as error:
        return Failed(code=error.code, reason=cut(error.message)), 1
    except _FINAL as error:
        return Failed(code=CallFailed.code, reason=cut(f"{type(error).__name__}: {error}")), 1
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # Whatever a body raises becomes a value: the engine would record a raised error as final.
        raise Stumble(f"{type(error).__name__}: {error}") from error
    finally:
        current_call.reset(token)


def _done(driven: Driven) -> Done | Failed:
    try:
        canonical_json(driven.value)
    except (TypeError, ValueError) as error:
        return Failed(code=ResultNotJson.code, reason=cut(f"the result is not JSON: {error}"))
    return Done(value=driven.value, usage=driven.usage)
