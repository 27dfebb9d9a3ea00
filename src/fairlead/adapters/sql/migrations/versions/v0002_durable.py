"""Claims, waits, signals, the effects ledger, approvals and streams."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen runs, calls and workers, and add what a durable run waits for."""
    _widen_runs()
    _widen_calls()
    with op.batch_alter_table("workers") as workers:
        workers.add_column(sa.Column("queues", sa.Text, nullable=False, server_default="default"))
        workers.add_column(sa.Column("concurrency", sa.Integer, nullable=False, server_default="0"))
    _add_waits()
    _add_effects()
    _add_approvals()
    op.create_table(
        "stream_items",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("offset", sa.Integer, primary_key=True),
        sa.Column("payload_digest", sa.Text, nullable=False),
        sa.Column("written_at", sa.Float, nullable=False),
    )


def _widen_runs() -> None:
    for column in (
        sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),
        sa.Column("kills", sa.Integer, nullable=False, server_default="0"),
        sa.Column("queue", sa.Text, nullable=False, server_default="default"),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("worker_id", sa.Text),
        sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
        sa.Column("wake_at", sa.Float),
        sa.Column("parent_id", sa.Text),
        sa.Column("parent_call", sa.Integer),
        sa.Column("root_id", sa.Text, nullable=False, server_default=""),
        sa.Column("lineage", sa.Text, nullable=False, server_default=""),
        sa.Column("start_key", sa.Text),
        sa.Column("paused_at", sa.Float),
        sa.Column("held_s", sa.Float, nullable=False, server_default="0"),
        sa.Column("spent_calls", sa.Integer, nullable=False, server_default="0"),
        sa.Column("spent_usd", sa.Float, nullable=False, server_default="0"),
    ):
        op.add_column("runs", column)
    op.execute("UPDATE runs SET root_id = id, lineage = id")
    # The engine of before held the claims; those of its workers are taken over as claimed once.
    op.execute("UPDATE runs SET claims = 1 WHERE state NOT IN ('queued')")
    op.create_index(
        "runs_by_queue",
        "runs",
        [
            "state",
            "code_digest",
            "queue",
            "tenant",
            sa.text("priority DESC"),
            "created_at",
        ],
    )
    op.create_index("runs_by_worker", "runs", ["worker_id", "state"])
    op.create_index("runs_by_parent", "runs", ["parent_id", "parent_call"], unique=True)
    op.create_index("runs_by_start_key", "runs", ["tenant", "workflow", "start_key"], unique=True)


_CALLS = (
    "run_id",
    "number",
    "key",
    "kind",
    "name",
    "effect",
    "state",
    "arguments_digest",
    "result_digest",
    "attempts",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "reason",
    "started_at",
    "finished_at",
)


def _widen_calls() -> None:
    """A call is named by its run and number: a fork shares its origin's keys."""
    op.drop_index("calls_by_run", "calls")
    op.rename_table("calls", "calls_0001")
    op.create_table(
        "calls",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("arguments_digest", sa.Text, nullable=False),
        sa.Column("result_digest", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
    )
    names = ", ".join(_CALLS)
    op.execute(f"INSERT INTO calls ({names}) SELECT {names} FROM calls_0001")
    op.drop_table("calls_0001")
    op.create_index("calls_by_key", "calls", ["key"])


def _add_waits() -> None:
    op.create_table(
        "waits",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("answer_digest", sa.Text),
    )
    op.create_index("waits_by_topic", "waits", ["kind", "topic"])
    op.create_table(
        "signals",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dedup_key", sa.Text),
        sa.Column("payload_digest", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False),
        sa.Column("taken_by", sa.Text),
    )
    op.create_index("signals_by_dedup_key", "signals", ["run_id", "dedup_key"], unique=True)


def _add_effects() -> None:
    op.create_table(
        "effects",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("claim", sa.Integer, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("arguments_digest", sa.Text, nullable=False),
        sa.Column("payload_digest", sa.Text, nullable=False),
        sa.Column("result_digest", sa.Text),
        sa.Column("undone", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("intended_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
    )
    op.create_index("effects_by_state", "effects", ["state", "intended_at"])
    op.create_index("effects_by_run", "effects", ["run_id", "number"])


def _add_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("wait_key", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("subject_digest", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("answered_at", sa.Float),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("consumed_at", sa.Float),
    )
    op.create_index("approvals_by_state", "approvals", ["state", "asked_at"])
    op.create_index("approvals_by_call", "approvals", ["run_id", "number"], unique=True)
