"""The first schema."""

from alembic import op

from fairlead.adapters.sql.documents import FTS_DDL
from fairlead.adapters.sql.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    metadata.create_all(op.get_bind())
    for statement in FTS_DDL:
        op.execute(statement)
