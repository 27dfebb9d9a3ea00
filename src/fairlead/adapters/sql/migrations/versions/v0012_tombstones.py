"""Tombstones: how many words they are of, so that documents are searched for them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the number of words; nobody knows it of the tombstones that are there."""
    op.add_column("memory_tombstones", sa.Column("words", sa.Integer))
