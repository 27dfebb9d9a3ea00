"""Embedding models of providers, on pydantic-ai."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TookTooLong
from threading import Lock, Thread

from pydantic_ai.embeddings import EmbeddingModel, infer_embedding_model

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
        self._model = _made(name)
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

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
        asked = self._model.embed(list(texts), input_type=purpose)
        future = asyncio.run_coroutine_threadsafe(
            asyncio.wait_for(asked, self._timeout_s), self._running()
        )
        try:
            return [unit(numbers) for numbers in future.result().embeddings]
        except (TimeoutError, TookTooLong):
            raise EmbedderTimedOut(
                f"embedder {self.id} gave no answer within {self._timeout_s:g} s", embedder=self.id
            ) from None
        except Exception as error:
            raise self._failure(error) from error

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the loop of all requests: connections that are kept belong to one loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(
                    target=self._loop.run_forever, name="fairlead-embedding", daemon=True
                ).start()
            return self._loop

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


def _made(name: str) -> EmbeddingModel:
    try:
        model = infer_embedding_model(name)
    except Exception as error:
        found = model_error(name, error)
        if isinstance(found, ModelUnknown):
            raise EmbedderUnknown(
                f"embedder {name} is not known: {error}", embedder=name
            ) from error
        raise found from error
    # Two layers of retries multiply, and only the outer one is bounded.
    client = getattr(model, "_client", None)
    if client is not None and hasattr(client, "max_retries"):
        client.max_retries = 0
    return model
