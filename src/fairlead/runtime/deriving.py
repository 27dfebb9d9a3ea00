"""What follows a run that remembered something: one run of the workflow that makes more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import FairleadError
from fairlead.core.label import own_label
from fairlead.core.release import WorkflowTerms
from fairlead.ports.boundary import Driven
from fairlead.ports.runs import Room, RunRecord
from fairlead.runtime.admission import DERIVED
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.persist import persist

ITEMS_MAX = 10_000
"""Most items that a deriving run is told of: the first ones."""

_ROOM = Room(backlog=1_000_000)
"""There is at most one derivation for each run, and the run itself was let in."""


def is_derivation(run: RunRecord) -> bool:
    """Return whether a run makes more of what another one remembered."""
    return (run.start_key or "").startswith(DERIVED)


async def derive(
    boundary: Boundary,
    begun: RunRecord,
    written: Sequence[str],
    workflows: Mapping[str, WorkflowTerms],
) -> None:
    """Start what the workflow declares to follow a run, once.

    It is a call of the run, so that it is decided, stopped and recorded like any other. The start
    key makes it one run, also when a worker dies between its start and the record of it. That it
    was denied or failed is on record, and is no failure of the run: that one has succeeded.

    Args:
        boundary: The run's way out.
        begun: The run.
        written: Ids of the items that it remembered.
        workflows: The release's terms by workflow.
    """
    scope, services = boundary.scope, boundary.services
    name = scope.terms.remember.derive if scope.terms.remember else ""
    if not name or not written or scope.family.derived:
        return
    input: Json = {"run": begun.id, "items": list(written[:ITEMS_MAX])}

    async def admit(_: Context) -> Driven:
        run = RunRecord(
            id=services.clock.id(),
            workflow=name,
            release=begun.release,
            code_digest=begun.code_digest,
            principal=begun.principal,
            purpose=begun.purpose,
            state="queued",
            input=input,
            created_at=services.clock.now(),
            queue=workflows[name].queue,
            priority=begun.priority,
            environment=begun.environment,
            start_key=f"{DERIVED}{begun.id}",
            # Ids are the store's own words; what the items say has labels of its own.
            label=own_label(begun.principal),
        )
        admitted = await persist(services.clock, services.runs.admit, run, room=_ROOM)
        return Driven(value=admitted.id)

    boundary.compensate()
    try:
        await boundary.call("child", name, input, admit)
    except FairleadError:
        return
