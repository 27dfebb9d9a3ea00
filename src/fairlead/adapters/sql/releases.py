"""Releases, gate evidence and the pointer's history on SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.deployments import refuse_open, sole
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.evidence import read_evidence, read_words, write_evidence
from fairlead.adapters.sql.memory_changes import drop_overlay, merge_overlay
from fairlead.adapters.sql.routes import active_query
from fairlead.adapters.sql.schema_releases import activations, archives, releases
from fairlead.core.archive import Archive
from fairlead.core.digests import canonical_json, digest, digest_bytes
from fairlead.core.errors import ReleaseDamaged, RouteClosed, UnknownRelease
from fairlead.core.event import Fact
from fairlead.core.provenance import Provenance
from fairlead.core.release import Manifest, Release, manifest_json
from fairlead.ports.clock import Clock
from fairlead.ports.memory import Change
from fairlead.ports.releases import Activation, Evidence

_MANIFEST = TypeAdapter(Manifest)
_PROVENANCE = TypeAdapter(Provenance)

# Two releases of the same files may be made at the same moment.
_PUT_ARCHIVE = sa.text(
    "INSERT INTO archives (digest, data, created_at) VALUES (:digest, :data, :created_at) "
    "ON CONFLICT (digest) DO NOTHING"
).bindparams(sa.bindparam("data", type_=sa.LargeBinary))


class SqlReleaseStore:
    """Keeps releases for ever, and the pointer's history."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, release: Release, archive: Archive | None = None) -> bool:
        """Store a release with its files; return False when it is there already.

        One that is there gets what it lacks: its archive, where it comes from, or who made it.
        """
        manifest = release.manifest
        given: dict[str, Any] = {} if archive is None else {"archive": archive.digest}
        if release.provenance is not None:
            given["provenance"] = release.provenance.json()
        if release.by:
            given["by"] = release.by
        with self._database.transaction() as connection:
            serialize(connection, f"release:{release.digest}")
            there = connection.execute(
                sa.select(releases).where(releases.c.digest == release.digest)
            ).first()
            if archive is not None and (there is None or there.archive is None):
                row = {**vars(archive), "created_at": self._clock.now()}
                connection.execute(_PUT_ARCHIVE, row)
            if there is not None:
                self._amend(connection, there, given)
                return False
            connection.execute(
                sa.insert(releases).values(
                    digest=release.digest,
                    app=manifest.app,
                    code_digest=manifest.code_digest,
                    bundle_digest=manifest.bundle_digest,
                    manifest=canonical_json(manifest_json(manifest)),
                    bad=False,
                    created_at=release.created_at,
                    **_columns(given),
                )
            )
            data = {
                "app": manifest.app,
                "code": manifest.code_digest,
                "bundle": manifest.bundle_digest,
                "policies": digest(manifest.policies),
                "baseline": None if manifest.baseline is None else manifest.baseline.digest,
                **given,
            }
            append(connection, self._clock, _fact(release.digest, "release.created", data))
            return True

    def _amend(self, connection: sa.Connection, there: sa.Row[Any], given: dict[str, Any]) -> None:
        """Add what a release lacks; what it has is what counts."""
        lacks = {name: value for name, value in given.items() if not getattr(there, name)}
        if lacks:
            mine = releases.c.digest == there.digest
            connection.execute(sa.update(releases).where(mine).values(**_columns(lacks)))
            append(connection, self._clock, _fact(there.digest, "release.amended", lacks))

    def archive(self, name: str) -> Archive | None:
        """Return an archive by its digest, as it is on record; None when it is not there."""
        query = sa.select(archives.c.data).where(archives.c.digest == name)
        with self._database.reading() as connection:
            data = connection.execute(query).scalar()
        return None if data is None else Archive(digest=name, data=bytes(data))

    def get(self, name: str) -> Release:
        """Return a release by its digest or a prefix that only one has.

        Raises:
            UnknownRelease: There is none, or more than one.
            ReleaseDamaged: Its manifest does not match its digest.
        """
        query = sa.select(releases).where(releases.c.digest.startswith(name, autoescape=True))
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(2)).all() if name else []
        if len(rows) != 1:
            what = "no release has" if not rows else "more than one release has"
            raise UnknownRelease(f"{what} the name {name!r}", release=name)
        return _release(rows[0])

    def list(self) -> Sequence[Release]:
        """Return all sound releases, newest first."""
        return [item for item in self._all() if isinstance(item, Release)]

    def damaged(self) -> Sequence[ReleaseDamaged]:
        """Return the error of each release that does not match its digest."""
        return [item for item in self._all() if isinstance(item, ReleaseDamaged)]

    def _all(self) -> Iterator[Release | ReleaseDamaged]:
        query = sa.select(releases).order_by(releases.c.created_at.desc(), releases.c.digest)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            try:
                yield _release(row)
            except ReleaseDamaged as error:
                yield error

    def record_gate(self, evidence: Evidence) -> str:
        """Store a gate's conclusion, with its event; return the digest that names it."""
        with self._database.transaction() as connection:
            # Whoever moves the pointer holds it: a denial is before that, or behind.
            serialize(connection, f"environment:{evidence.environment}")
            fact = write_evidence(connection, evidence)
            append(connection, self._clock, fact)
        return str(fact.data["evidence"])

    def gate(self, release: str) -> Evidence | None:
        """Return a release's latest evidence of `fairlead check`, or None."""
        return next(iter(self.evidence_of(release, "check")), None)

    def evidence_of(
        self,
        release: str,
        gate: str,
        environment: str = "",
        *,
        limit: int = 1,
        of_each: bool = False,
    ) -> Sequence[Evidence]:
        """Return a gate's evidence on a release in an environment, the newest first."""
        read = read_words if of_each else read_evidence
        with self._database.reading() as connection:
            return read(connection, release, (gate, environment), limit)

    def evidence_on(self, release: str, limit: int = 100) -> Sequence[Evidence]:
        """Return a release's evidence of all gates everywhere, the newest first."""
        with self._database.reading() as connection:
            return read_evidence(connection, release, None, limit)

    def activate(
        self,
        environment: str,
        activation: Activation,
        permit: Callable[[], None] = lambda: None,
        *,
        instead_of: str | None = None,
    ) -> None:
        """Move the pointer, with its event; a rollback marks the release that was active as bad.

        Args:
            environment: Where.
            activation: The move.
            permit: Refuses it by what is on record while nobody else can change that.
            instead_of: Digest of the release that must be active now; None for any.

        Raises:
            RolloutOpen: A rollout goes on there: it moves the pointer.
            RouteClosed: Another release is active by now.
        """
        with self._database.transaction() as connection:
            serialize(connection, f"environment:{environment}")
            refuse_open(connection, environment, activation.release)
            permit()
            if instead_of is not None:
                active = connection.execute(active_query(environment)).scalar() or ""
                if active != instead_of:
                    raise RouteClosed(
                        f"release {active[:12]} became active in {environment} in place of "
                        f"{instead_of[:12]} meanwhile",
                        release=instead_of,
                    )
            move_pointer(connection, self._clock, environment, activation)
            sole(connection, self._clock, environment, activation.release)

    def active(self) -> dict[str, str]:
        """Return the digest of the release that is active in each environment, by its name."""
        last = (
            sa.select(activations.c.environment, sa.func.max(activations.c.sequence).label("at"))
            .group_by(activations.c.environment)
            .subquery()
        )
        place = (activations.c.environment == last.c.environment) & (
            activations.c.sequence == last.c.at
        )
        query = sa.select(activations.c.environment, activations.c.release).join(last, place)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(activations.c.environment)).all()
        return {row.environment: row.release for row in rows}

    def on_trial(self, environment: str, release: str) -> bool:
        """Say whether a release was never activated, and another one is the environment's."""
        here = sa.exists().where(activations.c.environment == environment)
        ever = sa.exists().where(activations.c.release == release)
        with self._database.glance() as connection:
            return bool(connection.execute(sa.select(here & ~ever)).scalar_one())

    def history(self, environment: str) -> Sequence[Activation]:
        """Return the pointer's moves, oldest first; the last one is in force."""
        query = (
            sa.select(activations)
            .where(activations.c.environment == environment)
            .order_by(activations.c.sequence)
        )
        with self._database.reading() as connection:
            return [
                Activation(
                    release=row.release,
                    kind=row.kind,
                    reason=row.reason,
                    by=row.by,
                    time=row.time,
                )
                for row in connection.execute(query)
            ]


def move_pointer(
    connection: sa.Connection, clock: Clock, environment: str, activation: Activation
) -> None:
    """Move an environment's pointer, with its event.

    Args:
        connection: A writing transaction that holds the environment.
        clock: Time and ids.
        environment: The environment.
        activation: The move; a `rollback` marks the release that was active as bad.
    """
    rollback = activation.kind == "rollback"
    last = connection.execute(
        sa.select(activations)
        .where(activations.c.environment == environment)
        .order_by(activations.c.sequence.desc())
        .limit(1)
    ).first()
    connection.execute(
        sa.insert(activations).values(
            environment=environment,
            sequence=last.sequence + 1 if last else 1,
            release=activation.release,
            kind=activation.kind,
            reason=activation.reason,
            by=activation.by,
            time=activation.time,
        )
    )
    data = {
        "release": activation.release,
        "from": last.release if last else None,
        "kind": activation.kind,
        "reason": activation.reason,
        "by": activation.by,
    }
    kind = "release.rolled_back" if rollback else "release.activated"
    append(connection, clock, Fact(chain=f"environment:{environment}", type=kind, data=data))
    if rollback and last is not None:
        mark_bad(connection, last.release)
        end_trial(connection, clock, last.release, activation, keep=False)
    end_trial(connection, clock, activation.release, activation, keep=True)


def mark_bad(connection: sa.Connection, release: str) -> None:
    """Mark a release as bad: it is not activated again without an override."""
    connection.execute(sa.update(releases).where(releases.c.digest == release).values(bad=True))


def end_trial(
    connection: sa.Connection, clock: Clock, release: str, move: Activation, *, keep: bool
) -> None:
    """Give what a release remembered in its trial to everybody, or remove it.

    Args:
        connection: A writing transaction.
        clock: Time and ids.
        release: Digest of the release.
        move: Who ends it, and why.
        keep: Whether it is kept.
    """
    app = connection.execute(
        sa.select(releases.c.app).where(releases.c.digest == release)
    ).scalar_one()
    change, trial = Change(by=move.by, reason=move.reason), (app, release)
    end = merge_overlay if keep else drop_overlay
    items = end(connection, trial, change, clock)
    if items:
        data = {"items": items, "by": move.by, "reason": move.reason}
        kind = "memory.merged" if keep else "memory.dropped"
        append(connection, clock, _fact(release, kind, data))


def _fact(digest: str, type: str, data: dict[str, Any]) -> Fact:
    return Fact(chain=f"release:{digest}", type=type, data=data)


def _columns(given: dict[str, Any]) -> dict[str, str]:
    """Return what is said of a release's files and origin as it is kept."""
    kept: dict[str, str] = {name: given[name] for name in ("archive", "by") if name in given}
    if "provenance" in given:
        kept["provenance"] = canonical_json(given["provenance"])
    return kept


def _release(row: sa.Row[Any]) -> Release:
    try:
        # The stored text itself: a manifest that is read and written again may say 1.0 for 1.
        if digest_bytes(row.manifest.encode()) != row.digest:
            raise ValueError("its manifest was changed")
        manifest = _MANIFEST.validate_json(row.manifest)
        origin = _PROVENANCE.validate_json(row.provenance) if row.provenance else None
    except ValueError as error:
        raise ReleaseDamaged(
            f"release {row.digest[:12]} is damaged: {error}", release=row.digest
        ) from error
    return Release(
        digest=row.digest,
        manifest=manifest,
        created_at=row.created_at,
        bad=bool(row.bad),
        archive=row.archive or "",
        provenance=origin,
        by=row.by or "",
    )
