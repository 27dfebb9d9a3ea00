"""A model or code that asks for what is beyond every bound is refused, and leaves nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.testing import ProviderServer
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.hostile_app import ended, hostile, hostile_app

pytestmark = pytest.mark.acceptance

KEPT_BYTES_MAX = 1_000_000


@dataclass(frozen=True)
class Host:
    """The app and its provider."""

    cli: Cli
    server: ProviderServer

    def start(self, workflow: str, item: str) -> str:
        return self.cli("run", workflow, item, "--detach").stdout.strip()

    @property
    def notes(self) -> int:
        path = self.cli.folder / "notes"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def kept_bytes(self) -> int:
        """Bytes that the database has in use."""
        with self._database() as database:
            free = database.execute("PRAGMA freelist_count").fetchone()[0]
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            return int((pages - free) * database.execute("PRAGMA page_size").fetchone()[0])

    def calls(self, run: str) -> int:
        with self._database() as database:
            found = database.execute("SELECT count(*) FROM calls WHERE run_id = ?", (run,))
            return int(found.fetchone()[0])

    def _database(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.cli.folder / ".fairlead" / "fairlead.db", timeout=30))


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with ProviderServer(hostile) as server:
        yield server


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, server: ProviderServer) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("hostile") / "app"
    cli = hostile_app(folder, **server.environment)
    with cli.worker() as worker:
        yield Host(cli, server)
        assert worker.poll() is None


@pytest.mark.parametrize(
    ("workflow", "item", "end"),
    [
        ("clerk", "many", ("failed", "FL-619")),
        ("clerk", "deep", ("failed", "FL-619")),
        pytest.param("clerk", "deeper", ("failed", "FL-619"), marks=pytest.mark.soak),
        ("clerk", "wide", ("failed", "FL-619")),
        pytest.param("coder", "deep", ("denied", "FL-502"), marks=pytest.mark.soak),
        pytest.param("coder", "deeper", ("denied", "FL-502"), marks=pytest.mark.soak),
        ("coder", "wide", ("denied", "FL-502")),
    ],
)
def test_what_is_beyond_the_bounds_is_refused_and_leaves_nothing(
    host: Host, workflow: str, item: str, end: tuple[str, str]
) -> None:
    (host.cli.folder / "notes").unlink(missing_ok=True)
    host.server.play(hostile)
    before = host.kept_bytes
    run = host.start(workflow, item)
    assert ended(host.cli, run) == end
    # One call is on record: the model's turn, or the call that was refused.
    assert (host.notes, host.calls(run)) == (0, 1)
    # The provider is asked once: the same question gets the same answer.
    assert len(host.server.asked) == (workflow == "clerk")
    # The next run of the same worker is none the worse for it.
    assert ended(host.cli, host.start(workflow, "fine"))[0] == "succeeded"
    assert host.notes == 1
    assert host.kept_bytes - before < KEPT_BYTES_MAX
    assert host.cli.json("events", "verify")["findings"] == []


@pytest.mark.soak
def test_a_recovery_refuses_the_same(tmp_path: Path, server: ProviderServer) -> None:
    server.play(hostile)
    cli = hostile_app(tmp_path / "app", **server.environment)
    host = Host(cli, server)
    with cli.worker() as worker:
        run = host.start("patient", "many")
        cli.until(run, "waiting")
        worker.kill()
        worker.wait()
    assert (host.notes, host.calls(run), len(server.asked)) == (0, 2, 1)
    with cli.worker():
        assert ended(cli, run)[0] == "succeeded"
    assert (host.notes, host.calls(run), len(server.asked)) == (1, 3, 1)
    assert "FL-619 FL-502 noted" in cli("runs", "show", run).stdout
