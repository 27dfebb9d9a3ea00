"""Baselines: their versions, which one is in force, and what policies were asked of each call."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create both tables, and let a call name what was decided of it."""
    op.create_table(
        "baselines",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("published_at", sa.Float, nullable=False),
        sa.UniqueConstraint("name", "version", name="baselines_by_version"),
    )
    op.create_table(
        "enforcements",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("window_s", sa.Float(53), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
    )
    op.add_column("calls", sa.Column("query_digest", sa.Text))
    op.create_index("calls_by_query", "calls", ["query_digest"])
