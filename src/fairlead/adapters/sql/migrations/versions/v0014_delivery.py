"""Delivery: where releases stand, rollouts, which run is on which side, and feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_CURRENT = """
    INSERT INTO deployments (environment, release, code_digest, state, weight, since)
    SELECT a.environment, a.release, r.code_digest, 'current', 1.0, a.time
    FROM activations a JOIN releases r ON r.digest = a.release
    WHERE a.sequence = (
        SELECT MAX(b.sequence) FROM activations b WHERE b.environment = a.environment
    )
"""
_DRAINING = """
    INSERT INTO deployments (environment, release, code_digest, state, weight, since)
    SELECT a.environment, a.release, MIN(r.code_digest), 'draining', 0.0, MAX(a.time)
    FROM activations a JOIN releases r ON r.digest = a.release
    WHERE NOT EXISTS (
        SELECT 1 FROM deployments d
        WHERE d.environment = a.environment AND d.release = a.release
    )
    GROUP BY a.environment, a.release
"""


def upgrade() -> None:
    """Create the tables; what was activated before stands where its history says."""
    op.add_column(
        "releases", sa.Column("stranded", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "deployments",
        sa.Column("environment", sa.Text, primary_key=True),
        sa.Column("release", sa.Text, primary_key=True),
        sa.Column("code_digest", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("weight", sa.Float(53), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
    )
    op.execute(_CURRENT)
    op.execute(_DRAINING)
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("candidate", sa.Text, nullable=False),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("weight", sa.Float(53), nullable=False),
        sa.Column("sticky", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("began_at", sa.Float(53), nullable=False),
        sa.Column("ended_at", sa.Float(53)),
    )
    op.create_index("rollouts_by_environment", "rollouts", ["environment", "ended_at"])
    op.create_table(
        "assignments",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("rollout", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("admitted_at", sa.Float(53), nullable=False),
        sa.Column("place", sa.Integer),
        sa.Column("ended", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("due_at", sa.Float(53)),
    )
    op.create_index("assignments_by_run", "assignments", ["run_id"], unique=True)
    op.create_index("assignments_by_rollout", "assignments", ["rollout", "ended", "number"])
    op.create_index("assignments_by_due", "assignments", ["rollout", "due_at"])
    op.create_table(
        "observed",
        sa.Column("rollout", sa.Text, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("counted", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("feedback_by_run", "feedback", ["run_id"])
    op.create_index("feedback_by_id", "feedback", ["id"], unique=True)
    op.create_index("feedback_to_count", "feedback", ["counted", "number"])
