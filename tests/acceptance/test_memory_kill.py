"""A run that remembers twenty things is killed, again and again: twenty items are there after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.core.memory import Item, Reader
from fairlead.operations import verify_events
from fairlead.testing.faults import Fault, Kill
from tests.acceptance.support.memory_app import write_memory_app
from tests.acceptance.support.scene import MOMENTS, Scene, scene
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

THINGS = 20
TEXTS = [f"thing number {number} is kept in box {number * 7}" for number in range(THINGS)]


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app whose workers can be killed."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", write=write_memory_app, url=url) as made,
    ):
        yield made


def items(stage: Scene) -> list[Item]:
    return list(stage.platform.memory.each(Reader(tenant="default", app="memory")))


def learned(stage: Scene) -> list[str]:
    """Return what is remembered, without the summary; in the order of its writing."""
    return [item.text for item in items(stage) if not item.provenance.derived_from]


def followers(stage: Scene) -> int:
    runs = stage.platform.runs.list(limit=100)
    assert {run.state for run in runs} == {"succeeded"}
    return sum(run.workflow == "summarise" for run in runs)


POINTS = [f"{moment}:{number}" for moment in MOMENTS for number in (1, 11, 20, 21)]
"""Before, in and after the first, a middle and the last item, and the start of what follows."""


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=() if point in ("driven:11", "driven:21") else pytest.mark.soak)
        for point in POINTS
    ],
)
def test_invariant_01_and_02_a_killed_run_remembers_each_thing_once(
    stage: Scene, point: str
) -> None:
    run_id = stage.start("learn", {"texts": TEXTS}, die=point)
    assert stage.play() == 1
    assert stage.run(run_id).state == "succeeded"
    assert learned(stage) == TEXTS
    assert {item.seen for item in items(stage)} == {1}
    outcome = stage.run(run_id).outcome
    assert outcome["answer"] == [one.id for one in items(stage)[:THINGS]]
    assert followers(stage) == 1
    (summary,) = [item for item in items(stage) if item.provenance.derived_from]
    assert list(summary.provenance.derived_from) == outcome["answer"]
    assert verify_events(stage.platform).findings == ()


def test_invariant_02_a_run_that_dies_at_its_writes_remembers_each_thing_once(
    stage: Scene,
) -> None:
    """Two workers die when they have written: the item is there, and nothing says so."""
    run_id = stage.start("learn", {"texts": TEXTS})
    stage.faults.append(
        Fault(
            boundary="store",
            name="memory.write",
            moment="after",
            call=5,
            times=2,
            action=Kill(),
        )
    )
    assert stage.play() == 2
    assert stage.run(run_id).state == "succeeded"
    assert learned(stage) == TEXTS
    assert {item.seen for item in items(stage)} == {1}
    assert followers(stage) == 1
    assert verify_events(stage.platform).findings == ()
