"""Embedding models of providers, on pydantic-ai."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import Any

from pydantic_ai.embeddings import infer_embedding_model
from pydantic_ai.providers import Provider, infer_provider

from fairlead.adapters.pydantic_ai.failures import driver_error, model_error
from fairlead.core.errors import (
    CallFailed,
    EmbedderFailed,
    EmbedderTimedOut,
    EmbedderUnknown,
    ModelUnknown,
    VectorNotFinite,
    error_classes,
)
from fairlead.core.vectors import Vector, unit
from fairlead.ports.embedder import Purpose


class PydanticEmbedder:
    """Embeds with a provider's model; it tries once, and whoever calls tries again.

    Attributes:
        id: `provider:model`.
        dimensions: None: what the provider returns says it.
    """

    dimensions: int | None = None

    def __init__(self, name: str, *, timeout_s: float = 60.0) -> None:
        """Find the model and its key; nothing is sent.

        Args:
            name: `provider:model`, such as `openai:text-embedding-3-small`.
            timeout_s: Seconds after which a request is given up.

        Raises:
            EmbedderUnknown: No such provider, or its extra is not installed.
            ModelKeyMissing: The provider's key is not set.
        """
        self.id = name
        self._timeout_s = timeout_s
        try:
            self._model = infer_embedding_model(name, provider_factory=self._provided)
        except Exception as error:
            found = model_error(name, error)
            if isinstance(found, ModelUnknown):
                raise EmbedderUnknown(
                    f"embedder {name} is not known: {error}", embedder=name
                ) from error
            raise found from error
        self._lock = Lock()
        self._requests: _Requests | None = None

    def _provided(self, name: str) -> Provider[Any]:
        self._provider = infer_provider(name)
        # Two layers of retries multiply, and only the outer one is bounded.
        if hasattr(self._provider.client, "max_retries"):
            self._provider.client.max_retries = 0
        return self._provider

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:
        """Return one vector per text, in order, each of length 1.

        Args:
            texts: The texts, none of them empty.
            purpose: What they are embedded for.

        Raises:
            EmbedderTimedOut: The provider gave no answer in time.
            VectorNotFinite: The provider returned what is no number.
            CallFailed: The provider failed or refused; FL-613 to FL-616 and FL-852 say how.
        """
        # Under the lock, so that nothing is asked of a loop that `close` ends.
        with self._lock:
            if self._requests is None:
                self._requests = _Requests(self._provider)
            asked = self._model.embed(list(texts), input_type=purpose)
            future = asyncio.run_coroutine_threadsafe(
                asyncio.wait_for(asked, self._timeout_s), self._requests.loop
            )
        try:
            return [unit(numbers) for numbers in future.result().embeddings]
        except TimeoutError:
            raise EmbedderTimedOut(
                f"embedder {self.id} gave no answer within {self._timeout_s:g} s", embedder=self.id
            ) from None
        except Exception as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """End what is under way, and close the connections."""
        with self._lock:
            requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()

    def _failure(self, error: Exception) -> CallFailed:
        if isinstance(error, TypeError) and "must be real number" in str(error):
            return VectorNotFinite(
                f"embedder {self.id}: the provider returned a vector with what is no number",
                embedder=self.id,
            )
        known = driver_error(error)
        code = known.code if known is not None else ""
        cls = error_classes().get(code, EmbedderFailed)
        if not issubclass(cls, CallFailed):
            cls = EmbedderFailed
        reason = str(known) if known is not None else f"{type(error).__name__}: {error}"
        return cls(f"embedder {self.id} failed: {reason}", embedder=self.id)


class _Requests:
    """The loop of all requests, in a thread: connections that are kept belong to one loop.

    Attributes:
        loop: The loop; it runs until `close`.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, provider: Provider[Any]) -> None:
        self._provider = provider
        self._began = Event()
        self._thread = Thread(
            target=lambda: asyncio.run(self._serve()), name="fairlead-embedding", daemon=True
        )
        self._thread.start()
        self._began.wait()

    async def _serve(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        # Set at once: whoever waits for it must not wait for a provider that fails to open.
        self._began.set()
        async with self._provider:
            await self._over.wait()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
