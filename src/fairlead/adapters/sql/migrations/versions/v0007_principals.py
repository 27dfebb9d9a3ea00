"""Who asks, with roles, scopes and issuer, as it was at a run's admission."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Keep the grants with the run, and the roles with the answer to an approval."""
    op.add_column("runs", sa.Column("grants", sa.Text))
    op.add_column("approvals", sa.Column("roles", sa.Text))
