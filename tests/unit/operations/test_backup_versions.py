"""Backups of other versions and kinds, and which tables a backup has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.adapters.sql.backup import BY_HAND, content_of, ours
from fairlead.adapters.sql.database import SCHEMA_VERSION, Database
from fairlead.adapters.sql.schema import metadata
from fairlead.core.errors import (
    BackupOtherKind,
    BackupTooNew,
    FairleadError,
)
from fairlead.operations import (
    Settings,
    open_platform,
    restore_store,
)
from tests.unit.operations.stores import REPLACE, Site, content, sqlite


def test_an_older_schema_is_migrated_after_the_restore(site: Site) -> None:
    with site.elsewhere() as settings:
        old(settings, "0009")
        file = site.folder / "old.zip"
        snapshot(settings, file)
        restored = restore_store(site.settings, file, REPLACE)
    assert restored.manifest.content.schema == "0009"
    assert content(site.settings).schema == SCHEMA_VERSION
    assert site.runs() == []


def old(settings: Settings, version: str) -> None:
    """Have a store of an older version, with the engine's tables."""
    from fairlead.adapters.sql.migrations import upgrade

    with open_platform(settings, telemetry=NullTelemetry()):
        pass
    engine = sa.create_engine(settings.database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for name in sa.inspect(connection).get_view_names():
            connection.exec_driver_sql(f'DROP VIEW "{name}"')
        names = [*metadata.tables, *BY_HAND, "passages_fts", "memories_fts"]
        for name in sa.inspect(connection).get_table_names():
            if name in names:
                cascade = "" if engine.dialect.name == "sqlite" else " CASCADE"
                connection.exec_driver_sql(f'DROP TABLE "{name}"{cascade}')
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql("DROP FUNCTION fairlead_member")
        upgrade(connection, version)
    engine.dispose()


def snapshot(settings: Settings, file: Path) -> None:
    """Back a store up as the version that wrote it would: nothing is migrated."""
    from unittest import mock

    from fairlead.adapters.files.backup import ZipBackups
    from fairlead.adapters.sql.backup_postgres import PostgresSnapshot
    from fairlead.adapters.sql.backup_sqlite import SqliteSnapshot

    with mock.patch.object(Database, "_migrate"):
        database = Database(settings.database_url)
    kind = SqliteSnapshot if settings.database_url.startswith("sqlite") else PostgresSnapshot
    with ZipBackups().write(file, force=False) as sink:
        sink.seal(kind(database).save(sink, sink.folder), fairlead="0.1", made_at=1.0)
    database.close()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"schema": "9999"}, BackupTooNew, "Fairlead 7.1"),
        ({"kind": "other"}, BackupOtherKind, "the backup is of a store on"),
        ({"tables": {}}, FairleadError, "table|names|holds|not what"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused(
    site: Site, change: dict[str, Any], error: type[FairleadError], said: str
) -> None:
    from fairlead.adapters.files.backup import ZipBackups

    file, other = site.back_up(), site.folder / "other.zip"
    files = ZipBackups()
    with files.read(file) as source, files.write(other, force=False) as sink:
        for part in source.manifest.parts:
            with source.part(part.name) as stream, sink.part(part.name) as out:
                while data := stream.read(1000):
                    out.write(data)
        found = source.manifest.content
        if change.get("kind") == "other":
            change = {"kind": "postgresql" if found.kind == "sqlite" else "sqlite"}
        sink.seal(replace(found, **change), fairlead="7.1", made_at=1.0)
    before = content(site.settings)
    with pytest.raises(error, match=said):
        restore_store(site.settings, other, REPLACE)
    assert content(site.settings) == before


def test_every_table_is_in_a_backup(site: Site) -> None:
    with site.open() as platform, platform.database.reading() as connection:
        named = set(content_of(connection).tables)
        inspector = sa.inspect(connection)
        tables = set(inspector.get_table_names())
        if not sqlite(site):
            assert tables == set(ours(connection)), "name what is new in BY_HAND"
            tables |= {f"dbos.{name}" for name in inspector.get_table_names(schema="dbos")}
    assert named == tables - {"passages_fts", "memories_fts"}


@pytest.mark.postgresql
def test_a_table_of_somebody_else_is_left_alone(site: Site) -> None:
    if sqlite(site):
        return
    with site.open() as platform, platform.database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x int)")
    restore_store(site.settings, site.back_up(), REPLACE)
    with site.open() as platform, platform.database.reading() as connection:
        assert sa.inspect(connection).has_table("theirs")
