"""Which process looks at a rollout: one does until it is gone, and the others save the work.

Whoever looks holds the rollout while it does, so two that look at once do no harm.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema_delivery import rollouts

STOPPED_S = 3
"""A process that is stopped in the middle of a look holds new runs up no longer than that."""


def hold_briefly(connection: sa.Connection) -> None:
    """Let the server end a transaction when nothing is heard of its process for a few seconds.

    Args:
        connection: A transaction that is about to hold an environment, and so all its new runs.
    """
    if connection.dialect.name == "postgresql":
        limit = f"SET LOCAL idle_in_transaction_session_timeout = '{STOPPED_S}s'"
        connection.exec_driver_sql(limit)


def to_look_at(database: Database, environment: str, by: str) -> sa.Select[Any]:
    """Select the ids of an environment's rollouts that a process is to look at, oldest first.

    Args:
        database: The database, whose time counts.
        environment: The environment.
        by: The process.
    """
    open_here = (rollouts.c.environment == environment) & rollouts.c.ended_at.is_(None)
    free = (rollouts.c.kept_by == by) | (rollouts.c.kept_until < database.now_sql())
    return sa.select(rollouts.c.id).where(open_here, free).order_by(rollouts.c.began_at)


def keep(
    connection: sa.Connection, database: Database, rollout_id: str, *, by: str, lease_s: float
) -> None:
    """Note that a process looks at a rollout, and will again; it is written once per half a lease.

    Whoever looks while another one keeps it, such as a person's command that ends at once, takes it
    from nobody: else no one would look until the lease of a process that is gone has lapsed.

    Args:
        connection: A transaction that holds the rollout.
        database: The database, whose time counts.
        rollout_id: The rollout.
        by: The process.
        lease_s: Seconds without a look after which another one does it.
    """
    now = database.now_sql()
    mine = (rollouts.c.kept_by == by) & (rollouts.c.kept_until < now + lease_s / 2)
    stale = mine | (rollouts.c.kept_until < now)
    connection.execute(
        sa.update(rollouts)
        .where(rollouts.c.id == rollout_id, stale)
        .values(kept_by=by, kept_until=now + lease_s)
    )
