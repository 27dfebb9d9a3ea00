"""Labels: what is known of the input that a run was given by another run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Say of a run how far its input may be trusted; without it, it is the principal's own."""
    op.add_column("runs", sa.Column("label", sa.Text))
