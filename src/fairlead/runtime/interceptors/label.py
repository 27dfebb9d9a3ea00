"""What a call returned gets its labels, from contracts and principals and never from what it says.

They are part of the recorded result, so that they survive a crash, a replay and a takeover.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Done, Failed, Result
from fairlead.core.label import UNDECLARED, Label, Labels, joined
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import RunScope, Services


async def label(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Label the value that `inner` returns, and what it says of a failure."""
    result, tries = await inner(attempt, services)
    if isinstance(result, Done) and result.labels:
        # What is recalled has the labels that it was remembered with.
        return result, tries
    if isinstance(result, Done):
        result = replace(result, labels=labels_of(attempt))
    elif isinstance(result, Failed):
        # An error has no fields: any part of it may stand in its text.
        result = replace(result, labels={"": joined(labels_of(attempt).values())})
    return result, tries


def label_of_passages(scope: RunScope, collection: str) -> Label:
    """Return the label of what a run retrieves from a collection.

    Args:
        scope: The run.
        collection: The collection.
    """
    recall = scope.terms.recall
    integrity = recall.integrity if recall else UNDECLARED.integrity
    found = Label(integrity=integrity, readers=("tenant",))
    return found.resolved(scope.context.principal, f"retrieval:{collection}")


def labels_of(attempt: Attempt) -> Labels:
    """Return the labels of what a call returns."""
    call, scope = attempt.call, attempt.scope
    principal, origin = scope.context.principal, f"{call.kind}:{call.name}"
    if call.kind == "tool":
        contract = scope.rules.contracts.get(call.name)
        declared = contract.labels if contract and contract.labels else {"": UNDECLARED}
        return {path: label.resolved(principal, origin) for path, label in declared.items()}
    if call.kind == "retrieval":
        return {"": label_of_passages(scope, call.name)}
    if call.kind == "memory":
        # Ids and states: the run's own. The store says in its own words what went wrong.
        return {"": Label(readers=("tenant",)).resolved(principal, origin)}
    if call.kind == "child":
        # The id of a child: the run's own. What the child returns has the label of its outcome.
        return {"": Label().resolved(principal, origin)}
    # A model, and a step of the workflow's own code, may use all that the run has received.
    return {"": attempt.flow.whole.join(Label(origins=(origin,)))}
