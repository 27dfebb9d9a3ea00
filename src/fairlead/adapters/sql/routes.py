"""Where new runs of an environment start, on SQL, and that it stays so while one is admitted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import share
from fairlead.adapters.sql.schema_delivery import assignments, rollouts
from fairlead.adapters.sql.schema_releases import activations
from fairlead.adapters.sql.statement import Statement
from fairlead.core.errors import RouteClosed
from fairlead.core.routing import Assignment, Routes, holds
from fairlead.ports.runs import RunRecord


def active_query(environment: str | sa.BindParameter[str]) -> sa.Select[Any]:
    """Select the digest of the release that is active in an environment."""
    return (
        sa.select(activations.c.release)
        .where(activations.c.environment == environment)
        .order_by(activations.c.sequence.desc())
        .limit(1)
    )


def _routes_query() -> sa.Select[Any]:
    """Select the rollout that goes on, if one does, and the active release: always one row."""
    place = sa.bindparam("place", type_=sa.Text)
    going_on = (
        (rollouts.c.environment == place)
        & rollouts.c.ended_at.is_(None)
        & (rollouts.c.phase != "aborting")
    )
    one = sa.select(sa.literal_column("1").label("one")).subquery()
    return sa.select(
        rollouts.c.id,
        rollouts.c.candidate,
        rollouts.c.baseline,
        rollouts.c.weight,
        rollouts.c.sticky,
        active_query(place).scalar_subquery().label("active"),
    ).select_from(one.outerjoin(rollouts, going_on))


# Each admission sends it twice: to draw, and to see that what was drawn still holds.
_ROUTES = Statement(_routes_query())


def read_routes(connection: sa.Connection, environment: str) -> Routes | None:
    """Return where new runs start; None when no release is active.

    Args:
        connection: A connection.
        environment: The environment.
    """
    row = _ROUTES.send(connection, {"place": environment}).one()
    if row.id is None:
        return None if row.active is None else Routes(environment=environment, baseline=row.active)
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
