"""The tables of delivery: where releases stand, rollouts, which run is on which side, feedback."""

from __future__ import annotations

import sqlalchemy as sa

from fairlead.adapters.sql.schema import metadata

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("release", sa.Text, primary_key=True),
    sa.Column("code_digest", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # Share of new runs that start on it.
    sa.Column("weight", sa.Float(53), nullable=False),
    sa.Column("since", sa.Float(53), nullable=False),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("candidate", sa.Text, nullable=False),
    sa.Column("baseline", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("weight", sa.Float(53), nullable=False),
    sa.Column("sticky", sa.Text, nullable=False),
    # All of it as JSON, its evidence included; see core/rollout.py.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("began_at", sa.Float(53), nullable=False),
    # Null while it goes on: an environment has one such rollout at most.
    sa.Column("ended_at", sa.Float(53)),
    # Which process looks at it, and until when no other one does.
    sa.Column("kept_by", sa.Text, nullable=False, server_default=""),
    sa.Column("kept_until", sa.Float(53), nullable=False, server_default="0"),
    sa.Index("rollouts_by_environment", "environment", "ended_at"),
)

assignments = sa.Table(
    "assignments",
    metadata,
    # Which side of a rollout a run is on; in the order of their numbers they are counted.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("rollout", sa.Text, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("probability", sa.Float(53), nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("admitted_at", sa.Float(53), nullable=False),
    # Its place among the canary's runs once its admission was counted; -1 for the baseline.
    sa.Column("place", sa.Integer),
    # Whether its end was counted; when a further outcome is overdue, null when none is missing.
    sa.Column("ended", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("due_at", sa.Float(53)),
    sa.Index("assignments_by_run", "run_id", unique=True),
    sa.Index("assignments_by_rollout", "rollout", "ended", "number"),
    sa.Index("assignments_by_due", "rollout", "due_at"),
)

observed = sa.Table(
    "observed",
    metadata,
    # What a unit was counted as by a metric: each metric counts each unit once.
    sa.Column("rollout", sa.Text, primary_key=True),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("counted", sa.Text, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
)

feedback = sa.Table(
    "feedback",
    metadata,
    # What somebody said of a run after its end.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # `good`, `bad`, or a number, as JSON.
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
    sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("feedback_by_run", "run_id"),
    sa.Index("feedback_by_id", "id", unique=True),
    sa.Index("feedback_to_count", "counted", "number"),
)
