"""Baselines on SQL: each version once, and the series of those that were put in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema_releases import baselines, enforcements
from fairlead.core.baseline import Baseline, Enforcement, Standing, baseline_json
from fairlead.core.digests import canonical_json, digest_bytes
from fairlead.core.errors import BaselineVersionTaken, StoreCorrupt, UnknownBaseline
from fairlead.core.event import Fact
from fairlead.ports.baselines import Published
from fairlead.ports.clock import Clock

CHAIN = "baselines"
"""The one chain of all of it: a baseline stands above every app of the database."""

PREFIX_CHARS_MIN = 8
"""Fewest digits of a digest that name a baseline: a version that is mistyped must name none."""

_BASELINE = TypeAdapter(Baseline)


class SqlBaselineStore:
    """Keeps baselines for ever, and the series of those that were put in force."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def publish(self, baseline: Baseline, by: str) -> bool:
        """Store a version, with its event; return False when it is there already."""
        same = (baselines.c.name == baseline.name) & (baselines.c.version == baseline.version)
        with self._database.transaction() as connection:
            serialize(connection, CHAIN)
            there = connection.execute(sa.select(baselines.c.digest).where(same)).scalar()
            if there == baseline.digest:
                return False
            if there is not None:
                raise BaselineVersionTaken(
                    f"baseline {baseline.id} was published with other content",
                    baseline=there,
                )
            values = {
                "digest": baseline.digest,
                "name": baseline.name,
                "version": baseline.version,
                "by": by,
            }
            connection.execute(
                sa.insert(baselines).values(
                    **values,
                    content=canonical_json(baseline_json(baseline)),
                    published_at=self._clock.now(),
                )
            )
            data = {**values, "baseline": values["digest"]}
            del data["digest"]
            append(connection, self._clock, Fact(chain=CHAIN, type="baseline.published", data=data))
            return True

    def get(self, name: str) -> Published:
        """Return a baseline by its version, or by 8 digits or more of its digest."""
        query = sa.select(baselines)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(baselines.c.version == name).limit(2)).all()
            if not rows and len(name) >= PREFIX_CHARS_MIN:
                begins = baselines.c.digest.startswith(name, autoescape=True)
                rows = connection.execute(query.where(begins).limit(2)).all()
        if len(rows) != 1:
            what = "no baseline has" if not rows else "more than one baseline has"
            raise UnknownBaseline(f"{what} the version or digest {name!r}", baseline=name)
        return _published(rows[0])

    def list(self) -> Sequence[Published]:
        """Return all baselines, newest first."""
        query = sa.select(baselines).order_by(baselines.c.published_at.desc(), baselines.c.digest)
        with self._database.reading() as connection:
            return [_published(row) for row in connection.execute(query).all()]

    def enforce(self, digest: str, window_s: float, by: str) -> None:
        """Put a baseline in force for all apps of the database, with its event."""
        with self._database.transaction() as connection:
            serialize(connection, CHAIN)
            last = connection.execute(sa.select(sa.func.max(enforcements.c.sequence))).scalar()
            number = (last or 0) + 1
            connection.execute(
                sa.insert(enforcements).values(
                    sequence=number,
                    baseline=digest,
                    window_s=window_s,
                    by=by,
                    time=self._database.now_sql(),
                )
            )
            data = {"number": number, "baseline": digest, "window_s": window_s, "by": by}
            append(connection, self._clock, Fact(chain=CHAIN, type="baseline.enforced", data=data))

    def standing(self) -> Standing:
        """Return which baselines are accepted now, by the database's clock."""
        query = sa.select(enforcements).order_by(enforcements.c.sequence)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            now = connection.execute(sa.select(self._database.now_sql())).scalar_one()
        return Standing(
            enforcements=tuple(
                Enforcement(digest=row.baseline, window_s=row.window_s, by=row.by, time=row.time)
                for row in rows
            ),
            now=float(now),
        )


def _published(row: sa.Row[Any]) -> Published:
    try:
        if digest_bytes(row.content.encode()) != row.digest:
            raise ValueError("its content was changed")
        baseline = _BASELINE.validate_json(row.content)
    except ValueError as error:
        raise StoreCorrupt(
            f"baseline {row.digest[:12]} is damaged: {error}", baseline=row.digest
        ) from error
    return Published(digest=row.digest, baseline=baseline, by=row.by, published_at=row.published_at)
