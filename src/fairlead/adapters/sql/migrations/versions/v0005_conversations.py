"""Conversations: which run is which turn, what it said, and what it read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create both tables, and say of a run where it stands in a conversation."""
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
    )
    op.create_index("conversations_by_time", "conversations", ["asked_at"])
    op.create_table(
        "history",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("said_digest", sa.Text, nullable=False),
    )
    op.create_index("history_by_said", "history", ["said_digest"])
    op.add_column("runs", sa.Column("conversation", sa.Text))
    op.add_column("runs", sa.Column("turn", sa.Integer))
    op.add_column("runs", sa.Column("aside", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("said_digest", sa.Text))
    within = sa.text("conversation IS NOT NULL")
    op.create_index(
        "runs_by_conversation",
        "runs",
        ["tenant", "conversation", "state", "turn"],
        sqlite_where=within,
        postgresql_where=within,
    )
    op.create_index("runs_by_said", "runs", ["said_digest"])
