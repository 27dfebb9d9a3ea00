"""Where releases stand in an environment, on SQL; each change of state with its event."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.runs import counts_in
from fairlead.adapters.sql.schema import runs, workers
from fairlead.adapters.sql.schema_delivery import deployments, rollouts
from fairlead.adapters.sql.schema_releases import releases
from fairlead.core.errors import RolloutOpen
from fairlead.core.event import Fact
from fairlead.core.outcome import OPEN_STATES
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import Deployment, DeploymentState, LiveCode

_OPEN = runs.c.state.in_(OPEN_STATES)
_NAMED_MAX = 20
"""Runs that an event names."""


class SqlDeploymentStore:
    """Knows where releases stand."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, environment: str) -> Sequence[Deployment]:
        """Return where releases stand, the newest change first."""
        mine = _OPEN & counts_in(environment) & (runs.c.release == deployments.c.release)
        in_flight = sa.select(sa.func.count()).where(mine).scalar_subquery().label("in_flight")
        query = (
            sa.select(deployments, in_flight)
            .where(deployments.c.environment == environment)
            .order_by(deployments.c.since.desc(), deployments.c.release)
        )
        with self._database.reading() as connection:
            return [Deployment(**row._mapping) for row in connection.execute(query)]

    def live_code(self, environment: str, lease_s: float) -> Sequence[LiveCode]:
        """Return the code that must have a worker: new runs start on it, or some have not ended."""
        # A candidate gets its share once it has a worker, and so it has one before that.
        here = deployments.c.environment == environment
        wanted = (deployments.c.weight > 0) | deployments.c.state.in_(("ramping", "current"))
        routed = sa.select(deployments.c.code_digest).where(here, wanted)
        open_runs = (
            sa.select(
                runs.c.code_digest,
                sa.func.count().label("in_flight"),
                sa.func.min(runs.c.created_at).label("oldest_at"),
            )
            .where(_OPEN, counts_in(environment))
            .group_by(runs.c.code_digest)
        )
        with self._database.reading() as connection:
            fresh = set(connection.execute(routed).scalars())
            waiting = {row.code_digest: row for row in connection.execute(open_runs)}
            served = _served(connection, self._database, lease_s)
            found = []
            for code in sorted(fresh | waiting.keys()):
                release = connection.execute(
                    sa.select(releases.c.digest)
                    .where(releases.c.code_digest == code)
                    .order_by(releases.c.created_at.desc(), releases.c.digest)
                    .limit(1)
                ).scalar()
                if release is not None:
                    row = waiting.get(code)
                    found.append(
                        LiveCode(
                            code_digest=code,
                            release=release,
                            in_flight=row.in_flight if row else 0,
                            oldest_at=row.oldest_at if row else None,
                            routed=code in fresh,
                            served=code in served,
                        )
                    )
        return found

    def sweep(self, environment: str, retire_after_s: float) -> int:
        """Note which releases are drained, and which are retired; return how many changed."""
        mine = _OPEN & counts_in(environment) & (runs.c.release == deployments.c.release)
        idle = ~sa.exists().where(mine)
        quiet = (deployments.c.environment == environment) & (deployments.c.weight == 0.0)
        past = self._clock.now() - retire_after_s
        drained = quiet & (deployments.c.state == "draining") & idle
        retired = quiet & (deployments.c.state == "drained") & (deployments.c.since < past)
        due = sa.select(deployments.c.release)
        with self._database.glance() as connection:
            if connection.execute(due.where(drained | retired).limit(1)).first() is None:
                return 0
        changed = 0
        with self._database.transaction() as connection:
            serialize(connection, f"environment:{environment}")
            for state, which in (("retired", retired), ("drained", drained)):
                for release in connection.execute(due.where(which)).scalars().all():
                    stand(connection, self._clock, (environment, release), (state, 0.0))
                    changed += 1
        return changed

    def strand(self, lease_s: float, after_s: float) -> Sequence[str]:
        """Note, once, which releases have runs that no worker can take, and which not any more."""
        # Of all environments: a worker takes the runs of its code, wherever they were admitted.
        with self._database.glance() as connection:
            served = _served(connection, self._database, lease_s)
            late = (
                sa.select(runs.c.release)
                .distinct()
                .where(
                    _OPEN,
                    runs.c.state != "paused",
                    runs.c.code_digest.not_in(served),
                    runs.c.created_at < self._clock.now() - after_s,
                )
            )
            stranded = sorted(connection.execute(late).scalars())
            noted = _noted(connection)
        if set(stranded) == noted:
            return stranded
        with self._database.transaction() as connection:
            serialize(connection, "stranded")
            noted = _noted(connection)
            facts = []
            for release in sorted(set(stranded) - noted):
                mine = sa.select(runs.c.id).where(_OPEN, runs.c.release == release)
                ids = connection.execute(mine.order_by(runs.c.created_at)).scalars().all()
                data = {"runs": len(ids), "ids": ids[:_NAMED_MAX]}
                facts.append(
                    Fact(chain=f"release:{release}", type="release.stranded", data=dict(data))
                )
            facts += [
                Fact(chain=f"release:{release}", type="release.served", data={})
                for release in sorted(noted - set(stranded))
            ]
            append(connection, self._clock, *facts)
            connection.execute(
                sa.update(releases).values(stranded=releases.c.digest.in_(stranded))
                if stranded
                else sa.update(releases).where(releases.c.stranded).values(stranded=False)
            )
        return stranded


def _noted(connection: sa.Connection) -> set[str]:
    return set(
        connection.execute(sa.select(releases.c.digest).where(releases.c.stranded)).scalars()
    )


def _served(connection: sa.Connection, database: Database, lease_s: float) -> list[str]:
    """Return the code that a living worker has."""
    alive = workers.c.stopped_at.is_(None) & (
        workers.c.heartbeat_at >= database.now_sql() - lease_s
    )
    return list(
        connection.execute(sa.select(workers.c.code_digest).distinct().where(alive)).scalars()
    )


def is_served(connection: sa.Connection, database: Database, release: str, lease_s: float) -> bool:
    """Say whether a worker of a release's code lives."""
    code = sa.select(releases.c.code_digest).where(releases.c.digest == release)
    return connection.execute(code).scalar_one() in _served(connection, database, lease_s)


def refuse_open(connection: sa.Connection, environment: str, release: str) -> None:
    """Refuse to go on while a rollout does; one that is aborted has no traffic any more.

    Raises:
        RolloutOpen: A rollout goes on in the environment.
    """
    here = (rollouts.c.environment == environment) & rollouts.c.ended_at.is_(None)
    # What the release remembered in the trial that ends goes with it; a new one begins behind that.
    here &= (rollouts.c.phase != "aborting") | (rollouts.c.candidate == release)
    going_on = connection.execute(sa.select(rollouts.c.id).where(here)).scalar()
    if going_on is not None:
        raise RolloutOpen(
            f"rollout {going_on} goes on in environment {environment}", rollout=going_on
        )


def stand(
    connection: sa.Connection,
    clock: Clock,
    place: tuple[str, str],
    standing: tuple[DeploymentState | str, float],
) -> None:
    """Note where a release stands; nothing happens when it stands there already.

    Args:
        connection: A writing transaction that holds the environment.
        clock: Time and ids.
        place: Environment and release.
        standing: State and share of new runs.
    """
    environment, release = place
    state, weight = standing
    here = (deployments.c.environment == environment) & (deployments.c.release == release)
    known = connection.execute(sa.select(deployments).where(here)).first()
    if known is not None and (known.state, known.weight) == (state, weight):
        return
    values = {"state": state, "weight": weight}
    if known is None:
        code = sa.select(releases.c.code_digest).where(releases.c.digest == release)
        connection.execute(
            sa.insert(deployments).values(
                environment=environment,
                release=release,
                code_digest=connection.execute(code).scalar_one(),
                since=clock.now(),
                **values,
            )
        )
    else:
        if known.state != state:
            values["since"] = clock.now()
        connection.execute(sa.update(deployments).where(here).values(**values))
    data = {
        "release": release,
        "from": known.state if known else "inactive",
        "state": state,
        "weight": weight,
    }
    fact = Fact(chain=f"deployments:{environment}", type="deployment.changed", data=dict(data))
    append(connection, clock, fact)


def sole(connection: sa.Connection, clock: Clock, environment: str, release: str) -> None:
    """Note that all new runs start on one release; those before it are drained.

    Args:
        connection: A writing transaction that holds the environment.
        clock: Time and ids.
        environment: The environment.
        release: Digest of the release.
    """
    others = sa.select(deployments.c.release).where(
        deployments.c.environment == environment,
        deployments.c.release != release,
        deployments.c.state.in_(("ramping", "current")) | (deployments.c.weight > 0.0),
    )
    for other in connection.execute(others).scalars().all():
        stand(connection, clock, (environment, other), ("draining", 0.0))
    stand(connection, clock, (environment, release), ("current", 1.0))
