"""Migrations of our tables, with Alembic; each expands the schema, a later one contracts it."""

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


def upgrade(engine: sa.Engine) -> None:
    """Bring the tables to the newest version, in one transaction."""
    config = _config()
    with engine.connect().execution_options(fairlead_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
