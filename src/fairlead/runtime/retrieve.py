"""Authorized -> Grounding: passages for the question, filtered before ranking."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.grounding import Passage, Source
from fairlead.core.request import Authorized, Grounding
from fairlead.memory.recall import recall
from fairlead.ports.boundary import CallBoundary, Driven
from fairlead.ports.documents import DocumentStore, Query


async def retrieve(
    authorized: Authorized, boundary: CallBoundary, documents: DocumentStore
) -> Grounding:
    """Make one retrieval call; a workflow without memory rests on nothing.

    Raises:
        FairleadError: The retrieval was denied or failed.
    """
    admitted = authorized.admitted
    terms = admitted.terms.recall
    if terms is None:
        return Grounding(authorized=authorized, sources=())
    query = Query(
        text=admitted.request.question,
        tenant=admitted.context.principal.tenant,
        collections=authorized.collections,
        top_k=terms.top_k,
        min_score=terms.min_score,
    )

    async def drive(_: Context) -> Driven:
        sources = await asyncio.to_thread(recall, documents, query)
        return Driven(value=[_to_json(source) for source in sources])

    found = await boundary.call("retrieval", terms.collection, asdict(query), drive)
    return Grounding(authorized=authorized, sources=tuple(_from_json(item) for item in found))


def _to_json(source: Source) -> Json:
    passage = source.passage
    return {
        "id": source.id,
        "score": source.score,
        "collection": passage.collection,
        "document": passage.document,
        "title": passage.title,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
    }


def _from_json(item: Json) -> Source:
    passage = Passage(
        collection=item["collection"],
        document=item["document"],
        title=item["title"],
        start=item["start"],
        end=item["end"],
        text=item["text"],
    )
    return Source(id=item["id"], score=item["score"], passage=passage)
