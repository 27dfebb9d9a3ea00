"""Databases for the tests: each kind that Fairlead runs on, fresh for each test.

Migrations take a tenth of a second, and most tests open a new database. So the migrations run once
in a process, and a new database is a copy of the one that they made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from fairlead.adapters.dbos.queue import DbosRunQueue
from fairlead.adapters.sql.database import Database
from fairlead.testing.postgres import PostgresServer

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
TEMPLATE = "template_fairlead"


def make_template(url: str) -> None:
    """Make the tables of ours and of the engine.

    Args:
        url: An empty database, or a file that is not there yet.
    """
    database = Database(url)
    engine = database.make_engine(immediate=False)
    try:
        DbosRunQueue(database.url, engine).close()
    finally:
        engine.dispose()
        database.close()


@contextmanager
def new_files_copied(template: Path) -> Iterator[None]:
    """Within the block an SQLite file that is opened and not there is made as a copy.

    A file that is there is opened as ever, an empty one too: in that the migrations run.

    Args:
        template: The file that is copied.
    """
    migrate = Database._migrate

    def copy_and_migrate(self: Database) -> None:
        path = Path(self.where)
        if self.engine.dialect.name == "sqlite" and not path.exists():
            # Where no file can be made, the product says so. Whoever opens the same file at this
            # moment must find a whole one, so it gets its name when it is.
            part = path.with_name(uuid4().hex)
            with suppress(OSError):
                shutil.copyfile(template, part)
                os.link(part, path)
            with suppress(OSError):
                part.unlink()
        migrate(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "_migrate", copy_and_migrate)
        yield


@contextmanager
def address(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Yield the address of a fresh database that has our tables, or has no file yet.

    Args:
        kind: One of `KINDS`.
        request: The test's, which brings the server when it is needed.
        folder: Where a file may be made.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder}/fairlead.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(template=TEMPLATE) as url:
        yield url


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """Yield a fresh database, open."""
    with address(kind, request, folder) as url:
        database = Database(url, synchronous="normal")
        try:
            yield database
        finally:
            database.close()
