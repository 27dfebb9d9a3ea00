"""Kill switches on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from fairlead.adapters.sql.conversations import its_turn
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_bounds import kill_switches
from fairlead.adapters.sql.schema_releases import releases
from fairlead.core.errors import KillNotFound, KillsFull
from fairlead.core.event import Fact
from fairlead.core.kill import KILLS_MAX, Kill, KillScope, kill_chain
from fairlead.ports.clock import Clock
from fairlead.ports.runs import Order

_ACTIVE = sa.select(kill_switches).order_by(kill_switches.c.at.desc(), kill_switches.c.which)


class SqlKillStore:
    """Keeps the switches that are pulled, each change with its event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def active(self) -> Sequence[Kill]:
        """Return every switch that is pulled, the newest first."""
        with self._database.glance() as connection:
            return [Kill(**row._mapping) for row in connection.execute(_ACTIVE)]

    def pull(self, scope: KillScope, which: str, order: Order) -> tuple[Kill, bool]:
        """Pull a switch; one that is pulled already stays as it is."""
        with self._database.transaction() as connection:
            serialize(connection, "kill switches")
            known = _find(connection, scope, which)
            if known is not None:
                return known, False
            count = sa.select(sa.func.count()).select_from(kill_switches)
            if connection.execute(count).scalar_one() >= KILLS_MAX:
                raise KillsFull(f"{KILLS_MAX} kill switches are pulled already")
            at = float(connection.execute(sa.select(self._database.now_sql())).scalar_one())
            kill = Kill(scope=scope, which=which, by=order.by, reason=order.reason, at=at)
            connection.execute(sa.insert(kill_switches).values(asdict(kill)))
            append(connection, self._clock, _fact("kill.pulled", scope, which, order))
            return kill, True

    def lift(self, scope: KillScope, which: str, order: Order) -> Kill:
        """Lift a switch, and return it as it was."""
        with self._database.transaction() as connection:
            serialize(connection, "kill switches")
            known = _find(connection, scope, which)
            if known is None:
                raise KillNotFound(
                    f"no kill switch is pulled for {scope} {which}", **{scope: which}
                )
            connection.execute(sa.delete(kill_switches).where(_named(scope, which)))
            append(connection, self._clock, _fact("kill.lifted", scope, which, order))
            return known


def at_large() -> sa.ColumnElement[bool]:
    """Return a condition on a run: no switch stops it from beginning."""
    switch = kill_switches.alias("switch")
    app = (
        sa.select(releases.c.app)
        .where(releases.c.digest == runs.c.release)
        .correlate(runs, switch)
        .scalar_subquery()
    )
    stops = sa.or_(
        (switch.c.scope == "workflow") & (switch.c.which == runs.c.workflow),
        (switch.c.scope == "tenant") & (switch.c.which == runs.c.tenant),
        (switch.c.scope == "release") & (switch.c.which == runs.c.release),
        (switch.c.scope == "app") & (switch.c.which == app),
    )
    return ~sa.exists(sa.select(switch.c.which).where(stops).correlate(runs))


def may_begin() -> sa.ColumnElement[bool]:
    """Return a condition on a queued run: it is its turn, and no switch stops it."""
    return its_turn() & at_large()


def _named(scope: str, which: str) -> sa.ColumnElement[bool]:
    return (kill_switches.c.scope == scope) & (kill_switches.c.which == which)


def _find(connection: sa.Connection, scope: str, which: str) -> Kill | None:
    row = connection.execute(sa.select(kill_switches).where(_named(scope, which))).first()
    return None if row is None else Kill(**row._mapping)


def _fact(type: str, scope: str, which: str, order: Order) -> Fact:
    data = {"scope": scope, "which": which, **asdict(order)}
    return Fact(chain=kill_chain(scope, which), type=type, data=data)
