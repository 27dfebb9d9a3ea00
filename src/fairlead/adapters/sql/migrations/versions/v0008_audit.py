"""Checkpoints of the event log, their heads, and the files that they are copied to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("heads", sa.Integer, nullable=False),
        sa.Column("root", sa.Text, nullable=False),
        sa.Column("chains", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("previous", "key", "signature")),
    )
    op.create_table(
        "anchors",
        sa.Column("checkpoint", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("anchors_by_chain", "anchors", ["chain", "sequence"])
    op.create_table(
        "checkpoint_files",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("where", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("written_at", sa.Float(53), nullable=False),
    )
