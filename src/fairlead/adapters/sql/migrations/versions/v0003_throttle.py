"""Token buckets and breakers, shared by all workers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "buckets",
        sa.Column("name", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Float(53), nullable=False)
            for name in (
                "full_at",
                "spent_at",
                "closed_at",
                "closed_until",
                "slowdown",
                "slowed_at",
            )
        ),
    )
    op.create_table(
        "breakers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Float(53), nullable=False),
        sa.Column("window_at", sa.Float(53), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("calls", "failures", "in_a_row", "probing")
        ),
        sa.Column("probed_at", sa.Float(53), nullable=False),
        sa.Column("passed", sa.Integer, nullable=False),
    )
