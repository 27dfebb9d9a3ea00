"""A whole life on the command line: real processes, from an empty folder to a rollback."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.support.cli import SECONDS_MAX, Cli, ready_app

pytestmark = pytest.mark.acceptance

QUESTION = "How many days of PTO per calendar year?"
ENGINES = ("alembic", "cedarpy", "dbos", "opentelemetry", "pydantic", "pydantic_ai", "sqlalchemy")


@pytest.mark.soak
def test_a_whole_life(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "Our Handbook")
    assert "Our Handbook" in cli("init", str(cli.folder)).stdout
    assert 'name = "our-handbook"' in (cli.folder / "fairlead.toml").read_text()

    first = cli.json("check")
    assert first["passed"] is True
    assert {check["conclusion"] for check in first["checks"]} == {"success"}
    assert cli.json("ingest")[0]["written"] == 2
    assert cli.json("intent", "show", "answer")["answer"]["owner"] == "group:default/our-handbook"
    assert cli.json("release", "create") == {
        "release": first["release"],
        "id": first["release"][:12],
        "new": False,
    }
    cli("release", "activate", first["release"])

    answered = cli.json("run", "answer", QUESTION, "--user", "anna")
    assert answered["state"] == "succeeded"
    assert "28 days" in answered["answer"]["text"]
    source = answered["grounded_sources"][0]
    text = (cli.folder / "documents" / source["document"]).read_text(encoding="utf-8")
    assert text[source["start"] : source["end"]] == source["text"]

    plain = cli("run", "answer", json.dumps({"question": QUESTION})).stdout
    assert f"{source['document']}:{source['start']}-{source['end']}" in plain
    assert "✓ grounded on output" in plain
    escalated = cli.json("run", "answer", "What does a parking permit cost?", status=1)
    assert (escalated["state"], escalated["code"]) == ("escalated", "FL-605")

    shown = cli("runs", "show", answered["run"]).stdout
    assert all(word in shown for word in ("spell_out", "fairlead:extractive", "▇", source["text"]))
    calls = cli.json("runs", "show", answered["run"])["calls"]
    assert [call["kind"] for call in calls] == ["tool", "retrieval", "model"]
    listed = cli.json("runs", "list", "--state", "escalated")
    assert [run["id"] for run in listed] == [escalated["run"]]

    _second_release(cli, first["release"])
    verified = cli.json("events", "verify")
    assert verified["findings"] == []
    assert {"release.activated", "release.rolled_back"} <= {
        event["type"] for event in cli.json("events", "list", "--chain", "environment:default")
    }


def _second_release(cli: Cli, first: str) -> None:
    prompt = cli.folder / "prompts" / "answer.md"
    prompt.write_text(prompt.read_text() + "\nBe brief.\n")
    second = cli.json("release", "create")["release"]
    assert "FL-302" in cli.refuses("FL-302", "release", "activate", second)
    cli.refuses("FL-304", "release", "activate", second, "--override", "  ")
    cli("release", "activate", second, "--override", "a try")
    differences = {item["path"] for item in cli.json("release", "diff", first, second)}
    assert differences == {"bundle_digest", "workflows.answer.prompt"}
    assert "+ Be brief." in cli("release", "diff", first, second).stdout.replace("+B", "+ B")

    said = cli("rollback", "--reason", "it is too brief").stdout
    assert first[:12] in said
    rows = {row["release"]: row for row in cli.json("release", "list")}
    assert rows[first]["active"]
    assert rows[second]["bad"]
    # A second operator with the same order takes no good release away; by its name there is none.
    cli.refuses("FL-975", "rollback")
    cli.refuses("FL-303", "rollback", "--release", first)
    assert cli.json("release", "show", second[:12])["manifest"]["app"] == "our-handbook"


def test_a_worker_takes_queued_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    run = cli.ask()
    doomed = cli.ask()
    cli("runs", "cancel", doomed, "--reason", "a mistake")
    cli.refuses("FL-401", "runs", "cancel", doomed, "--reason", "again")
    with cli.worker() as worker:
        cli.until(run, "succeeded")
        # A living worker is used; this command starts none.
        assert cli.json("run", "answer", QUESTION)["state"] == "succeeded"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SECONDS_MAX) == 0
    assert cli.json("runs", "show", doomed)["state"] == "cancelled"
    types = [event["type"] for event in cli.json("events", "list", "--limit", "1000")]
    assert types.count("worker.stopped") == types.count("worker.started") == 1


def test_a_run_outlives_the_worker_that_was_there(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    with cli.worker() as worker:
        worker.kill()
        worker.wait(SECONDS_MAX)
    # Its lease has not lapsed yet, so the command counts on it, until it does.
    assert cli.json("run", "answer", QUESTION)["state"] == "succeeded"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("command", "signum"),
    [
        ("run", signal.SIGINT),
        ("worker", signal.SIGTERM),
        pytest.param("run", signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param("worker", signal.SIGINT, marks=pytest.mark.soak),
    ],
)
def test_a_signal_at_any_moment_loses_nothing(
    tmp_path: Path, command: str, signum: signal.Signals
) -> None:
    chance = random.Random(f"{command} {signum}")
    # Without a drain the run is in the middle of a call when the process goes.
    ready = ready_app(tmp_path / "app").with_environment(SLOW="0.6", FAIRLEAD_WORKER_DRAIN_S="0")
    arguments = ["worker"] if command == "worker" else ["run", "answer", QUESTION]
    runs = [ready.ask()]
    for _ in range(3):
        process = ready.start(*arguments)
        time.sleep(chance.uniform(0.2, 2.6))
        process.send_signal(signum)
        _, said = process.communicate(timeout=SECONDS_MAX)
        # Before Python has started, a signal ends the process as it ends any other.
        assert process.returncode in (0, 128 + signum, -signum), said
        assert process.returncode == -signum or "Traceback" not in said, said
    runs = [run["id"] for run in ready.json("runs", "list")]
    with ready.worker() as worker:
        for run in runs:
            ready.until(run, "succeeded")
        worker.send_signal(signum)
        assert worker.wait(SECONDS_MAX) == 0
    assert ready.json("events", "verify")["findings"] == []


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app").with_environment(SLOW="30")
    run = cli.ask()
    with cli.worker() as worker:
        cli.until(run, "running")
        worker.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert worker.poll() is None
        worker.send_signal(signal.SIGINT)
        assert worker.wait(5) == 130


def test_an_interrupted_check_leaves_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    cli = ready_app(tmp_path / "app").with_environment(TMPDIR=str(scratch))
    for delay in (0.8, 1.6):
        process = cli.start("check")
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode in (0, 143, -15), said
        assert "Traceback" not in said, said
    assert cli.json("check")["passed"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["worker"], ["runs"], ["runs", "show"], ["release", "activate"], ["init"], ["run"]],
    ids=" ".join,
)
def test_help_loads_no_engine(arguments: list[str]) -> None:
    program = (
        "import json, sys\n"
        f"sys.argv = ['fairlead', *{arguments!r}, '--help']\n"
        "from fairlead.entrypoints.cli import main\n"
        "status = main()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert not set(json.loads(ended.stdout.splitlines()[-1])) & {*ENGINES, "rich"}


def test_the_version_is_found_where_everybody_looks_for_it(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert cli("--version").stdout == cli("version").stdout
    # It is the program's own; a command that does not know it says so.
    assert "No such option" in cli("runs", "--version", status=2).stderr


def test_an_app_that_prints_does_not_spoil_the_document(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    with (cli.folder / "app.py").open("a") as module:
        module.write('\nprint("hello from the app")\n')
    assert cli.json("check")["passed"]


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    process = cli.start("events", "list")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(SECONDS_MAX)
