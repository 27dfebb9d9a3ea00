"""Workers die by SIGKILL at every part of a call; what the world outside saw is counted after.

Each test queues runs that kill their worker at one point each. Worker processes follow one another
until every run has ended. The workflow `everything` makes these calls: 1 `look` (read), 2 `put`
(idempotent), 3 `pay` (once), 4 a retrieval, 5 a model turn, which asks for 6 `look` and 7 `pay`,
8 a model turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.operations import Order, outcome_of_run, verify_events
from tests.acceptance.support.scene import Scene, scene
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

CALLS = range(1, 9)
ONCE_EACH = Counter(CALLS)
LEASE_S = 0.3


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """An app whose workers can be killed."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url) as made,
    ):
        yield made


def some(stage: Scene, points: list[str]) -> list[str]:
    """Return the points to play: all on SQLite, every second one on PostgreSQL.

    The protocol is the same there, and the conformance suite goes through it again on both.
    """
    return points[::2] if stage.platform.database.url.startswith("postgresql") else points


def play(stage: Scene, points: list[str]) -> dict[str, str]:
    """Run the workflow once for each point, with its worker killed there; return run by point."""
    runs = {point: stage.start("everything", "item", die=point) for point in points}
    assert stage.play() == len(points)
    assert verify_events(stage.platform).findings == ()
    return runs


def states(stage: Scene, run_id: str) -> dict[int, str]:
    """Return the state of each call of a run, by number."""
    return {call.number: call.state for call in stage.platform.journal.of_run(run_id)}


def test_invariant_01_a_recorded_call_is_never_executed_again(stage: Scene) -> None:
    """Killed when the outcome is on record and the engine does not know it yet."""
    runs = play(stage, some(stage, [f"recorded:{number}" for number in CALLS]))
    for point, run_id in runs.items():
        assert stage.executed(run_id) == ONCE_EACH, point
        assert stage.run(run_id).state == "succeeded", point
        assert set(states(stage, run_id).values()) == {"done"}, point
        assert len({entry["pid"] for entry in stage.ledger(run_id)}) == 1 + (point != "recorded:8")


def test_invariant_01_calls_stay_done_when_a_worker_dies_between_them(stage: Scene) -> None:
    """Killed between two calls, while the run begins, and while it ends."""
    between = [f"between:{number}" for number in (1, 4, 8)]
    ends = ["begin:before", "begin:after", "finish:before", "finish:after"]
    runs = play(stage, some(stage, [*between, *ends]))
    for point, run_id in runs.items():
        assert stage.executed(run_id) == ONCE_EACH, point
        assert stage.run(run_id).state == "succeeded", point
        types = Counter(event.type for event in stage.platform.events.list(chain=f"run:{run_id}"))
        assert types["run.started"] == types["run.finished"] == 1, point
        assert types["call.finished"] == len(CALLS), point


def test_invariant_02_what_a_dead_worker_executed_is_repeated_as_its_effect_allows(
    stage: Scene,
) -> None:
    """Killed inside the body and after it: reads are repeated, effects under their key or not."""
    repeated = ["body:1", "body:2", "body:4", "body:5", "body:6", "driven:2", "driven:8"]
    repeated, unknown = some(stage, repeated), some(stage, ["body:3", "driven:3", "body:7"])
    runs = play(stage, [*repeated, *unknown, "intended:3", "intended:2"])
    for point in repeated:
        number, run_id = int(point.partition(":")[2]), runs[point]
        assert stage.executed(run_id) == ONCE_EACH + Counter([number]), point
        assert stage.run(run_id).state == "succeeded", point
        keys = {entry["key"] for entry in stage.ledger(run_id)}
        assert keys == {f"{run_id}:{call}" for call in CALLS}, point
    for point in unknown:
        number, run_id = int(point.partition(":")[2]), runs[point]
        assert stage.executed(run_id) == Counter(range(1, number + 1)), point
        assert_unknown(stage, run_id, number)
    # Nothing happened, but nobody can know that: the intent was on record and no outcome.
    assert stage.executed(runs["intended:3"]) == Counter([1, 2])
    assert_unknown(stage, runs["intended:3"], 3)
    assert stage.executed(runs["intended:2"]) == ONCE_EACH
    assert stage.run(runs["intended:2"]).state == "succeeded"
    # A person finds out, and every run goes on: what happened is not repeated, the rest is made.
    found_out = Order(by="ann", reason="looked in the bank's own list")
    for point in unknown:
        key = f"{runs[point]}:{point.partition(':')[2]}"
        stage.platform.effects.resolve(key, True, "item", found_out)
    stage.platform.effects.resolve(f"{runs['intended:3']}:3", False, None, found_out)
    assert stage.play() == len(runs)
    for point in (*unknown, "intended:3"):
        assert stage.run(runs[point]).state == "succeeded", point
        assert stage.executed(runs[point]) == ONCE_EACH, point
    assert verify_events(stage.platform).findings == ()


def assert_unknown(stage: Scene, run_id: str, number: int) -> None:
    """The run waits for somebody to find out whether its call happened."""
    run = stage.run(run_id)
    assert (run.state, run.worker_id) == ("waiting", None)
    assert states(stage, run_id)[number] == "unknown"
    assert [effect.state for effect in stage.platform.effects.of_run(run_id)][-1] == "unknown"


def test_a_living_worker_takes_over_when_the_lease_has_lapsed(stage: Scene) -> None:
    """Two workers live; one is killed, and the other one ends both runs."""
    killed = stage.start("everything", "item", die="body:1")
    other = stage.start("everything", "item")
    pair = [stage.spawn("1"), stage.spawn("1")]
    output = [worker.communicate(timeout=60) for worker in pair]
    assert output == [("", ""), ("", "")]
    assert sorted(worker.returncode for worker in pair) == [0, 1]
    assert [stage.run(run_id).state for run_id in (killed, other)] == ["succeeded"] * 2
    assert stage.executed(killed) == ONCE_EACH + Counter([1])
    assert stage.executed(other) == ONCE_EACH
    events = stage.platform.events.list(chain=f"run:{killed}")
    taken = next(event for event in events if event.type == "run.taken_over")
    chain = stage.platform.events.list(chain=f"worker:{taken.data['worker']}")
    assert [event.type for event in chain] == ["worker.started", "worker.died"]
    assert taken.time - chain[0].time >= LEASE_S


def test_a_run_that_kills_its_workers_is_quarantined_and_others_go_on(stage: Scene) -> None:
    """After three deaths a run is not started again."""
    deadly = stage.start("everything", "item", die="body:1*9")
    others = [stage.start("everything", "item") for _ in range(2)]
    assert stage.play() == 3
    ended = stage.run(deadly)
    assert (ended.state, ended.takeovers) == ("failed", 3)
    assert ended.reason.startswith("FL-407")
    assert outcome_of_run(ended).code == "FL-407"
    assert stage.executed(deadly) == Counter({1: 3})
    for run_id in others:
        assert stage.run(run_id).state == "succeeded"
        assert stage.executed(run_id) == ONCE_EACH
    assert verify_events(stage.platform).findings == ()
