"""Migrations of our tables, with Alembic; each expands the schema, a later one contracts it.

A migration is frozen: it holds its own definitions, and does not look at `schema.py`, which is what
all of them together lead to.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def known_versions() -> frozenset[str]:
    """Return every schema version that this code can read."""
    script = ScriptDirectory.from_config(_config())
    return frozenset(revision.revision for revision in script.walk_revisions())


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Bring the tables to a version.

    Args:
        connection: A writing transaction that no other process migrates beside.
        to: The version; the newest, unless a test stops at an older one.
    """
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
