"""Rollouts on SQL: whoever looks at one holds it, so two processes cannot go on with it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.deployments import is_served, refuse_open, sole, stand
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.releases import end_trial, mark_bad, move_pointer
from fairlead.adapters.sql.rollout_keeper import hold_briefly, keep, to_look_at
from fairlead.adapters.sql.rollout_samples import (
    in_flight_of,
    in_flight_query,
    read_look,
    write_tally,
)
from fairlead.adapters.sql.rollout_words import drop_words, say
from fairlead.adapters.sql.routes import active_query, read_routes
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_delivery import observed, rollouts
from fairlead.core.analysis import state_to_json
from fairlead.core.digests import Json
from fairlead.core.errors import RolloutEnded, RouteClosed, UnknownRollout
from fairlead.core.event import Fact
from fairlead.core.rollout import Rollout
from fairlead.core.routing import Routes
from fairlead.ports.clock import Clock
from fairlead.ports.releases import Activation
from fairlead.ports.rollouts import Change, Decide, Feedback, Heard, Look
from fairlead.ports.runs import Order

_ROLLOUT = TypeAdapter(Rollout)
EVIDENCE_EVERY_S = 30.0
"""So often the log says what an analysis knows, while it changes."""


class SqlRolloutStore:
    """Keeps rollouts; each change with its events, the deployments and the pointer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._said: dict[str, float] = {}

    def routes(self, environment: str) -> Routes | None:
        """Return where new runs start; None when no release is active."""
        with self._database.glance() as connection:
            return read_routes(connection, environment)

    def start(self, rollout: Rollout) -> None:
        """Record a rollout that begins."""
        with self._database.transaction() as connection:
            serialize(connection, f"environment:{rollout.environment}")
            refuse_open(connection, rollout.environment, rollout.candidate)
            active = connection.execute(active_query(rollout.environment)).scalar()
            if (active or "") != rollout.baseline:
                message = f"another release became active in {rollout.environment} meanwhile"
                raise RouteClosed(message, rollout=rollout.id)
            connection.execute(
                sa.insert(rollouts).values(
                    id=rollout.id,
                    environment=rollout.environment,
                    candidate=rollout.candidate,
                    baseline=rollout.baseline,
                    sticky=rollout.terms.sticky,
                    began_at=rollout.began_at,
                    **_columns(rollout),
                )
            )
            self._stand(connection, rollout)
            data = {
                "environment": rollout.environment,
                "app": rollout.app,
                "candidate": rollout.candidate,
                "baseline": rollout.baseline,
                "by": rollout.by,
                "terms": _ROLLOUT.dump_python(rollout, mode="json")["terms"],
            }
            if rollout.overridden:
                data["overridden"] = list(rollout.overridden)
            append(connection, self._clock, _fact(rollout, "rollout.started", data))

    def open(self, environment: str) -> Rollout | None:
        """Return the rollout that goes on in an environment, or one that is aborted; else None."""
        here = (rollouts.c.environment == environment) & rollouts.c.ended_at.is_(None)
        aborting = sa.case((rollouts.c.phase == "aborting", 1), else_=0)
        query = sa.select(rollouts.c.state).where(here)
        query = query.order_by(aborting, rollouts.c.began_at.desc()).limit(1)
        with self._database.reading() as connection:
            state = connection.execute(query).scalar()
        return None if state is None else _ROLLOUT.validate_json(state)

    def to_look_at(self, environment: str, by: str) -> Sequence[str]:
        """Return the ids of an environment's rollouts that a process is to look at."""
        with self._database.glance() as connection:
            query = to_look_at(self._database, environment, by)
            return list(connection.execute(query).scalars())

    def get(self, rollout_id: str) -> Rollout:
        """Return a rollout by its id or a prefix that only one has."""
        query = sa.select(rollouts.c.state).where(
            rollouts.c.id.startswith(rollout_id, autoescape=True)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.limit(2)).scalars().all() if rollout_id else []
        if len(found) != 1:
            what = "no rollout has" if not found else "more than one rollout has"
            raise UnknownRollout(f"{what} the id {rollout_id!r}", rollout=rollout_id)
        return _ROLLOUT.validate_json(found[0])

    def list(self, environment: str, limit: int = 20) -> Sequence[Rollout]:
        """Return an environment's rollouts, newest first."""
        query = (
            sa.select(rollouts.c.state)
            .where(rollouts.c.environment == environment)
            .order_by(rollouts.c.began_at.desc(), rollouts.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_ROLLOUT.validate_json(one) for one in connection.execute(query).scalars()]

    def look(self, rollout_id: str, decide: Decide, *, by: str, lease_s: float) -> Rollout:
        """Count what became known and go on, in one transaction; any process may do it."""
        with self._database.transaction() as connection:
            hold_briefly(connection)
            before = self._held(connection, rollout_id)
            if before.final:
                return before
            keep(connection, self._database, before.id, by=by, lease_s=lease_s)
            samples, counted = read_look(connection, before, self._clock.now())
            tally = decide(
                before,
                Look(
                    now=self._clock.now(),
                    served=is_served(connection, self._database, before.candidate, lease_s),
                    in_flight=in_flight_of(connection, before.id),
                    samples=samples,
                    counted=counted,
                ),
            )
            write_tally(connection, before.id, tally)
            order = Order(by=by, reason=tally.rollout.reason)
            return self._write(connection, before, tally.rollout, order)

    def change(self, rollout_id: str, change: Change, order: Order, verb: str) -> Rollout:
        """Carry out a person's order, in one transaction."""
        with self._database.transaction() as connection:
            before = self._held(connection, rollout_id)
            if before.final:
                message = f"rollout {before.id} has ended: {before.phase}"
                raise RolloutEnded(message, rollout=before.id)
            after = change(before, self._clock.now())
            return self._write(connection, before, after, order, verb=verb)

    def in_flight(self, rollout: Rollout, limit: int) -> Sequence[str]:
        """Return ids of runs that it gave to its candidate and that have not ended."""
        query = in_flight_query(rollout.id).order_by(runs.c.created_at, runs.c.id).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def say(self, feedback: Feedback) -> Heard:
        """Record what somebody says of a run, with its event, unless it was said before."""
        with self._database.transaction() as connection:
            return say(connection, self._clock, feedback)

    def _held(self, connection: sa.Connection, rollout_id: str) -> Rollout:
        """Read a rollout, and hold it and its environment until the transaction ends."""
        where = rollouts.c.id == rollout_id
        environment = connection.execute(sa.select(rollouts.c.environment).where(where)).scalar()
        if environment is None:
            raise UnknownRollout(f"no rollout has the id {rollout_id!r}", rollout=rollout_id)
        # Whoever admits a run shares it: so no run slips in beside a change.
        serialize(connection, f"environment:{environment}")
        row = connection.execute(sa.select(rollouts.c.state).where(where))
        return _ROLLOUT.validate_json(row.scalar_one())

    def _write(
        self,
        connection: sa.Connection,
        before: Rollout,
        after: Rollout,
        order: Order,
        *,
        verb: str = "",
    ) -> Rollout:
        if after == before:
            return before
        if after.final and after.decided_at is not None:
            after = replace(after, traffic_safe_at=_last_admitted(connection, after))
        connection.execute(
            sa.update(rollouts).where(rollouts.c.id == after.id).values(**_columns(after))
        )
        move = Activation(
            release=after.candidate,
            kind="promote",
            reason=order.reason,
            by=order.by,
            time=self._clock.now(),
        )
        environment = after.environment
        if after.promoted_at is not None and before.promoted_at is None:
            move_pointer(connection, self._clock, environment, move)
        if after.phase in ("aborting", "aborted", "rolled_back") and not before.decided_at:
            self._give_back(connection, before, after, move)
        if after.bad and not before.bad:
            # Also when it is aborted already, and turns out to have harmed.
            mark_bad(connection, after.candidate)
        given_back = before.phase == "aborting"
        if not given_back and (after.phase, after.weight) != (before.phase, before.weight):
            # What was given back stays so: by now another rollout may go on.
            self._stand(connection, after)
        append(connection, self._clock, *self._facts(before, after, order, verb))
        if after.final and after.decided_at is not None and after.promoted_at is None:
            # What its last runs remembered meanwhile was on trial as well.
            end_trial(connection, self._clock, after.candidate, move, keep=False)
        if after.final:
            connection.execute(sa.delete(observed).where(observed.c.rollout == after.id))
            drop_words(connection, after)
        return after

    def _give_back(
        self, connection: sa.Connection, before: Rollout, after: Rollout, move: Activation
    ) -> None:
        """Put the release before back, and drop what the candidate remembered in its trial."""
        kind = "rollback" if after.bad else "abort"
        back = replace(move, release=after.baseline, kind=kind, reason=after.reason)
        if before.promoted_at is not None and after.baseline:
            move_pointer(connection, self._clock, after.environment, back)
            return
        if before.promoted_at is None:
            end_trial(connection, self._clock, after.candidate, back, keep=False)

    def _stand(self, connection: sa.Connection, rollout: Rollout) -> None:
        """Note where both releases stand now."""
        place, clock = rollout.environment, self._clock
        baseline, candidate = (place, rollout.baseline), (place, rollout.candidate)
        share = 1.0 - rollout.weight
        if rollout.phase == "healthy":
            sole(connection, clock, place, rollout.candidate)
        elif rollout.phase in ("aborting", "aborted", "rolled_back"):
            if rollout.baseline:
                stand(connection, clock, baseline, ("current", 1.0))
            stand(connection, clock, candidate, ("draining", 0.0))
        elif rollout.phase == "observing":
            stand(connection, clock, baseline, ("draining", share))
            stand(connection, clock, candidate, ("current", rollout.weight))
        else:
            if rollout.baseline:
                stand(connection, clock, baseline, ("current", share))
            stand(connection, clock, candidate, ("ramping", rollout.weight))

    def _facts(self, before: Rollout, after: Rollout, order: Order, verb: str) -> Sequence[Fact]:
        """Return what the log says of a change."""
        kinds = list(_kinds(before, after))
        if not kinds and after.analysis != before.analysis and self._due(after):
            kinds = ["rollout.evidence"]
        said: dict[str, Json] = {
            "environment": after.environment,
            "candidate": after.candidate,
            "baseline": after.baseline,
            "phase": after.phase,
            "step": after.step,
            "weight": after.weight,
            "canary_runs": after.analysis.canary,
            "baseline_runs": after.analysis.baseline,
            "bad": after.bad,
            **order.fact(),
            "reason": after.reason or order.reason,
        }
        if verb:
            said["verb"] = verb
        if after.overridden:
            said["overridden"] = list(after.overridden)
        if after.final and after.decided_at is not None:
            safe_at, ended_at = after.traffic_safe_at or 0.0, after.ended_at or 0.0
            said["new_traffic_safe_s"] = max(safe_at - after.decided_at, 0.0)
            said["in_flight_safe_s"] = max(ended_at - after.decided_at, 0.0)
        if kinds:
            said["evidence"] = _evidence(after)
        return [_fact(after, kind, said) for kind in kinds]

    def _due(self, rollout: Rollout) -> bool:
        """Whether it is time to say what the analysis knows."""
        now = self._clock.now()
        if now - self._said.get(rollout.id, 0.0) < EVIDENCE_EVERY_S:
            return False
        self._said = {rollout.id: now}
        return True


def _kinds(before: Rollout, after: Rollout) -> Iterator[str]:
    """Yield the types of the events that tell of a change."""
    given_back = after.phase == "aborting" != before.phase or after.bad != before.bad
    promoted = after.promoted_at is not None and before.promoted_at is None
    waited = before.phase == "paused" or before.waits == "workers"
    if waited and after.phase == "progressing" and after.waits != "workers":
        yield "rollout.resumed"
    if promoted:
        yield "rollout.promoted"
    elif given_back:
        yield "rollout.rolled_back"
    elif not after.final and (after.step, after.weight) != (before.step, before.weight):
        yield "rollout.stepped"
    if after.waits == "gates" != before.waits:
        yield "rollout.held"
    if after.phase == "paused" and (before.phase, before.waits) != (after.phase, after.waits):
        yield "rollout.paused"
    if after.final:
        yield "rollout.ended"


def _evidence(rollout: Rollout) -> Json:
    """Return the floats of the evidence; the last numbers of a ranked metric stay in its row."""
    data = state_to_json(rollout.analysis)
    metrics: Any = data["metrics"]
    for one in metrics.values():
        one.pop("window", None)
    return data


def _columns(rollout: Rollout) -> dict[str, Any]:
    return {
        "phase": rollout.phase,
        "weight": rollout.weight,
        "state": _ROLLOUT.dump_json(rollout).decode(),
        "ended_at": rollout.ended_at,
    }


def _last_admitted(connection: sa.Connection, rollout: Rollout) -> float | None:
    """Return when the last run was admitted to a candidate after it was decided to abort it."""
    last = connection.execute(
        sa.select(sa.func.max(runs.c.created_at)).where(
            runs.c.release == rollout.candidate,
            runs.c.parent_id.is_(None),
            runs.c.purpose == "user",
            runs.c.created_at > (rollout.decided_at or 0.0),
        )
    ).scalar()
    return rollout.decided_at if last is None else last


def _fact(rollout: Rollout, kind: str, data: dict[str, Any]) -> Fact:
    return Fact(chain=f"rollout:{rollout.id}", type=kind, data=data)
