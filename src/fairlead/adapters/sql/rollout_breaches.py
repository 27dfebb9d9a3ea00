"""What a candidate's runs did that must never happen, as far as the record shows it, on SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.schema import calls, effects, runs
from fairlead.adapters.sql.schema_delivery import assignments
from fairlead.adapters.sql.schema_releases import releases
from fairlead.core.analysis import Invariant
from fairlead.core.rollout import Rollout

BREACHED_MAX = 100
"""Runs of which one kind of breach is told at one look; one is enough for the verdict."""

_HAPPENED = ("done", "unknown")
"""A call that is unknown may have happened, and what left the process did not come back."""


def read_breaches(
    connection: sa.Connection, rollout: Rollout
) -> Mapping[str, tuple[Invariant, ...]]:
    """Return what runs of a rollout's candidate did, of those whose end was not counted yet.

    They are looked at while they go on: the first breach counts, and not the end of its run. What
    a child did was done by the run that was given to the candidate.

    Args:
        connection: A transaction that holds the rollout.
        rollout: The rollout.

    Returns:
        The breaches by id of the run that was given to the candidate.
    """
    found: dict[str, tuple[Invariant, ...]] = {}
    for invariant, query in _queries(rollout, _undoing(connection, rollout.candidate)):
        for run_id in connection.execute(query.limit(BREACHED_MAX)).scalars():
            found[run_id] = (*found.get(run_id, ()), invariant)
    return found


def _undoing(connection: sa.Connection, release: str) -> frozenset[str]:
    """Return the names of the tools with which a release undoes what other tools did."""
    query = sa.select(releases.c.manifest).where(releases.c.digest == release)
    try:
        contracts = json.loads(connection.execute(query).scalar() or "{}").get("contracts", {})
        return frozenset(one["compensate"] for one in contracts.values()) - {""}
    except (ValueError, LookupError, AttributeError, TypeError):
        return frozenset()  # That it is damaged is said by whoever executes it.


def _queries(
    rollout: Rollout, undoing: frozenset[str]
) -> Iterator[tuple[Invariant, sa.Select[Any]]]:
    given = (assignments.c.rollout == rollout.id) & ~assignments.c.ended
    mine = given & (assignments.c.arm == "canary")
    family = assignments.join(runs, runs.c.root_id == assignments.c.run_id)
    tools = calls.c.kind == "tool"
    made = sa.select(assignments.c.run_id).distinct()
    made = made.select_from(family.join(calls, calls.c.run_id == runs.c.id))
    # Whatever made it went around the boundary: no intent was on record before it.
    around = (calls.c.effect != "read") & (calls.c.state == "done")
    in_ledger = sa.exists().where(effects.c.key == calls.c.key)
    yield "policy_bypass", made.where(mine, tools, around, ~in_ledger)
    sent = calls.c.leaked.is_not(None) & calls.c.state.in_(_HAPPENED)
    yield "secret_leaked", made.where(mine, tools, sent)
    # Under one key nothing happens twice; here a run asked for the same under two. What undoes
    # several effects may get the same of each of them, and undoes another one each time.
    same = sa.select(assignments.c.run_id).distinct()
    same = same.select_from(family.join(effects, effects.c.run_id == runs.c.id))
    happened = (effects.c.effect == "once") & effects.c.state.in_(("done", "reconciled"))
    asked = same.where(mine, effects.c.tool.not_in(undoing))
    asked = asked.group_by(assignments.c.run_id, effects.c.tool, effects.c.arguments_digest)
    # Counted behind the joins: as a condition it would lead by the index of states through all
    # effects that ever happened, at each look.
    twice = sa.func.sum(sa.case((happened, 1), else_=0)) > 1
    yield "effect_duplicated", asked.having(twice)
