"""Rules of environments on SQL: a series for each name, whose last row is in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema_releases import environments
from fairlead.core.digests import canonical_json, digest_bytes
from fairlead.core.environments import ANYWHERE, NO_RULES, EnvironmentRules
from fairlead.core.errors import StoreCorrupt
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.environments import Ruled
from fairlead.ports.runs import Order

_RULES = TypeAdapter(EnvironmentRules)


class SqlEnvironmentStore:
    """Keeps the rules of environments, each version of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def rules(self, environment: str) -> EnvironmentRules:
        """Return what holds in an environment: its own rules, those of `*`, or NO_RULES."""
        for name in (environment, ANYWHERE):
            found = self.standing(name)
            if found is not None:
                return found.rules
        return NO_RULES

    def standing(self, environment: str) -> Ruled | None:
        """Return the rules in force under a name; None when nobody has set any."""
        with self._database.reading() as connection:
            row = _last(connection, environment)
        return None if row is None else _ruled(row)

    def list(self) -> Sequence[Ruled]:
        """Return all rules that are in force, by name."""
        names = sa.select(environments.c.name).distinct().order_by(environments.c.name)
        with self._database.reading() as connection:
            rows = [_last(connection, name) for name in connection.execute(names).scalars()]
        return [_ruled(row) for row in rows if row is not None]

    def set(self, environment: str, rules: EnvironmentRules, order: Order) -> Ruled:
        """Put rules in force, with their event."""
        text = canonical_json(_RULES.dump_python(rules, mode="json"))
        with self._database.transaction() as connection:
            # Whoever moves a pointer holds it: what is decided there is decided by these or those.
            serialize(connection, f"environment:{environment}")
            last = _last(connection, environment)
            ruled = Ruled(
                environment=environment,
                number=1 if last is None else last.number + 1,
                rules=rules,
                by=order.by,
                reason=order.reason,
                time=self._clock.now(),
            )
            name = digest_bytes(text.encode())
            connection.execute(
                sa.insert(environments).values(
                    name=environment,
                    number=ruled.number,
                    rules=text,
                    digest=name,
                    by=order.by,
                    reason=order.reason,
                    time=ruled.time,
                )
            )
            data = {"number": ruled.number, "rules": name, **order.fact()}
            fact = Fact(chain=f"rules:{environment}", type="environment.changed", data=data)
            append(connection, self._clock, fact)
        return ruled


def _last(connection: sa.Connection, name: str) -> sa.Row[Any] | None:
    query = sa.select(environments).where(environments.c.name == name)
    return connection.execute(query.order_by(environments.c.number.desc()).limit(1)).first()


def _ruled(row: sa.Row[Any]) -> Ruled:
    try:
        if digest_bytes(row.rules.encode()) != row.digest:
            raise ValueError("they were changed")
        rules = _RULES.validate_json(row.rules)
    except ValueError as error:
        raise StoreCorrupt(
            f"the rules of environment {row.name} are damaged: {error}", environment=row.name
        ) from error
    return Ruled(
        environment=row.name,
        number=row.number,
        rules=rules,
        by=row.by,
        reason=row.reason,
        time=row.time,
    )
