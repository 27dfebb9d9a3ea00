"""Recall: passages for a question, from what the asker may read."""

from __future__ import annotations

from fairlead.core.grounding import Source
from fairlead.core.release import RecallTerms
from fairlead.ports.documents import DocumentStore, Query


def recall(
    store: DocumentStore,
    question: str,
    terms: RecallTerms,
    tenant: str,
    collections: tuple[str, ...],
) -> tuple[Source, ...]:
    """Return the best passages, best first, as sources `s1`, `s2`, ...

    Args:
        store: Where documents live.
        question: What to look for.
        terms: How many, and how relevant at least.
        tenant: The asker's tenant.
        collections: What the policy lets the asker read; the store filters before it ranks.
    """
    hits = store.search(
        Query(
            text=question,
            tenant=tenant,
            collections=collections,
            top_k=terms.top_k,
            min_score=terms.min_score,
        )
    )
    return tuple(
        Source(id=f"s{number}", passage=hit.passage, score=hit.score)
        for number, hit in enumerate(hits, 1)
    )
