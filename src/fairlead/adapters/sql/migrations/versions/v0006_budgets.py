"""Budgets and kill switches, shared by all workers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_UNITS = ("calls", "tokens", "nano_usd", "ms")


def upgrade() -> None:
    """Create the tables of pots, chunks and reservations, and of switches."""
    op.create_table(
        "budget_pots",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("app", "name", "scope", "value")),
        sa.Column("limit", sa.Text, nullable=False),
        sa.Column("per_s", sa.Float(53)),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("taken_at", sa.Float(53), nullable=False),
        sa.Column("exhausted_at", sa.Float(53)),
        *(sa.Column(f"taken_{unit}", sa.BigInteger, nullable=False) for unit in _UNITS),
    )
    op.create_index("budget_pots_by_value", "budget_pots", ["scope", "value"])
    op.create_table(
        "budget_chunks",
        sa.Column("pot", sa.Text, primary_key=True),
        sa.Column("worker_id", sa.Text, primary_key=True),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        *(sa.Column(f"left_{unit}", sa.BigInteger, nullable=False) for unit in _UNITS),
    )
    op.create_table(
        "budget_holds",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("pot", sa.Text, primary_key=True),
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("units", sa.Text, nullable=False),
        *(sa.Column(f"reserved_{unit}", sa.BigInteger, nullable=False) for unit in _UNITS),
        *(sa.Column(f"spent_{unit}", sa.BigInteger, nullable=False) for unit in _UNITS),
    )
    op.create_table(
        "kill_switches",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("which", sa.Text, primary_key=True),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
    )
