"""Which secrets a call was made with; which process looks at a rollout."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the columns; of older calls it is not known, and any process takes a rollout."""
    op.add_column("calls", sa.Column("leaked", sa.Text))
    op.add_column("rollouts", sa.Column("kept_by", sa.Text, nullable=False, server_default=""))
    until = sa.Column("kept_until", sa.Float(53), nullable=False, server_default="0")
    op.add_column("rollouts", until)
