"""All tables of ours, in one place. Times are seconds since 1970 in UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

TO_FORGET = sa.text("pruned_at IS NOT NULL AND forgotten_at IS NULL")
"""Runs that were pruned here and that the engine may still have a record of."""

IN_CONVERSATION = sa.text("conversation IS NOT NULL")
"""Runs that are turns of a conversation, and forks of such."""

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("workflow", sa.String(100), nullable=False),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("user", sa.String(200), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("input_digest", sa.String(64), nullable=False),
    sa.Column("outcome_digest", sa.String(64)),
    sa.Column("reason", sa.Text),
    sa.Column("takeovers", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    # Worker deaths under it since it last got on; `takeovers` counts all of them.
    sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),
    # Those of them of which it was the only suspect.
    sa.Column("kills", sa.Integer, nullable=False, server_default="0"),
    # Where it waits for a worker, and in which order among its tenant's runs.
    sa.Column("queue", sa.String(60), nullable=False, server_default="default"),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    # Who executes it, under which claim; the claim's number is the fencing token.
    sa.Column("worker_id", sa.String(40)),
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    # When a waiting run is to be looked at again; empty while only an answer can wake it.
    sa.Column("wake_at", sa.Float),
    # Its family: who started it, at which of the starter's calls, and whose limits it shares.
    sa.Column("parent_id", sa.String(40)),
    sa.Column("parent_call", sa.Integer),
    sa.Column("root_id", sa.String(40), nullable=False, server_default=""),
    # Root of its idempotency keys; a fork keeps its origin's.
    sa.Column("lineage", sa.String(100), nullable=False, server_default=""),
    sa.Column("start_key", sa.String(200)),
    # Since when it is held, and for how many seconds it was held before: no time at work.
    sa.Column("paused_at", sa.Float),
    sa.Column("held_s", sa.Float, nullable=False, server_default="0"),
    # What the whole family has used; counted on the root.
    sa.Column("spent_calls", sa.Integer, nullable=False, server_default="0"),
    sa.Column("spent_usd", sa.Float, nullable=False, server_default="0"),
    # Since when only this row and its events are left, and since when the engine has none of it.
    sa.Column("pruned_at", sa.Float),
    sa.Column("forgotten_at", sa.Float),
    # Its conversation, its place there, and what it said; a fork stands aside: it reads what its
    # origin read, and is no turn itself.
    sa.Column("conversation", sa.String(200)),
    sa.Column("turn", sa.Integer),
    sa.Column("aside", sa.Boolean, nullable=False, server_default=sa.false()),
    # Roles, scopes and issuer of whoever asks, as its admission found them; empty without a token.
    sa.Column("grants", sa.Text),
    sa.Column("said_digest", sa.String(64)),
    # How far its input may be trusted, when another run gave it; else it is the principal's own.
    sa.Column("label", sa.Text),
    # Where it was admitted; empty for one of a time before this was kept, and that counts in each.
    sa.Column("environment", sa.Text),
    sa.Index(
        "runs_by_conversation",
        "tenant",
        "conversation",
        "state",
        "turn",
        sqlite_where=IN_CONVERSATION,
        postgresql_where=IN_CONVERSATION,
    ),
    sa.Index("runs_by_said", "said_digest"),
    sa.Index("runs_by_time", "created_at"),
    sa.Index("runs_by_state", "state", "release"),
    sa.Index(
        "runs_by_queue",
        "state",
        "code_digest",
        "queue",
        "tenant",
        sa.text("priority DESC"),
        "created_at",
    ),
    sa.Index("runs_by_worker", "worker_id", "state"),
    sa.Index("runs_by_parent", "parent_id", "parent_call", unique=True),
    sa.Index("runs_by_start_key", "tenant", "workflow", "start_key", unique=True),
    sa.Index("runs_by_age", "release", "workflow", "pruned_at", "finished_at"),
    sa.Index("runs_by_lineage", "lineage"),
    sa.Index("runs_by_root", "root_id"),
    sa.Index("runs_by_input", "input_digest"),
    sa.Index("runs_by_outcome", "outcome_digest"),
    sa.Index("runs_to_forget", "pruned_at", sqlite_where=TO_FORGET, postgresql_where=TO_FORGET),
)

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("tenant", sa.String(100), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("user", sa.String(200), nullable=False),
    # How many turns it has had, which numbers the next one, and when the latest was asked.
    sa.Column("turns", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Index("conversations_by_time", "asked_at"),
)

history = sa.Table(
    "history",
    metadata,
    # What a run read of its conversation: so it is kept for as long as the run is.
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("said_digest", sa.String(64), nullable=False),
    sa.Index("history_by_said", "said_digest"),
)

waits = sa.Table(
    "waits",
    metadata,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(60), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    # What can end it: a signal's name, an approval, a child run or an effect's key.
    sa.Column("topic", sa.String(200), nullable=False),
    sa.Column("opened_at", sa.Float, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("answer_digest", sa.String(64)),
    sa.Index("waits_by_topic", "kind", "topic"),
    sa.Index("waits_by_answer", "answer_digest"),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("dedup_key", sa.String(200)),
    sa.Column("payload_digest", sa.String(64), nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("sent_at", sa.Float, nullable=False),
    # The wait that took it; empty while nobody has.
    sa.Column("taken_by", sa.String(60)),
    sa.Index("signals_by_dedup_key", "run_id", "dedup_key", unique=True),
    sa.Index("signals_by_payload", "payload_digest"),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    # A fork shares its origin's keys, so a key may stand here once for each run of the lineage.
    sa.Column("key", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("arguments_digest", sa.String(64), nullable=False),
    sa.Column("result_digest", sa.String(64)),
    # What the policies were asked, so that others can be tried on it; empty when they were not.
    sa.Column("query_digest", sa.String(64)),
    sa.Column("attempts", sa.Integer, nullable=False, default=1),
    sa.Column("input_tokens", sa.Integer, nullable=False, default=0),
    sa.Column("output_tokens", sa.Integer, nullable=False, default=0),
    sa.Column("cost_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("reason", sa.Text),
    # Kinds of secrets that its body got in its arguments; null for none.
    sa.Column("leaked", sa.Text),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
    sa.Index("calls_by_key", "key"),
    sa.Index("calls_by_result", "result_digest"),
    sa.Index("calls_by_query", "query_digest"),
)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("key", sa.String(200), primary_key=True),
    # The call that intended it first, and the claim of its run that executed it last.
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("tool", sa.String(200), nullable=False),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("arguments_digest", sa.String(64), nullable=False),
    sa.Column("payload_digest", sa.String(64), nullable=False),
    # Of the whole result, as the call has it, so that it is kept once.
    sa.Column("result_digest", sa.String(64)),
    # How often it was undone: the next execution gets a key of its own.
    sa.Column("undone", sa.Integer, nullable=False, default=0),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("by", sa.String(200), nullable=False, default=""),
    sa.Column("intended_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
    sa.Index("effects_by_state", "state", "intended_at"),
    sa.Index("effects_by_run", "run_id", "number"),
    sa.Index("effects_by_payload", "payload_digest"),
    sa.Index("effects_by_result", "result_digest"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("wait_key", sa.String(60), nullable=False),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("tool", sa.String(200), nullable=False),
    sa.Column("release", sa.String(64), nullable=False),
    # Of the resolved arguments, labels, policies and release: what the person agreed to.
    sa.Column("subject_digest", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("answered_at", sa.Float),
    sa.Column("by", sa.String(200), nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    # The roles of whoever answered; empty without a token.
    sa.Column("roles", sa.Text),
    sa.Column("consumed_at", sa.Float),
    sa.Index("approvals_by_state", "state", "asked_at"),
    sa.Index("approvals_by_call", "run_id", "number", unique=True),
    sa.Index("approvals_by_subject", "subject"),
)

stream_items = sa.Table(
    "stream_items",
    metadata,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("stream", sa.String(100), primary_key=True),
    sa.Column("offset", sa.Integer, primary_key=True),
    sa.Column("payload_digest", sa.String(64), nullable=False),
    sa.Column("written_at", sa.Float, nullable=False),
    sa.Index("stream_items_by_payload", "payload_digest"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("chain", sa.String(100), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("type", sa.String(60), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("events_by_time", "time"),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float(53), nullable=False),
    sa.Column("since", sa.Float(53), nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("heads", sa.Integer, nullable=False),
    sa.Column("root", sa.String(64), nullable=False),
    sa.Column("chains", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("previous", "key", "signature")),
)

# The heads of checkpoints, in the order in which they stand in their tree.
anchors = sa.Table(
    "anchors",
    metadata,
    sa.Column("checkpoint", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("chain", sa.String(100), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("anchors_by_chain", "chain", "sequence"),
)

# Which checkpoint each file outside of the database is known to have.
checkpoint_files = sa.Table(
    "checkpoint_files",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("where", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("written_at", sa.Float(53), nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("heartbeat_at", sa.Float, nullable=False),
    sa.Column("stopped_at", sa.Float),
    sa.Column("queues", sa.Text, nullable=False, server_default="default"),
    sa.Column("concurrency", sa.Integer, nullable=False, server_default="0"),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("collection", sa.String(100), nullable=False),
    sa.Column("path", sa.String(500), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.UniqueConstraint("tenant", "collection", "path", name="documents_by_path"),
)

passages = sa.Table(
    "passages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("document_id", sa.Integer, sa.ForeignKey("documents.id"), nullable=False),
    # Tenant and collection as one word of the search index; see documents.py.
    sa.Column("scope", sa.String(40), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("passages_by_document", "document_id"),
)

buckets = sa.Table(
    "buckets",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("full_at", sa.Float(53), nullable=False),
    sa.Column("spent_at", sa.Float(53), nullable=False),
    sa.Column("closed_at", sa.Float(53), nullable=False),
    sa.Column("closed_until", sa.Float(53), nullable=False),
    sa.Column("slowdown", sa.Float(53), nullable=False),
    sa.Column("slowed_at", sa.Float(53), nullable=False),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("phase", sa.String(20), nullable=False),
    sa.Column("changed_at", sa.Float(53), nullable=False),
    sa.Column("window_at", sa.Float(53), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("in_a_row", sa.Integer, nullable=False),
    sa.Column("probing", sa.Integer, nullable=False),
    sa.Column("probed_at", sa.Float(53), nullable=False),
    sa.Column("passed", sa.Integer, nullable=False),
)
