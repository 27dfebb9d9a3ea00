"""Databases for the tests: each kind that Fairlead runs on, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.testing.postgres import PostgresServer

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
TEMPLATE = "template_fairlead"


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
