"""The tables of releases, and of what stands above them."""

from __future__ import annotations

import sqlalchemy as sa

from fairlead.adapters.sql.schema import metadata

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("app", sa.String(100), nullable=False),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("bundle_digest", sa.String(64), nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("bad", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", sa.Float, nullable=False),
    # Whether the log says that runs of it wait for a worker that is not there.
    sa.Column("stranded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("archive", sa.String(64)),
    sa.Column("provenance", sa.Text),
    sa.Column("by", sa.Text),
)

# Releases of equal files share one.
archives = sa.Table(
    "archives",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float(53), nullable=False),
)

gate_evidence = sa.Table(
    "gate_evidence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("conclusion", sa.String(20), nullable=False),
    sa.Column("checks", sa.Text, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("gate", sa.Text, nullable=False, server_default="check"),
    # Empty where it holds in every environment.
    sa.Column("environment", sa.Text, nullable=False, server_default=""),
    sa.Column("by", sa.Text, nullable=False, server_default=""),
    sa.Column("verified", sa.Boolean, nullable=False, server_default=sa.false()),
    # Of all that it says; empty for what is older than digests.
    sa.Column("digest", sa.Text, nullable=False, server_default=""),
    sa.Index("gate_evidence_by_gate", "release", "gate", "id"),
)

environments = sa.Table(
    "environments",
    metadata,
    # A series for each name; the last one is in force.
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    # As JSON; see core/environments.py.
    sa.Column("rules", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("time", sa.Float(53), nullable=False),
)

activations = sa.Table(
    "activations",
    metadata,
    sa.Column("environment", sa.String(60), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
)

baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("version", sa.String(100), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("published_at", sa.Float, nullable=False),
    sa.UniqueConstraint("name", "version", name="baselines_by_version"),
)

enforcements = sa.Table(
    "enforcements",
    metadata,
    # One series for the whole database: a baseline stands above every app on it.
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("baseline", sa.String(64), nullable=False),
    sa.Column("window_s", sa.Float(53), nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("time", sa.Float(53), nullable=False),
)
