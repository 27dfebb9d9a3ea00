"""Guards an embedding model: what it returns is whole and right, or the call fails.

Whoever writes vectors gets all of them or an error, so that nothing is written by half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread

from fairlead.core.errors import (
    EmbedderFailed,
    EmbedderTimedOut,
    FairleadError,
    TextsExcessive,
    VectorNotFinite,
    VectorNotNormalised,
    VectorSizeWrong,
    VectorsMiscounted,
)
from fairlead.core.vectors import LENGTH_TOLERANCE, NUMBER_BYTES, Vector, length_of, unpack
from fairlead.ports.embedder import Embedder, Purpose

TEXT_CHARS_MAX = 8_000
"""Characters of a text that are embedded; the rest is cut off. The usual models read at most 8,192
tokens and MiniLM 256, and a text that long has no one meaning that a vector could hold."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingBounds:
    """What one call of an embedding model may be.

    Attributes:
        texts: Texts of one call, at most; more are refused.
        batch_texts: Texts that the model is given at once.
        batch_chars: Characters that it is given at once; OpenAI takes 300,000 tokens.
        timeout_s: Seconds that it may take for one batch.
        at_once: Batches under way at the same time, with those that were given up.
    """

    texts: int = 10_000
    batch_texts: int = 256
    batch_chars: int = 250_000
    timeout_s: float = 60.0
    at_once: int = 8


class CheckedEmbedder:
    """An embedder whose vectors are right, or it raises."""

    def __init__(
        self, inner: Embedder, *, stored: int | None = None, bounds: EmbeddingBounds | None = None
    ) -> None:
        """Guard an embedder.

        Args:
            inner: The embedder.
            stored: Dimensions of the vectors that are stored under its id; None when none is. Then
                they are what the embedder says, or what its first vector has.
            bounds: What a call may be.

        Raises:
            VectorSizeWrong: The embedder says that it has other dimensions than those stored.
        """
        self._inner = inner
        self._bounds = bounds or EmbeddingBounds()
        self._free = BoundedSemaphore(self._bounds.at_once)
        self._dimensions = stored if stored is not None else inner.dimensions
        if inner.dimensions not in (None, self._dimensions):
            raise self._wrong_size(inner.dimensions or 0, self._dimensions or 0)

    @property
    def id(self) -> str:
        """The embedder's name."""
        return self._inner.id

    @property
    def dimensions(self) -> int | None:
        """Numbers in each vector; None while no vector was made."""
        return self._dimensions

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:
        """Return one vector per text, in order, each of length 1.

        Args:
            texts: The texts; what is longer than `TEXT_CHARS_MAX` is cut.
            purpose: What they are embedded for.

        Raises:
            TextsExcessive: There are more than `bounds.texts`; the embedder was not asked.
            EmbedderTimedOut: A batch took longer than `bounds.timeout_s`.
            EmbedderFailed: The embedder raised what is no FairleadError.
            VectorsMiscounted: It returned more or fewer vectors than there are texts.
            VectorSizeWrong: A vector has not the dimensions of the others, or of those stored.
            VectorNotFinite: A vector holds NaN or an infinite number.
            VectorNotNormalised: A vector is all zero, or its length is not 1.
            FairleadError: What the embedder raised.
        """
        if len(texts) > self._bounds.texts:
            raise TextsExcessive(
                f"embedder {self.id} is given {len(texts)} texts; at most {self._bounds.texts}"
                " are embedded in one call",
                embedder=self.id,
            )
        # Known to later calls only when the whole call has held.
        made, size = list[Vector](), self._dimensions
        for batch in self._batches(texts):
            vectors = self._within_time(batch, purpose)
            if len(vectors) != len(batch):
                raise VectorsMiscounted(
                    f"embedder {self.id} returned {len(vectors)} vectors for {len(batch)} texts",
                    embedder=self.id,
                )
            for vector in vectors:
                size = self._checked(vector, len(made), size)
                made.append(vector)
        self._dimensions = size
        return made

    def close(self) -> None:
        """Give back what the embedder holds."""
        self._inner.close()

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch, chars = list[str](), 0
        for text in texts:
            # A half of a pair of surrogates is no character, and no model takes it.
            cut = text[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()
            full = len(batch) == self._bounds.batch_texts
            if batch and (full or chars + len(cut) > self._bounds.batch_chars):
                yield batch
                batch, chars = [], 0
            batch.append(cut)
            chars += len(cut)
        if batch:
            yield batch

    def _within_time(self, batch: list[str], purpose: Purpose) -> Sequence[Vector]:
        """Let the embedder work in a thread: one that hangs cannot be ended, only left alone."""
        if not self._free.acquire(timeout=self._bounds.timeout_s):
            raise self._too_late(f"{self._bounds.at_once} batches before this one still run")
        ended: SimpleQueue[Sequence[Vector] | Exception] = SimpleQueue()

        def work() -> None:
            try:
                ended.put(tuple(self._inner.embed(batch, purpose=purpose)))
            except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                ended.put(error)
            finally:
                self._free.release()

        context = copy_context()
        Thread(target=context.run, args=(work,), name="fairlead-embedder", daemon=True).start()
        try:
            made = ended.get(timeout=self._bounds.timeout_s)
        except Empty:
            raise self._too_late(f"it gave no vectors for {len(batch)} texts") from None
        if isinstance(made, FairleadError):
            raise made
        if isinstance(made, Exception):
            raise EmbedderFailed(
                f"embedder {self.id} failed: {type(made).__name__}: {made}", embedder=self.id
            ) from made
        return made

    def _too_late(self, what: str) -> EmbedderTimedOut:
        return EmbedderTimedOut(
            f"embedder {self.id} timed out after {self._bounds.timeout_s:g} s: {what}",
            embedder=self.id,
        )

    def _checked(self, vector: Vector, number: int, size: int | None) -> int:
        """Return a vector's dimensions, when it may be kept.

        Args:
            vector: The vector.
            number: Its place in the call, from 0.
            size: The dimensions that it must have; None for any.
        """
        found, rest = divmod(len(vector), NUMBER_BYTES)
        if rest or not found or size not in (None, found):
            raise self._wrong_size(found, size or 0)
        length = length_of(unpack(vector))
        where = f"embedder {self.id}, text {number + 1} of the call:"
        if not math.isfinite(length):
            raise VectorNotFinite(f"{where} the vector is not finite", embedder=self.id)
        if abs(length - 1) > LENGTH_TOLERANCE:
            what = f"has the length {length:.4g} instead of 1" if length else "is all zero"
            raise VectorNotNormalised(f"{where} the vector {what}", embedder=self.id)
        return found

    def _wrong_size(self, found: int, wanted: int) -> VectorSizeWrong:
        expected = f"{wanted} are expected" if wanted else "a vector has at least one, of 4 bytes"
        return VectorSizeWrong(
            f"embedder {self.id} has a vector of {found} dimensions; {expected}", embedder=self.id
        )


def checked(
    inner: Embedder, *, stored: int | None = None, bounds: EmbeddingBounds | None = None
) -> CheckedEmbedder:
    """Return an embedder with a guard around it.

    Args:
        inner: The embedder.
        stored: Dimensions of the vectors that are stored under its id; None when none is.
        bounds: What a call may be; None for the defaults.

    Raises:
        VectorSizeWrong: The embedder says that it has other dimensions than those stored.
    """
    return CheckedEmbedder(inner, stored=stored, bounds=bounds)
