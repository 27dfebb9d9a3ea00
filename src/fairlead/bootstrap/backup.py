"""What backs a store up and puts it back, for each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fairlead.bootstrap.opening import on_database, open_platform
from fairlead.bootstrap.platform import Platform
from fairlead.core.errors import StoreUnavailable
from fairlead.ports.backup import BackupFiles, StoreRestore, StoreSnapshot
from fairlead.settings import Settings

if TYPE_CHECKING:
    from fairlead.adapters.sql.database import Database

_SQLITE = "sqlite:"


def backup_files() -> BackupFiles:
    """Return what writes and reads the files of backups."""
    from fairlead.adapters.files.backup import ZipBackups

    return ZipBackups()


def snapshot_of(platform: Platform) -> StoreSnapshot:
    """Return what reads a platform's whole store.

    Args:
        platform: The open platform.
    """
    if platform.database.url.startswith(_SQLITE):
        from fairlead.adapters.sql.backup_sqlite import SqliteSnapshot

        return SqliteSnapshot(platform.database)
    from fairlead.adapters.sql.backup_postgres import PostgresSnapshot

    return PostgresSnapshot(platform.database)


def restore_place(settings: Settings) -> StoreRestore[Database]:
    """Return what puts a backup in the place of an app's store; nothing is opened yet.

    Args:
        settings: The app's settings.
    """
    if settings.database_url.startswith(_SQLITE):
        from fairlead.adapters.sql.backup_sqlite import SqliteRestore

        return SqliteRestore(
            settings.database_url,
            busy_timeout_s=settings.busy_timeout_s,
            synchronous=settings.synchronous,
        )
    from fairlead.adapters.sql.backup_postgres import PostgresRestore

    def prepare(url: str) -> None:
        with open_platform(replace(settings, database_url=url)):
            pass

    return PostgresRestore(
        settings.database_url, busy_timeout_s=settings.busy_timeout_s, prepare=prepare
    )


@contextmanager
def restored_platform(settings: Settings, database: Database) -> Iterator[Platform]:
    """Yield a platform on a restored store that does not count yet.

    Its stores work. Its queue does not: the engine has connections of its own, which do not see
    what is not in place.

    Args:
        settings: The app's settings.
        database: The restored store.
    """
    with on_database(settings, database, _NoQueue()) as platform:
        yield platform


class _NoQueue:
    """Stands where the engine's queue would, and refuses."""

    def __getattr__(self, name: str) -> Any:
        raise StoreUnavailable(f"the engine's {name} cannot be used before a restore has ended")
