"""Backup and restore with real processes: while workers work, under SIGKILL, and with bad input."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

RUNS = 6


@pytest.fixture(params=KINDS)
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cli]:
    """An app with an active release, on a database of each kind."""
    made = ready_app(tmp_path / "app")
    if request.param == "sqlite":
        yield made
        return
    with address(request.param, request, tmp_path) as url:
        on_server = made.with_environment(FAIRLEAD_DATABASE_URL=url)
        on_server("ingest")
        on_server("release", "activate", on_server.json("check")["release"])
        yield on_server


@pytest.fixture
def app(tmp_path: Path) -> Cli:
    """An app with an active release, on SQLite."""
    return ready_app(tmp_path / "app")


def states(cli: Cli) -> list[str]:
    return sorted(run["state"] for run in cli.json("runs", "list"))


def until_all(cli: Cli, state: str) -> None:
    for _ in range(100):
        if set(states(cli)) == {state}:
            return
    raise AssertionError(states(cli))


def test_a_backup_that_is_made_while_a_worker_works_is_worked_off_elsewhere(
    cli: Cli, tmp_path: Path
) -> None:
    slow = cli.with_environment(SLOW="0.5")
    for _ in range(RUNS):
        cli.ask()
    file = str(tmp_path / "a.zip")
    with slow.worker():
        while "running" not in states(cli):
            pass
        written = cli.json("backup", file)
        assert written["manifest"]["content"]["tables"]["runs"] == RUNS
        until_all(cli, "succeeded")
    drilled = cli.json("restore", file, "--drill")
    assert drilled["drill"]
    assert drilled["alive"] > 0
    cli.refuses("FL-227", "restore", file)
    restored = cli.json("restore", file, "--replace")
    assert restored["alive"] == drilled["alive"]
    assert "running" in states(cli)
    with cli.worker():
        until_all(cli, "succeeded")
    assert cli.json("events", "verify")["findings"] == []
    types = [event["type"] for event in cli.json("events", "list", "--chain", "store")]
    assert types == ["store.restored"]


def test_killed_at_any_moment_the_store_is_the_old_one_or_the_new_one(
    cli: Cli, tmp_path: Path
) -> None:
    cli.ask()
    cli("backup", str(tmp_path / "fewer.zip"))
    cli.ask()
    cli("backup", str(tmp_path / "more.zip"))
    script = [sys.executable, "-m", "tests.acceptance.support.restorer", str(cli.folder)]
    ended = subprocess.run(
        [*script, str(tmp_path / "fewer.zip"), str(tmp_path / "more.zip")],
        env=cli._environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    attempts = [json.loads(line) for line in ended.stdout.splitlines()]
    assert attempts[0]["done"]
    assert attempts[-1]["done"]
    for one in attempts:
        assert one["findings"] == []
        assert one["runs"] in ([one["target"]] if one["done"] else [one["before"], one["target"]])
    killed = [one for one in attempts if not one["done"]]
    assert len(killed) >= 10
    kept = {one["runs"] == one["before"] for one in killed}
    assert True in kept
    # What killed attempts left beside the store is gone with the next one that ends.
    left = [path.name for path in (cli.folder / ".fairlead").iterdir() if "restoring" in path.name]
    assert left == []


def test_a_store_that_was_lost_or_damaged_is_there_again(app: Cli, tmp_path: Path) -> None:
    run = app.ask()
    file = str(tmp_path / "a.zip")
    app("backup", file)
    database = app.folder / ".fairlead" / "fairlead.db"
    for damage in (None, b"no database", b""):
        for path in database.parent.glob("fairlead.db*"):
            path.unlink()
        if damage is not None:
            database.write_bytes(damage)
        if damage:
            app.refuses("FL-203", "runs", "list")
            app.refuses("FL-227", "restore", file)
        app("restore", file, *(["--replace"] if damage else []))
        assert [one["id"] for one in app.json("runs", "list")] == [run]
        asides = list(database.parent.glob("*.before-restore-*"))
        assert len(asides) == (damage is not None)
        if damage:
            assert asides[0].read_bytes() == damage
        for path in asides:
            path.unlink()
    with app.worker():
        app.until(run, "succeeded")


def test_a_log_without_its_file_is_not_taken_for_the_restored_ones(
    app: Cli, tmp_path: Path
) -> None:
    file = str(tmp_path / "a.zip")
    app("backup", file)
    database = app.folder / ".fairlead" / "fairlead.db"
    with app.worker():
        app.ask()
        log = database.with_name("fairlead.db-wal").read_bytes()
    assert log
    database.unlink()
    database.with_name("fairlead.db-wal").write_bytes(log)
    app("restore", file)
    assert app.json("runs", "list") == []
    assert app.json("events", "verify")["findings"] == []


def test_bad_input_is_refused_and_touches_nothing(app: Cli, tmp_path: Path) -> None:
    app.ask()
    good = tmp_path / "good.zip"
    app("backup", str(good))
    data = good.read_bytes()
    middle = len(data) // 2
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("hello\n" * 1000)
    (tmp_path / "cut").write_bytes(data[:-1000])
    (tmp_path / "flipped").write_bytes(
        data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    )
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.add(good, "../../outside")
    shutil.copy(app.folder / ".fairlead" / "fairlead.db", tmp_path / "database")
    bad = {
        "missing": "FL-222",
        ".": "FL-222",
        "empty": "FL-223",
        "cut": "FL-223",
        "flipped": "FL-223",
        "text": "FL-224",
        "tar": "FL-224",
        "database": "FL-224",
    }
    if os.geteuid():
        (tmp_path / "secret").write_bytes(data)
        (tmp_path / "secret").chmod(0)
        bad["secret"] = "FL-222"
    before = sorted(tmp_path.rglob("*"))
    store = (app.folder / ".fairlead" / "fairlead.db").read_bytes()
    for name, code in bad.items():
        for options in (["--replace"], ["--drill"]):
            app.refuses(code, "restore", str(tmp_path / name), *options)
    assert sorted(tmp_path.rglob("*")) == before
    assert (app.folder / ".fairlead" / "fairlead.db").read_bytes() == store
    app.refuses("FL-221", "backup", str(good))
    assert good.read_bytes() == data
    app.refuses("FL-220", "backup", str(tmp_path / "nowhere" / "a.zip"))
    app.refuses("FL-220", "backup", str(tmp_path))
    app.refuses("FL-220", "backup", str(good / "a.zip"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("size", [100_000, 300_000])
def test_a_disk_that_is_full_leaves_no_half_backup(app: Cli, tmp_path: Path, size: int) -> None:
    good = tmp_path / "good.zip"
    app("backup", str(good))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    before = sorted(tmp_path.rglob("*"))
    app.refuses("FL-220", "backup", str(tmp_path / "full.zip"), preexec_fn=limit)
    assert sorted(tmp_path.rglob("*")) == before
    app.refuses("FL-201", "restore", str(good), "--replace", preexec_fn=limit)
    assert sorted(tmp_path.rglob("*")) == before
    assert app.json("events", "verify")["findings"] == []


def test_a_backup_of_the_other_kind_is_refused(app: Cli, tmp_path: Path, postgres_url: str) -> None:
    file = str(tmp_path / "a.zip")
    app("backup", file)
    on_server = app.with_environment(FAIRLEAD_DATABASE_URL=postgres_url)
    for options in ([], ["--drill"]):
        on_server.refuses("FL-226", "restore", file, *options)


def test_a_backup_is_an_admins(app: Cli, tmp_path: Path) -> None:
    app("token", "init")
    token = app("token", "create", "--user", "ada", "--role", "operator").stdout.strip()
    file = str(tmp_path / "a.zip")
    mine = app.with_environment(FAIRLEAD_TOKEN=token)
    mine.refuses("FL-538", "backup", file)
    app("backup", file)
    mine.refuses("FL-538", "restore", file, "--replace")
    mine.refuses("FL-538", "restore", file, "--drill")
