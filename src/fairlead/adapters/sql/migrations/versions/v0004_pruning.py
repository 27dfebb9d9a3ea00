"""Runs that were pruned, and who refers to a payload."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Written out, not imported: a migration stays as it was when the schema goes on.
_INDEXES = (
    ("runs_by_age", "runs", ["release", "workflow", "pruned_at", "finished_at"]),
    ("runs_by_lineage", "runs", ["lineage"]),
    ("runs_by_root", "runs", ["root_id"]),
    ("runs_by_input", "runs", ["input_digest"]),
    ("runs_by_outcome", "runs", ["outcome_digest"]),
    ("calls_by_result", "calls", ["result_digest"]),
    ("waits_by_answer", "waits", ["answer_digest"]),
    ("signals_by_payload", "signals", ["payload_digest"]),
    ("approvals_by_subject", "approvals", ["subject"]),
    ("stream_items_by_payload", "stream_items", ["payload_digest"]),
    ("effects_by_payload", "effects", ["payload_digest"]),
    ("effects_by_result", "effects", ["result_digest"]),
)


def upgrade() -> None:
    """Say of a run when it was pruned, and find who refers to a payload without a scan."""
    op.add_column("runs", sa.Column("pruned_at", sa.Float))
    op.add_column("runs", sa.Column("forgotten_at", sa.Float))
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    left = sa.text("pruned_at IS NOT NULL AND forgotten_at IS NULL")
    op.create_index(
        "runs_to_forget", "runs", ["pruned_at"], sqlite_where=left, postgresql_where=left
    )
