"""Embeds anew what another embedding model embedded, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairlead.bootstrap import Platform
from fairlead.core.errors import EmbedderNotNamed
from fairlead.core.event import Fact
from fairlead.operations.identity import ordered
from fairlead.operations.memory import memories_of, operator_of_memory
from fairlead.ports.runs import Order

BATCH_ITEMS = 500
"""Items that are embedded and written at once: what a crash or a failing model can cost."""

ORDER_ITEMS_MAX = 1_000_000
"""Most items of one order."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What an order to embed did.

    Attributes:
        tenant: Whose memory.
        embedder: Id of the active release's embedding model.
        items: Items that have a new vector.
        left: Whether there are more: the order came to its bound.
    """

    tenant: str
    embedder: str
    items: int
    left: bool


def embed_memory(
    platform: Platform,
    by: str,
    *,
    tenant: str | None = None,
    most: int = ORDER_ITEMS_MAX,
    tell: Callable[[int], None] = lambda _: None,
) -> Embedded:
    """Embed what has no vector of the active release's embedding model.

    It works in batches, each with its vectors and its event in one transaction. Stopped at any
    moment, it goes on where it was when it is ordered again; with nothing left it does nothing.

    Args:
        platform: The open platform.
        by: Who orders it; a verified principal stands in its place.
        tenant: Whose memory; None for the principal's own, or the default.
        most: Most items.
        tell: Is told after each batch how many items are embedded so far.

    Raises:
        EmbedderNotNamed: The active release names no embedding model.
        FairleadError: The embedding model failed; the batches before are kept.
    """
    by = ordered(platform, "memory embed", Order(by=by, reason="")).by
    reader = operator_of_memory(platform, tenant)
    memories = memories_of(platform)
    model = memories.embedder(memories.terms.embedder)
    if model is None:
        raise EmbedderNotNamed(f"the release that is active for app {reader.app} embeds nothing")
    fact = Fact(
        chain=f"memory:{reader.tenant}",
        type="memory.embedded",
        data={"by": by, "embedder": model.id},
    )
    done, looked_at, after = 0, 0, ""
    while looked_at < most:
        some = platform.memory.unembedded(
            reader, model.id, after=after, most=min(BATCH_ITEMS, most - looked_at)
        )
        if not some:
            break
        done += memories.embed(reader, model, some, fact)
        looked_at, after = looked_at + len(some), some[-1].id
        tell(done)
    left = bool(platform.memory.unembedded(reader, model.id, most=1))
    return Embedded(tenant=reader.tenant, embedder=model.id, items=done, left=left)
