"""What a workflow may recall."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.errors import InvalidDeclaration
from fairlead.core.label import Integrity
from fairlead.core.release import RecallTerms


class Recall(RecallTerms):
    """Passages to retrieve from a collection of documents for each question.

    Args:
        collection: The collection that is searched.
        top_k: Most passages per question.
        min_score: Passages below this relevance (0.0 to 1.0) are left out.
        integrity: `trusted` when only people whom the team trusts write the documents.
    """

    def __init__(
        self,
        collection: str,
        *,
        top_k: int = 5,
        min_score: float = 0.0,
        integrity: Integrity = "untrusted",
    ) -> None:
        try:
            super().__init__(
                collection=collection, top_k=top_k, min_score=min_score, integrity=integrity
            )
        except ValueError as error:
            raise InvalidDeclaration(f"recall of {collection!r}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A workflow's memory.

    Attributes:
        semantic: Facts to retrieve before a model is asked; None for nothing.
    """

    semantic: RecallTerms | None = None
