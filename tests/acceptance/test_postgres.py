"""The thin slice on PostgreSQL: real processes, from an empty database to a takeover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.operations import (
    create_release,
    ingest,
    load_settings,
    open_platform,
    verify_events,
)
from fairlead.testing.postgres import PostgresServer
from tests.acceptance.support.cli import SECONDS_MAX, Cli, ready_app
from tests.acceptance.support.scene import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.postgresql]

QUESTION = "How many days of PTO per calendar year?"
RUNS = 4
PASSWORD = "s3cr3t/@pw"


@pytest.fixture
def url(own_postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty database on a server that keeps fsync on, with a password in it."""
    with own_postgres.database() as address:
        yield address.replace("postgres@", "postgres:s3cr3t%2F%40pw@")


@pytest.mark.soak
def test_a_whole_life_on_postgresql(url: str, tmp_path: Path) -> None:
    cli = Cli(tmp_path / "handbook", FAIRLEAD_DATABASE_URL=url)
    cli("init", str(cli.folder))
    assert cli.json("ingest")[0]["written"] == 2
    first = cli.json("check")
    assert first["passed"] is True
    cli("release", "activate", first["release"])
    answered = cli.json("run", "answer", QUESTION, "--user", "anna")
    assert answered["state"] == "succeeded"
    assert "28 days" in answered["answer"]["text"]

    prompt = cli.folder / "prompts" / "answer.md"
    prompt.write_text(prompt.read_text() + "\nBe brief.\n")
    second = cli.json("release", "create")["release"]
    cli("release", "activate", second, "--override", "a try")
    cli("rollback", "--reason", "it is too brief")
    rows = {row["release"]: row for row in cli.json("release", "list")}
    assert rows[first["release"]]["active"]
    assert rows[second]["bad"]

    shown = cli.json("runs", "show", answered["run"])
    assert [call["kind"] for call in shown["calls"]] == ["tool", "retrieval", "model"]
    assert cli.json("events", "verify")["findings"] == []
    # Nothing was kept on this machine, and the password went nowhere.
    assert not (cli.folder / ".fairlead").exists()
    said = cli("runs", "list").stdout + cli("events", "list").stdout + str(shown)
    assert PASSWORD not in said
    assert "s3cr3t" not in said


def test_a_worker_that_is_killed_loses_no_run(url: str, tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app").with_environment(FAIRLEAD_DATABASE_URL=url, SLOW="1.5")
    settings = load_settings(cli.folder, {"FAIRLEAD_DATABASE_URL": url})
    with open_platform(settings) as platform:
        ingest(platform)
        release, _ = create_release(platform)
        start = partial(platform.admission.start, release, "answer", {"question": QUESTION})
        runs = [start(principal=Principal()).id for _ in range(RUNS)]
        doomed = cli.start("worker")
        wait_for(lambda: len(platform.runs.list(state="running")) >= 2)
        doomed.kill()
        doomed.communicate(timeout=SECONDS_MAX)
        in_flight = [run.id for run in platform.runs.list(state="running")]
        assert in_flight

        survivor = cli.start("worker")
        wait_for(lambda: len(platform.runs.list(state="succeeded")) == RUNS)
        survivor.terminate()
        _, said = survivor.communicate(timeout=SECONDS_MAX)
        assert survivor.returncode == 0, said

        listed = {run.id: run for run in platform.runs.list()}
        assert sorted(listed) == sorted(runs)
        assert any(listed[run].takeovers == 1 for run in in_flight)
        types = Counter(event.type for event in platform.events.list(limit=1000))
        assert types["run.finished"] == RUNS
        assert types["run.taken_over"] >= 1
        assert types["call.finished"] == 3 * RUNS
        assert verify_events(platform).findings == ()


@pytest.mark.parametrize("gone", ["server", "database"])
def test_a_database_that_is_not_there_is_one_error(
    gone: str, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    name = "postgres" if gone == "server" else "no_such"
    url = own_postgres.url(name, password=PASSWORD)
    cli = Cli(tmp_path / "app", FAIRLEAD_DATABASE_URL=url)
    cli("init", str(cli.folder))
    if gone == "server":
        own_postgres.stop()
    said = cli.refuses("FL-205", "runs", "list")
    assert "s3cr3t" not in said


def test_an_address_that_is_not_understood_is_one_error(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "app", FAIRLEAD_DATABASE_URL="postgresql://ann:s3cr3t@host:x/db")
    cli("init", str(cli.folder))
    assert "s3cr3t" not in cli.refuses("FL-005", "runs", "list")
