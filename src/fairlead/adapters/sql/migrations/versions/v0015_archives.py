"""Archives of releases' files, and where a release comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the table; the releases that are there have no archive."""
    op.create_table(
        "archives",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
    )
    op.add_column("releases", sa.Column("archive", sa.Text))
    op.add_column("releases", sa.Column("provenance", sa.Text))
