"""Flags with real workers that are really killed: what a run was told, it is told for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.digests import digest
from fairlead.operations import outcome_of_run, verify_events
from fairlead.testing.faults import Fault, Kill
from tests.acceptance.support.flags_app import write_flags_app, write_provider_app
from tests.acceptance.support.scene import Scene, scene
from tests.acceptance.test_pinning import park, worker_that_stays
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance


@pytest.fixture(params=KINDS)
def fickle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app with a provider that says something else each time."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url, write=write_provider_app) as made,
    ):
        yield made
        assert verify_events(made.platform).findings == ()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """The app with the flags of its release, on SQLite."""
    with scene(tmp_path / "app", write=write_flags_app, concurrency=4) as made:
        yield made


def told(stage: Scene, run_id: str) -> list[dict[str, Any]]:
    """Return what the event log says of a run's flags."""
    events = stage.platform.events.list(chain=f"run:{run_id}")
    return [event.data for event in events if event.type == "flag.evaluated"]


def asked(stage: Scene) -> int:
    """Return how often the provider was asked."""
    return len((stage.folder / "asked.txt").read_text().splitlines())


def answer(stage: Scene, run_id: str) -> Any:
    run = stage.run(run_id)
    assert run.state == "succeeded", run.reason
    return outcome_of_run(run).answer


def test_invariant_01_a_killed_worker_s_flag_is_read_from_the_record(fickle: Scene) -> None:
    """Killed between evaluation and use, and again before the second use: asked once."""
    run = fickle.start("speak", "", die="between:1")
    fickle.faults.append(Fault(boundary="call", moment="inside", call=2, counted="run", run=run,
        action=Kill()))  # fmt: skip
    assert fickle.play() == 2
    assert answer(fickle, run) == ["tone-1", "tone-1"]
    assert {entry["tone"] for entry in fickle.ledger(run)} == {"tone-1"}
    assert asked(fickle) == 1
    assert told(fickle, run) == [
        {
            "flag": "tone",
            "variant": "v1",
            "reason": "SPLIT",
            "error": "",
            "value": digest("tone-1"),
            "provider": "In-Memory Provider",
        }
    ]


def test_a_worker_killed_before_the_record_asks_again_and_the_run_uses_one_value(
    fickle: Scene,
) -> None:
    """Nobody has used the first answer: the second counts, and the log holds both."""
    run = fickle.start("speak", "")
    fault = Fault(boundary="store", name="events.append", moment="after", action=Kill())
    fickle.faults.append(fault)
    assert fickle.play() == 1
    assert answer(fickle, run) == ["tone-2", "tone-2"]
    assert {entry["tone"] for entry in fickle.ledger(run)} == {"tone-2"}
    assert [data["variant"] for data in told(fickle, run)] == ["v1", "v2"]


def test_one_worker_serves_two_values_of_a_flag(stage: Scene) -> None:
    """A flag is a part of the bundle: no new process, and a run keeps its release's value."""
    old = stage.start("wait", 2.0)
    with worker_that_stays(stage):
        park(stage, old)
        first = stage.release
        stage.edit("fairlead.toml", 'tone = "plain"', 'tone = "warm"')
        second = stage.release_again()
        new = stage.start("speak", "")
        assert stage.wait(new).state == "succeeded"
        assert stage.wait(old).state == "succeeded"
    assert (answer(stage, old), answer(stage, new)) == ("plain", ["warm", "warm"])
    assert first.manifest.code_digest == second.manifest.code_digest
    assert told(stage, old)[0]["provider"] == "fairlead"
    assert len({entry["pid"] for run in (old, new) for entry in stage.ledger(run)}) == 1
