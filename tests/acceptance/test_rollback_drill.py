"""A rollback is drilled with real processes, and nothing reaches the outside."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.cli import Cli
from tests.acceptance.support.drilled import NAPS, release, write
from tests.databases import KINDS, address

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where each executed body of a tool with an effect leaves a line."""
    path = tmp_path / "trace"
    path.touch()
    return path


@pytest.fixture
def payer(tmp_path: Path, trace: Path) -> Cli:
    (tmp_path / "app").mkdir()
    return Cli(tmp_path / "app", TRACE=str(trace))


@pytest.fixture(params=KINDS)
def on_each(request: pytest.FixtureRequest, payer: Cli, tmp_path: Path) -> Iterator[Cli]:
    """The same app, on each kind of database."""
    with address(request.param, request, tmp_path) as url:
        yield payer.with_environment(FAIRLEAD_DATABASE_URL=url)


def drill(cli: Cli, *options: str, status: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        cli("rollback", "--drill", "--json", *options, status=status).stdout
    )
    return said


def test_other_code_is_promoted_and_rolled_back_and_no_effect_is_executed(
    payer: Cli, trace: Path
) -> None:
    first, second = release(payer, "one"), release(payer, "two")
    runs_before = payer.json("runs", "list")
    found = drill(payer)
    assert (found["release"], found["previous"], found["passed"]) == (second, first, True), found
    figures = found["check"]["figures"]
    assert figures["in_flight_previous"] >= 2
    assert figures["in_flight_candidate"] >= 2
    assert figures["worker_ready_s"] > 0.0
    assert figures["candidate_ready_s"] > 0.0, "other code needs a process of its own"
    assert 0.0 <= figures["new_traffic_safe_s"] <= 2.0
    assert figures["new_traffic_safe_s"] <= figures["in_flight_safe_s"]
    assert figures["effects"] >= 8
    assert figures["effects_twice"] == 0
    assert figures["states"].get("failed", 0) == 0, "a stand-in fits what the code goes on with"
    assert figures["states"]["succeeded"] >= 6
    assert figures["stopped_waiting"] >= 4, "nobody answers in a drill"

    assert trace.read_text() == "", "a body was executed"
    assert payer.json("runs", "list") == runs_before == []
    assert not [one for one in payer.json("release", "list") if one["bad"]]

    [event] = [one for one in payer.json("events", "list") if one["type"] == "drill.finished"]
    assert event["chain"] == f"release:{second}"
    assert event["data"]["evidence"] == found["evidence"]
    assert event["data"]["figures"] == figures
    assert payer.json("release", "show", second)["rollback"]["readiness"] == "ready"
    [standing] = payer.json("dora")["rollback_readiness"]
    assert (standing["readiness"], standing["environment"]) == ("ready", "default")
    assert payer("events", "verify")

    # Another release stands before it now.
    third = release(payer, "three")
    shown = payer.json("release", "show", third)["rollback"]
    assert (shown["readiness"], shown["previous"]) == ("never", second)


def test_what_a_previous_release_would_not_take_fails_the_drill(payer: Cli, trace: Path) -> None:
    release(payer, "one", given="int")
    second = release(payer, "two", more=NAPS + "[memory]\nschema = 2\nreads = [1, 2]\n")
    # A real run is in flight on a text, which the release before does not take.
    payer("run", "nap", "later", "--detach")
    payer("run", "pay_order", "o1", "--detach")
    found = drill(payer, status=1)
    said = "\n".join(found["check"]["findings"])
    assert "memory: the previous release does not read schema 2" in said
    assert "refuses an input of workflow pay_order" in said
    assert payer.json("release", "show", second)["rollback"]["readiness"] == "failed"
    assert trace.read_text() == ""


def test_a_damaged_archive_is_no_way_back(payer: Cli) -> None:
    first, second = release(payer, "one"), release(payer, "two")
    with closing(sqlite3.connect(payer.folder / ".fairlead" / "fairlead.db")) as database:
        name = payer.json("release", "show", first)["archive"]
        database.execute("UPDATE archives SET data = x'00' WHERE digest = ?", (name,))
        database.commit()
    found = drill(payer, status=1)
    assert (found["release"], found["check"]["conclusion"]) == (second, "failure")
    # It is looked at by itself, and not only by a worker that cannot start.
    assert found["check"]["findings"][0].startswith("FL-900: the archive of release")


def test_a_candidate_is_drilled_before_it_is_active_and_equal_code_shares_a_worker(
    on_each: Cli, trace: Path
) -> None:
    first = release(on_each, "one")
    assert on_each("rollback", "--drill", status=2).stderr.startswith("FL-951")
    write(on_each.folder, "one", more="[workflow.pay_order.limits]\nsteps = 40\n")
    candidate = on_each.json("release", "create")["release"]
    found = drill(on_each, "--release", candidate)
    assert (found["release"], found["previous"]) == (candidate, first)
    figures = found["check"]["figures"]
    assert figures["candidate_ready_s"] == 0.0
    # Nothing waits here by itself: what is in flight was held.
    assert figures["in_flight_candidate"] >= 2
    assert figures["held"] >= 4
    assert figures["stopped_waiting"] == 0
    assert trace.read_text() == ""


def test_the_environment_of_a_drill_is_refused_where_releases_are_active(payer: Cli) -> None:
    release(payer, "one")
    drilled = payer.with_environment(FAIRLEAD_ENVIRONMENT="rollback-drill")
    ended = drilled("worker", status=2)
    assert ended.stderr.startswith("FL-952")
