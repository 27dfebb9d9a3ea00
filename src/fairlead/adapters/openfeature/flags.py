"""Asks an OpenFeature client for flags, on a thread and within a bounded time.

The libraries are loaded when the first flag is asked for.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fairlead.core.errors import FlagsNotInstalled
from fairlead.core.flags import FlagDetails, failed
from fairlead.ports.flags import FlagQuery

if TYPE_CHECKING:
    from openfeature.client import OpenFeatureClient

ANSWER_WITHIN_S = 5.0
"""How long a provider may take, with its start; then the code's default counts."""

THREADS_MAX = 8
"""Evaluations at one time; more of them wait. A provider that hangs keeps its thread; with as many
of them, each further flag has the code's default."""

_LOOK_EVERY_S = 0.01


def installed() -> bool:
    """Say whether the libraries that evaluate flags are here."""
    return find_spec("openfeature") is not None and find_spec("json_logic") is not None


class OpenFeatureFlags:
    """Evaluates flags by the release, or by a provider that the app brings.

    Args:
        app: The app's name; the client's domain is `fairlead:APP`.
        provider: The app's own OpenFeature provider; None for the flags of the release.
        within_s: Seconds that an evaluation may take.
    """

    def __init__(
        self, app: str, provider: Any = None, *, within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._domain = f"fairlead:{app}"
        self._provider = provider
        self._within_s = within_s
        self._client: OpenFeatureClient | None = None
        self._threads = threading.BoundedSemaphore(THREADS_MAX)

    async def evaluate(self, query: FlagQuery) -> FlagDetails[Any]:
        """Evaluate a flag; what goes wrong is in the details.

        Raises:
            FlagsNotInstalled: The libraries that evaluate flags are not here.
        """
        client = self._opened()
        try:
            async with asyncio.timeout(self._within_s):
                details = await self._asked(client, query)
        except TimeoutError:
            message = f"the provider did not answer within {self._within_s:g} s"
            return failed(query.key, query.default, "GENERAL", message)
        except Exception as error:  # noqa: BLE001 - a hook of the app may raise anything
            message = f"{type(error).__name__}: {error}"
            return failed(query.key, query.default, "GENERAL", message)
        return _told(details, query, str(client.provider.get_metadata().name))

    def _opened(self) -> OpenFeatureClient:
        """Return the client, bound to the provider."""
        if self._client is None and not installed():
            raise FlagsNotInstalled("OpenFeature and flagd's evaluator are not installed")
        from openfeature import api

        from fairlead.adapters.openfeature.provider import ReleaseProvider

        self._client = self._client or api.get_client(self._domain)
        own, bound = self._provider is not None, self._client.provider
        # Code of the app may have cleared the SDK's providers, and then nothing would be bound.
        if own and bound is not self._provider:
            # Its start may take its time: the SDK does it on a thread of its own.
            api.set_provider(self._provider, self._domain)
        elif not own and not isinstance(bound, ReleaseProvider):
            api.set_provider_and_wait(ReleaseProvider(), self._domain)
        return self._client

    async def _asked(self, client: OpenFeatureClient, query: FlagQuery) -> Any:
        from openfeature.evaluation_context import EvaluationContext
        from openfeature.provider import AbstractProvider, ProviderStatus

        from fairlead.adapters.openfeature.provider import pinned

        # The SDK tells its handlers of a start on other threads; a start is waited for once.
        while client.get_provider_status() == ProviderStatus.NOT_READY:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
        context = EvaluationContext(query.targeting_key, dict(query.attributes))
        asked, resolve = f"get_{query.type}_details", f"resolve_{query.type}_details_async"
        native = getattr(type(client.provider), resolve, None)
        token = pinned.set(query.flags)
        try:
            if native is not None and native is not getattr(AbstractProvider, resolve):
                return await getattr(client, f"{asked}_async")(query.key, query.default, context)
            call = partial(getattr(client, asked), query.key, query.default, context)
            return await self._on_a_thread(partial(copy_context().run, call))
        finally:
            pinned.reset(token)

    async def _on_a_thread(self, call: Callable[[], Any]) -> Any:
        """Wait for a call on a thread of its own, which no exit of the process waits for."""
        while not self._threads.acquire(blocking=False):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def work() -> None:
            value: Any = None
            failure: Exception | None = None
            try:
                value = call()
            except Exception as error:  # noqa: BLE001 - raised to whoever waits
                failure = error
            self._threads.release()
            # The loop may be gone when a provider that hung comes back.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_end, done, value, failure)

        threading.Thread(target=work, name="fairlead-flag", daemon=True).start()
        return await done


def _end(done: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(value)
    else:
        done.set_exception(error)


def _told(details: Any, query: FlagQuery, provider: str) -> FlagDetails[Any]:
    """Return details of the SDK as ours; a value that JSON cannot hold is an error."""
    try:
        value = json.loads(json.dumps(details.value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return failed(query.key, query.default, "PARSE_ERROR", f"the value is no JSON: {error}")
    code = details.error_code
    return FlagDetails(
        key=query.key,
        value=query.default if code else value,
        variant=details.variant,
        reason=str(details.reason or "UNKNOWN"),
        error_code=str(code or ""),
        error_message=str(details.error_message or ""),
        provider=provider,
    )
