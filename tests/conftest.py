"""What every test shares: reproducible examples in CI, and the databases."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from fairlead.adapters.files import importing
from fairlead.adapters.files.importing import SourceLoader
from fairlead.adapters.sql.database import Database
from fairlead.testing.postgres import PostgresServer
from tests.databases import KINDS, TEMPLATE, make_template, new_files_copied, opened

# A slow machine must not fail a property. In CI the same examples come each time.
settings.register_profile("laptop", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "laptop")


@pytest.fixture(scope="session", autouse=True)
def _new_files_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The migrations of SQLite run once for all tests of this process."""
    template = tmp_path_factory.mktemp("template") / "template.db"
    make_template(f"sqlite:///{template}")
    with new_files_copied(template):
        yield


@pytest.fixture(autouse=True)
def _apps_forgotten() -> Iterator[None]:
    """A test's app imports its own modules, and none of the same name that is another's."""
    yield
    if importing._folders:
        importing._folders.clear()
        loaded = [
            name
            for name, module in sys.modules.items()
            if isinstance(getattr(module, "__loader__", None), SourceLoader)
        ]
        for name in loaded:
            del sys.modules[name]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of this process, with a template that has our tables."""
    server = PostgresServer(fsync=False)
    try:
        server.start()
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        make_template(server.url(TEMPLATE))
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a fresh and empty PostgreSQL database."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server for one test, which the test may stop, kill and start again. It keeps fsync on."""
    server = PostgresServer(fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database of each kind, open."""
    with opened(request.param, request, tmp_path) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make soak` what workers and operators do on PostgreSQL just as on SQLite.

    In `make test` PostgreSQL is proven by the conformance suites and by the tests of the stores.
    """
    for item in items:
        above = item.nodeid.startswith(("tests/acceptance/", "tests/unit/operations/"))
        if above and "[postgresql" in item.nodeid and not item.get_closest_marker("both"):
            item.add_marker(pytest.mark.soak)
