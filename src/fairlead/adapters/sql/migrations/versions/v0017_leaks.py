"""Which secrets a call was made with."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column; of older calls it is not known."""
    op.add_column("calls", sa.Column("leaked", sa.Text))
