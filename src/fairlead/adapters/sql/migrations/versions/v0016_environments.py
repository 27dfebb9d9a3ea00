"""Rules of environments; evidence of any gate, named by its digest; who made a release."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the table; the evidence that is there is of `fairlead check`, and has no digest."""
    op.create_table(
        "environments",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
    )
    for name, old in (("gate", "check"), ("environment", ""), ("by", ""), ("digest", "")):
        op.add_column("gate_evidence", sa.Column(name, sa.Text, nullable=False, server_default=old))
    op.add_column(
        "gate_evidence",
        sa.Column("verified", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("gate_evidence_by_gate", "gate_evidence", ["release", "gate", "id"])
    op.add_column("releases", sa.Column("by", sa.Text))
