"""An embedding model: texts to vectors that are near each other when the texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from fairlead.core.vectors import Vector

Purpose: TypeAlias = Literal["document", "query"]
"""What a text is embedded for: to be found, or to find."""


class Embedder(Protocol):
    """Embeds texts. It blocks, so asynchronous code calls it in a thread.

    Attributes:
        id: Its name, such as `minilm-l6-v2` or `openai:text-embedding-3-small`. A release pins it
            and each vector is kept with it: vectors of two models cannot be compared.
        dimensions: Numbers in each of its vectors; None while that is not known.
    """

    @property
    def id(self) -> str: ...

    @property
    def dimensions(self) -> int | None: ...

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[Vector]:
        """Return one vector per text, in order, each of length 1.

        Args:
            texts: The texts.
            purpose: What they are embedded for.

        Raises:
            FairleadError: It cannot; no vector is returned then.
        """
        ...

    def close(self) -> None:
        """Give back what it holds, such as connections; it may be used again."""
        ...
