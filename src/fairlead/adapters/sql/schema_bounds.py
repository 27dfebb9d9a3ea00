"""The tables of budgets and kill switches."""

from __future__ import annotations

import sqlalchemy as sa

from fairlead.adapters.sql.schema import metadata
from fairlead.core.amounts import UNITS


def _amount(prefix: str) -> tuple[sa.Column[int], ...]:
    return tuple(sa.Column(f"{prefix}_{unit}", sa.BigInteger, nullable=False) for unit in UNITS)


budget_pots = sa.Table(
    "budget_pots",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("app", sa.String(100), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("scope", sa.String(20), nullable=False),
    sa.Column("value", sa.String(200), nullable=False),
    # As the last release said that reserved; JSON.
    sa.Column("limit", sa.Text, nullable=False),
    sa.Column("per_s", sa.Float(53)),
    sa.Column("begins_at", sa.Float(53), nullable=False),
    sa.Column("taken_at", sa.Float(53), nullable=False),
    sa.Column("exhausted_at", sa.Float(53)),
    # Reserved, used, and leased to workers.
    *_amount("taken"),
    sa.Index("budget_pots_by_value", "scope", "value"),
)

budget_chunks = sa.Table(
    "budget_chunks",
    metadata,
    sa.Column("pot", sa.String(40), primary_key=True),
    sa.Column("worker_id", sa.String(40), primary_key=True),
    sa.Column("begins_at", sa.Float(53), nullable=False),
    # The limit under which it was leased: a release with another one does not use it.
    sa.Column("terms", sa.String(20), nullable=False),
    *_amount("left"),
)

budget_holds = sa.Table(
    "budget_holds",
    metadata,
    # A call that is not on record yet, and what is reserved for it from one pot.
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("pot", sa.String(40), primary_key=True),
    sa.Column("worker_id", sa.String(40), nullable=False),
    sa.Column("begins_at", sa.Float(53), nullable=False),
    sa.Column("units", sa.String(60), nullable=False),
    *_amount("reserved"),
    *_amount("spent"),
)

kill_switches = sa.Table(
    "kill_switches",
    metadata,
    # Those that are pulled; who lifted which one is in the event log.
    sa.Column("scope", sa.String(20), primary_key=True),
    sa.Column("which", sa.String(200), primary_key=True),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
)
