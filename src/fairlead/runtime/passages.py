"""Passages of ingested documents as a run recalls them beside what is remembered."""

from __future__ import annotations

from dataclasses import replace

from fairlead.authoring.memory import Wanted
from fairlead.core.errors import MemoryUndeclared
from fairlead.core.grounding import Source
from fairlead.core.label import Label
from fairlead.core.memory import EVERYONE, TIME_MAX, Item, MemoryQuery, Provenance, Recalled
from fairlead.core.request import Admitted, Request
from fairlead.guardrails.decide import Act, Situation
from fairlead.ports.documents import DocumentStore
from fairlead.runtime.authorize import authorize
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.interceptors.label import label_of_passages
from fairlead.runtime.retrieve import retrieve


async def recall_passages(
    boundary: Boundary, documents: DocumentStore, query: MemoryQuery, wanted: Wanted
) -> tuple[Recalled, ...]:
    """Search the collection that the workflow declares: a retrieval, as `run.retrieve` makes it.

    Args:
        boundary: The run's way out.
        documents: Where passages are.
        query: What is recalled.
        wanted: How; what it says of `top_k` and `min_score` counts instead of the declared ones.

    Raises:
        MemoryUndeclared: The workflow declares no collection.
        FairleadError: The retrieval was denied or failed.
    """
    scope = boundary.scope
    recall = scope.terms.recall
    if recall is None:
        raise MemoryUndeclared(
            f"workflow {scope.terms.name} declares no documents: Memory(semantic=Recall(...))",
            workflow=scope.terms.name,
        )
    if recall.integrity == "untrusted" and not query.quarantined:
        # Whatever it is, it may only be quoted.
        return ()
    recall = replace(
        recall,
        top_k=wanted.get("top_k", recall.top_k),
        min_score=wanted.get("min_score", recall.min_score),
    )
    admitted = Admitted(
        request=Request(question=query.text, input=query.text),
        context=scope.context,
        terms=replace(scope.terms, recall=recall),
        checks=(),
    )
    found = await retrieve(authorize(admitted, scope.rules.bundle), boundary, documents)
    act = Act(action="retrieve", resource=recall.collection)
    decision = scope.rules.bundle.decide(
        "recall",
        scope.context.principal,
        act,
        labels={},
        context=Situation(workflow=scope.terms.name),
    )
    label = label_of_passages(scope, recall.collection)
    made = [(source, _item(source, label, boundary)) for source in found.sources]
    return tuple(
        Recalled(
            item=item,
            score=source.score,
            parts={"words": source.score},
            quoted=item.quoted,
            allowed_by=decision.reasons,
        )
        for source, item in made
    )


def _item(source: Source, label: Label, boundary: Boundary) -> Item:
    """Return a passage in the form of an item; it has no times, and is nowhere in memory."""
    passage, scope = source.passage, boundary.scope
    return Item(
        id=f"{passage.collection}/{passage.document}#{passage.start}",
        tenant=scope.context.principal.tenant,
        app=scope.rules.app,
        kind="semantic",
        text=passage.text,
        subject=passage.title,
        predicate="",
        value=None,
        label=label,
        state="active",
        audience=EVERYONE,
        provenance=Provenance(source=f"retrieval:{passage.collection}"),
        valid_from=0.0,
        valid_to=None,
        recorded_at=0.0,
        retired_at=None,
        expires_at=TIME_MAX,
        actor="",
        thread="",
        place=0,
        supersedes="",
    )
