"""A release's code is executed from its archive when the app's folder holds other code."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.ports.clock import SystemClock
from tests.acceptance.support.cli import COMMAND, Cli
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

CONFIG = """\
[app]
name = "prices"
module = "shop/main.py:app"
files = ["data/*.json"]
"""

# What a run reads it reads late: when the folder has changed long ago.
APP = '''\
"""Says which code it is, and what that code reads."""

import json
import os
from datetime import timedelta
from pathlib import Path

import fairlead as fl

DATA = Path(__file__).parent.parent / "data" / "prices.json"


@fl.tool(effect="read", scope="prices:read", targets=[])
async def look(ctx: fl.Context) -> list[str]:
    """Look at the price."""
    from later import VERSION as late

    return ["APP", late, json.loads(DATA.read_text())["version"], str(os.getpid())]


@fl.workflow(
    intent="Look, wait, look again",
    owner="group:default/tests",
    input=float,
    output=list[str],
    tools=[look],
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def nap(run: fl.Run[list[str]], seconds: float) -> list[str]:
    """Wait between two looks."""
    before = await run.call(look)
    await run.sleep(timedelta(seconds=seconds))
    return [*before, *await run.call(look)]


app = fl.App("prices", workflows=[nap])
'''


def write(folder: Path, version: str) -> None:
    """Write the app's code, and what it reads, in one version."""
    for path, text in {
        "fairlead.toml": CONFIG,
        "policies/all.cedar": "permit(principal, action, resource);\n",
        "shop/main.py": APP.replace("APP", version),
        "later.py": f'VERSION = "{version}"\n',
        "data/prices.json": f'{{"version": "{version}"}}\n',
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cli]:
    """An app's folder and a database that other folders use as well."""
    with address(request.param, request, tmp_path) as url:
        (tmp_path / "app").mkdir()
        yield Cli(tmp_path / "app", FAIRLEAD_DATABASE_URL=url)


@contextmanager
def opened(shop: Cli) -> Iterator[Database]:
    """The database that the commands use."""
    database = Database(shop._environment["FAIRLEAD_DATABASE_URL"])
    try:
        yield database
    finally:
        database.close()


def release(shop: Cli, version: str) -> str:
    """Put a version into the folder, and let new runs start on it."""
    write(shop.folder, version)
    made: str = shop.json("release", "create")["release"]
    shop("release", "activate", made, "--override", "a test")
    return made


def start(shop: Cli, seconds: float) -> str:
    return shop("run", "nap", str(seconds), "--detach").stdout.strip()


@contextmanager
def worker(shop: Cli, release: str) -> Iterator[int]:
    """A worker of a release; yields its process id."""
    process = subprocess.Popen(
        [COMMAND, "worker", "--release", release],
        env=shop._environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert " ready: " in ready, process.communicate(timeout=10)
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answer(shop: Cli, run: str) -> Any:
    with opened(shop) as database:
        runs, until = SqlRunStore(database, SystemClock()), time.monotonic() + 30
        while (found := runs.get(run)).state != "succeeded":
            assert time.monotonic() < until, found
            time.sleep(0.05)
    return found.outcome["answer"]


def said(version: str, pid: int) -> list[str]:
    return [*[version] * 3, str(pid)] * 2


def test_two_codes_work_from_one_folder_and_each_run_ends_on_its_own(shop: Cli) -> None:
    """Invariant 3: also what is imported or read late is that of the release."""
    old = release(shop, "one")
    of_old = start(shop, 2.0)
    with worker(shop, old) as here:
        # Somebody edits the folder from which it was started.
        write(shop.folder, "edited")
        assert answer(shop, of_old) == said("one", here)
    of_old = start(shop, 2.0)
    new = release(shop, "two")
    of_new = start(shop, 2.0)
    write(shop.folder, "three")
    with worker(shop, old) as first, worker(shop, new) as second:
        assert answer(shop, of_old) == said("one", first)
        assert answer(shop, of_new) == said("two", second)
    kept = sorted(path.name for path in (shop.folder / ".fairlead" / "releases").iterdir())
    codes = {row["release"]: row["code"] for row in shop.json("release", "list")}
    assert kept == sorted(codes.values())


def test_a_folder_with_nothing_but_its_configuration_is_enough(shop: Cli, tmp_path: Path) -> None:
    """As in a container; it has tables of its own, and they count."""
    made = release(shop, "one")
    run = start(shop, 0.1)
    shutil.rmtree(shop.folder)
    shop.folder.mkdir()
    config = CONFIG + "[worker]\nconcurrency = 3\n"
    (shop.folder / "fairlead.toml").write_text(config)
    with worker(shop, made) as there:
        assert answer(shop, run) == said("one", there)
        # What is there now is another code, and no run waits for it.
    (shop.folder / ".fairlead").rename(tmp_path / "gone")
    run = start(shop, 0.1)
    with worker(shop, made) as again:
        assert answer(shop, run) == said("one", again)


def test_run_without_a_worker_takes_the_code_from_the_archive(shop: Cli) -> None:
    release(shop, "one")
    release(shop, "two")
    shop("rollback", "--reason", "a test")
    outcome = shop.json("run", "nap", "0.1")
    assert outcome["answer"][:3] == ["one"] * 3


def change(shop: Cli, statement: str) -> None:
    """Change the store behind its back."""
    with opened(shop) as database, database.transaction() as connection:
        assert connection.execute(sa.text(statement)).rowcount


DAMAGES = [
    ("UPDATE archives SET data = substr(data, 2)", "FL-900", "damaged", "was changed"),
    ("DELETE FROM archives", "FL-900", "not there", "is not there"),
    ("UPDATE releases SET archive = NULL", "FL-301", "no archive", "with the archive that its"),
]


@pytest.mark.parametrize(("statement", "code", "words", "found"), DAMAGES)
def test_a_damaged_archive_executes_nothing_and_is_found(
    shop: Cli, statement: str, code: str, words: str, found: str
) -> None:
    made = release(shop, "one")
    run = start(shop, 0.1)
    write(shop.folder, "two")
    shop("events", "verify")
    change(shop, statement)
    assert words in shop.refuses(code, "worker", "--release", made)
    assert shop.json("runs", "show", run)["state"] == "queued"
    assert not list((shop.folder / ".fairlead").glob("releases/*"))
    assert found in shop.refuses("FL-700", "events", "verify")
    # The folder's own code is what it was, and needs no archive.
    write(shop.folder, "one")
    with worker(shop, made) as here:
        assert answer(shop, run) == said("one", here)


def test_a_restored_backup_has_the_archives(shop: Cli, tmp_path: Path) -> None:
    made = release(shop, "one")
    run = start(shop, 0.1)
    file = tmp_path / "backup.zip"
    shop("backup", str(file))
    change(shop, "DELETE FROM archives")
    shop("restore", str(file), "--replace")
    write(shop.folder, "two")
    with worker(shop, made) as here:
        assert answer(shop, run) == said("one", here)


def test_a_file_that_is_read_by_the_code_is_a_change_of_the_code(shop: Cli) -> None:
    before = release(shop, "one")
    (shop.folder / "data" / "prices.json").write_text('{"version": "1.1"}')
    after = shop.json("release", "create")["release"]
    rows = {row["release"]: row for row in shop.json("release", "list")}
    assert rows[before]["code"] != rows[after]["code"]
    assert rows[before]["bundle"] == rows[after]["bundle"]


def test_a_release_says_where_it_comes_from(shop: Cli) -> None:
    """From git; what is stated wins, and another commit than git's is taken as it is stated."""

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
        command = ["git", "-C", str(shop.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    write(shop.folder, "one")
    (shop.folder / ".gitignore").write_text(".fairlead/\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    first = release(shop, "one")
    origin = shop.json("release", "show", first)["provenance"]
    head = git("rev-parse", "HEAD")
    assert (origin["commit"], origin["author"], origin["dirty"]) == (head, "Ann", False)
    assert origin["first_commit_at"] == origin["committed_at"]
    write(shop.folder, "two")
    git("commit", "-q", "-a", "-m", "two")
    write(shop.folder, "three")
    made = shop.json("release", "create", "--author", "Bob")["release"]
    origin = shop.json("release", "show", made)["provenance"]
    assert (origin["commit"], origin["author"]) == (git("rev-parse", "HEAD"), "Bob")
    assert origin["dirty"] is True and origin["first_commit_at"] == origin["committed_at"]
    write(shop.folder, "four")
    at = "2026-11-29T12:00:00+00:00"
    made = shop.json("release", "create", "--commit", "abc", "--committed-at", at)["release"]
    origin = shop.json("release", "show", made)["provenance"]
    assert origin == {"commit": "abc", "committed_at": 1795953600.0}
    events = shop.json("events", "list", "--chain", f"release:{made}")
    assert events[0]["data"]["provenance"] == origin
    assert "abc" in shop("release", "show", made).stdout
    shop("events", "verify")
