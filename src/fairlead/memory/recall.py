"""Recall: passages for a question, from what the asker may read."""

from __future__ import annotations

from fairlead.core.grounding import Source
from fairlead.ports.documents import DocumentStore, Query


def recall(store: DocumentStore, query: Query) -> tuple[Source, ...]:
    """Return the best passages, best first, as sources `s1`, `s2`, ...

    Args:
        store: Where documents live.
        query: What to look for, and where the asker may look; the store filters before it ranks.
    """
    return tuple(
        Source(id=f"s{number}", passage=hit.passage, score=hit.score)
        for number, hit in enumerate(store.search(query), 1)
    )
