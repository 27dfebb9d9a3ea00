"""Where new runs of an environment start, on SQL, and that it stays so while one is admitted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import share
from fairlead.adapters.sql.schema_delivery import assignments, rollouts
from fairlead.adapters.sql.schema_releases import activations
from fairlead.core.errors import RouteClosed
from fairlead.core.routing import Assignment, Routes, holds
from fairlead.ports.runs import RunRecord


def read_routes(connection: sa.Connection, environment: str) -> Routes | None:
    """Return where new runs start; None when no release is active.

    Args:
        connection: A connection.
        environment: The environment.
    """
    here = rollouts.c.environment == environment
    going_on = sa.select(
        rollouts.c.id,
        rollouts.c.candidate,
        rollouts.c.baseline,
        rollouts.c.weight,
        rollouts.c.sticky,
    ).where(here, rollouts.c.ended_at.is_(None), rollouts.c.phase != "aborting")
    row = connection.execute(going_on).first()
    if row is None:
        release = connection.execute(active_query(environment)).scalar()
        return None if release is None else Routes(environment=environment, baseline=release)
    if not (row.baseline or row.weight):
        return None
    return Routes(
        environment=environment,
        baseline=row.baseline,
        candidate=row.candidate,
        weight=row.weight,
        rollout=row.id,
        sticky=row.sticky,
    )


def active_query(environment: str) -> sa.Select[Any]:
    """Select the digest of the release that is active in an environment."""
    return (
        sa.select(activations.c.release)
        .where(activations.c.environment == environment)
        .order_by(activations.c.sequence.desc())
        .limit(1)
    )


def take_route(connection: sa.Connection, run: RunRecord, drawn: Assignment) -> None:
    """Note on which side of a rollout a run is, while new runs start as it was drawn by.

    Args:
        connection: A writing transaction.
        run: The run.
        drawn: How its release was drawn.

    Raises:
        RouteClosed: They start elsewhere by now, or with another probability.
    """
    # Whoever moves the pointer or changes a rollout holds it alone, and waits for this run; whoever
    # comes later sees what was changed.
    share(connection, f"environment:{drawn.environment}")
    if not holds(drawn, read_routes(connection, drawn.environment)):
        message = f"new runs of {drawn.environment} do not start as run {run.id} was drawn any more"
        raise RouteClosed(message, run=run.id)
    if not drawn.rollout:
        return
    connection.execute(
        sa.insert(assignments).values(
            run_id=run.id,
            rollout=drawn.rollout,
            arm=drawn.arm,
            probability=drawn.probability,
            unit=drawn.unit,
            admitted_at=run.created_at,
            ended=False,
        )
    )
