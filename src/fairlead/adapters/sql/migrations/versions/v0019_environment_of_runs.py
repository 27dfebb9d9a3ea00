"""In which environment a run was admitted."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Keep it with the run; nobody knows it of those that are there, and they count in each."""
    op.add_column("runs", sa.Column("environment", sa.Text))
