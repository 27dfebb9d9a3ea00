"""Opens embedding models by their names."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

from fairlead.core.errors import EmbedderUnknown
from fairlead.memory.embedding import EmbeddingBounds, checked
from fairlead.ports.embedder import Embedder

NONE = "none"
MINILM = "minilm"

MINILM_BATCH_TEXTS = 32
"""Texts that MiniLM is given at once."""


def open_embedder(
    name: str, *, stored: int | None = None, bounds: EmbeddingBounds | None = None
) -> Embedder | None:
    """Return an embedding model with its guard; the libraries behind it are loaded here.

    A provider's key comes from the environment, as for any model.

    Args:
        name: `none`, `minilm`, or `provider:model`.
        stored: Dimensions of the vectors that are stored under its id; None when none is.
        bounds: What a call may be; None for the defaults.

    Returns:
        The embedder; None for `none`, which is search by words alone.

    Raises:
        EmbedderUnknown: No embedder of that name, or its provider is not installed.
        EmbedderNotInstalled: MiniLM's weights are not installed.
        ModelKeyMissing: The provider's key is not set.
        VectorSizeWrong: The model has other dimensions than the vectors that are stored.
    """
    bounds = bounds or EmbeddingBounds()
    if name == NONE:
        return None
    if name == MINILM:
        from fairlead.adapters.minilm.embedder import MiniLmEmbedder

        # On busy cores a text may take a second: what is given at once must end in time.
        bounds = replace(bounds, batch_texts=min(bounds.batch_texts, MINILM_BATCH_TEXTS))
        return checked(MiniLmEmbedder(), stored=stored, bounds=bounds)
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise EmbedderUnknown(f"embedder {name!r} is not known", embedder=name)
    from fairlead.adapters.pydantic_ai.embedding import PydanticEmbedder

    return checked(PydanticEmbedder(name, timeout_s=bounds.timeout_s), stored=stored, bounds=bounds)


class Embedders:
    """The embedding models of one process: each is loaded once, when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Embedder | None] = {NONE: None}
        self._lock = Lock()

    def get(self, name: str) -> Embedder | None:
        """Return the embedding model of a name, with its guard; None for `none`.

        Raises:
            FairleadError: See `open_embedder`; asked again, it is tried again.
        """
        with self._lock:
            if name not in self._made:
                self._made[name] = open_embedder(name)
            return self._made[name]

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            made, self._made = self._made, {NONE: None}
        for one in made.values():
            if one is not None:
                one.close()
