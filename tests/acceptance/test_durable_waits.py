"""What runs wait for, and what they leave behind, with real workers that are really killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.errors import ApprovalClosed, RunFinished
from fairlead.operations import Order, RunRecord, outcome_of_run, verify_events
from fairlead.ports.waits import Signal
from tests.acceptance.support.durable_app import write_durable_app
from tests.acceptance.support.scene import Scene, scene
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

ANN = Order(by="ann", reason="looked at it")


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The durable app, with workers that execute four runs side by side."""
    yield from _stage(request, tmp_path, concurrency=4)


@pytest.fixture(params=KINDS)
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The same with one run at a time: no run is in flight when a worker dies of another one."""
    yield from _stage(request, tmp_path, concurrency=1)


def _stage(request: pytest.FixtureRequest, folder: Path, *, concurrency: int) -> Iterator[Scene]:
    with (
        address(request.param, request, folder) as url,
        scene(folder / "app", url=url, concurrency=concurrency, write=write_durable_app) as made,
    ):
        yield made
        assert verify_events(made.platform).findings == ()


def did(stage: Scene, run_id: str) -> list[str]:
    """Return what a run did outside, in order."""
    return [str(entry["what"]) for entry in stage.ledger(run_id)]


def until(condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def waiting(stage: Scene, run_id: str) -> Callable[[], bool]:
    """Say whether a run waits."""
    return lambda: stage.run(run_id).state == "waiting"


def succeeded(stage: Scene, run_id: str) -> Callable[[], bool]:
    """Say whether a run succeeded."""
    return lambda: stage.run(run_id).state == "succeeded"


def answer_of(run: RunRecord) -> Any:
    """Return the answer of a run that succeeded."""
    assert run.state == "succeeded", run.reason
    return outcome_of_run(run).answer


def test_invariant_02_a_probe_finds_out_what_a_dead_worker_left(alone: Scene) -> None:
    """It happened: not repeated. It did not: executed now. Nobody can tell: it waits."""
    happened = alone.start("buy", "book", die="body:1")
    missed = alone.start("buy", "lamp", die="intended:1")
    silent = alone.start("buy", "silent", die="body:1")
    assert alone.play() == 3
    assert answer_of(alone.run(happened)) == "book"
    assert did(alone, happened) == ["pay", "probe"]
    assert answer_of(alone.run(missed)) == "lamp"
    assert did(alone, missed) == ["probe", "pay"]
    effects = {effect.run_id: effect for effect in alone.platform.effects.list()}
    assert effects[happened].state == "reconciled"
    assert effects[missed].state == "done"
    assert effects[silent].state == "unknown"
    assert did(alone, silent)[:2] == ["pay", "probe"]
    alone.platform.effects.resolve(f"{silent}:1", True, "silent", ANN)
    assert alone.play() == 3
    assert answer_of(alone.run(silent)) == "silent"
    assert did(alone, silent).count("pay") == 1


def test_a_run_that_fails_after_effects_undoes_them_in_reverse_order(alone: Scene) -> None:
    run = alone.start("saga", "box")
    again = alone.start("saga", "bag", die="recorded:3")
    assert alone.play() == 1
    for run_id in (run, again):
        assert alone.run(run_id).state == "failed"
        assert "something went wrong" in alone.run(run_id).reason
        assert did(alone, run_id) == ["take", "take", "put_back", "put_back"]
        items = [entry["item"] for entry in alone.ledger(run_id)]
        assert items == [items[0], items[1], items[1], items[0]]
        assert alone.ledger(run_id)[2]["result"] == f"taken {items[1]}"
        states = [effect.state for effect in alone.platform.effects.of_run(run_id)]
        assert states == ["compensated", "compensated", "done", "done"]


def test_invariant_02_a_business_key_holds_across_runs(stage: Scene) -> None:
    first, second = stage.start("refund_order", "o-1"), stage.start("refund_order", "o-1")
    other = stage.start("refund_order", "o-2")
    assert stage.play() == 0
    for run_id, order in ((first, "o-1"), (second, "o-1"), (other, "o-2")):
        assert answer_of(stage.run(run_id)) == f"refunded {order}"
    assert Counter(did(stage, first) + did(stage, second)) == {"refund": 1}
    assert did(stage, other) == ["refund"]


def test_invariant_06_an_approval_survives_restarts_and_holds_for_one_call(stage: Scene) -> None:
    yes, no = stage.start("ask", "book"), stage.start("ask", "gun")
    assert stage.play() == 0
    asked = {one.run_id: one for one in stage.platform.approvals.list()}
    assert set(asked) == {yes, no}
    assert asked[yes].subject["arguments"] == {"item": "book"}
    stage.platform.approvals.answer(asked[yes].id, True, ANN)
    stage.platform.approvals.answer(asked[no].id, False, Order(by="bob", reason="no guns"))
    with pytest.raises(ApprovalClosed):
        stage.platform.approvals.answer(asked[yes].id, True, ANN)
    assert stage.play() == 0
    assert answer_of(stage.run(yes)) == "book"
    assert did(stage, yes) == ["look", "pay"]
    assert (stage.run(no).state, did(stage, no)) == ("denied", ["look"])
    assert "bob said no: no guns" in stage.run(no).reason
    types = [event.type for event in stage.platform.events.list(chain=f"run:{yes}")]
    order = ["approval.asked", "approval.answered", "approval.consumed", "call.intended"]
    assert [name for name in types if name in order] == order


def test_invariant_06_answering_resumes_the_run_of_a_living_worker_at_once(stage: Scene) -> None:
    run = stage.start("ask", "book")
    (stage.folder / "stay").touch()
    worker = stage.spawn("1")
    until(waiting(stage, run))
    (asked,) = stage.platform.approvals.list()
    at = time.monotonic()
    stage.platform.approvals.answer(asked.id, True, ANN)
    until(lambda: stage.run(run).state == "succeeded")
    assert time.monotonic() - at < 5.0
    (stage.folder / "stay").unlink()
    assert worker.communicate(timeout=30) == ("", "")


def test_a_signal_ends_a_wait_once_before_or_after_it_began(stage: Scene) -> None:
    early, late, never = (stage.start("listen", 30.0) for _ in range(3))
    short = stage.start("listen", 0.2)
    waits = stage.platform.waits
    word = Signal(run_id=early, name="word", payload="first", by="ann", dedup_key="k")
    assert waits.send(word) is True
    assert waits.send(word) is False
    (stage.folder / "stay").touch()
    stage.spawn("1")
    until(waiting(stage, late))
    waits.send(Signal(run_id=late, name="other", payload="x", by="ann"))
    waits.send(Signal(run_id=late, name="word", payload="second", by="ann"))
    until(lambda: stage.run(late).state == "succeeded")
    until(lambda: stage.run(early).state == "succeeded")
    until(lambda: stage.run(short).state == "failed")
    assert [answer_of(stage.run(run)) for run in (early, late)] == ["first", "second"]
    assert outcome_of_run(stage.run(short)).code == "FL-414"
    assert stage.run(never).state == "waiting"
    with pytest.raises(RunFinished):
        waits.send(Signal(run_id=late, name="word", payload="third", by="ann"))


def test_children_run_side_by_side_and_share_the_limits(stage: Scene) -> None:
    fine = stage.start("family", [1, 2, 3])
    bad = stage.start("family", [1, -2])
    greedy = stage.start("family", list(range(1, 9)))
    at = time.monotonic()
    assert stage.play() == 0
    assert time.monotonic() - at < 60
    assert answer_of(stage.run(fine)) == [2, 4, 6]
    children = [run for run in stage.platform.runs.list(limit=100) if run.parent_id == fine]
    assert {run.root_id for run in children} == {fine}
    assert {run.principal for run in children} == {stage.run(fine).principal}
    assert {run.release for run in children} == {stage.run(fine).release}
    assert stage.run(bad).state == "failed"
    assert "negative" in stage.run(bad).reason
    # Eight children and eight looks are more than the twelve calls that the family may make.
    assert outcome_of_run(stage.run(greedy)).code == "FL-503"


def test_a_parent_and_a_child_survive_the_death_of_their_workers(stage: Scene) -> None:
    run = stage.start("family", [5, 6], die="recorded:1")
    assert stage.play() == 1
    assert answer_of(stage.run(run)) == [10, 12]
    children = [one for one in stage.platform.runs.list() if one.parent_id == run]
    inputs = [stage.run(child.id).input for child in children]
    assert sorted(inputs) == [5, 6]


def test_a_paused_run_makes_no_call_until_it_is_resumed(stage: Scene) -> None:
    run = stage.start("double", 4)
    (stage.folder / "stay").touch()
    stage.spawn("1")
    until(waiting(stage, run))
    assert stage.platform.control.pause(run, ANN).state == "paused"
    time.sleep(1.0)
    assert stage.run(run).state == "paused"
    stage.platform.control.resume(run, ANN)
    until(lambda: stage.run(run).state == "succeeded")
    assert did(stage, run) == ["look"]
    types = [event.type for event in stage.platform.events.list(chain=f"run:{run}")]
    assert [name for name in types if name in ("run.paused", "run.resumed")] == [
        "run.paused",
        "run.resumed",
    ]


def test_a_fork_keeps_the_keys_of_its_effects_and_a_retry_goes_on(stage: Scene) -> None:
    run = stage.start("buy", "book")
    listening = stage.start("listen", 0.2)
    assert stage.play() == 0
    fork = stage.platform.control.fork(run, 1, ANN)
    retry = stage.platform.control.retry(listening, ANN)
    stage.platform.waits.send(Signal(run_id=retry.id, name="word", payload="now", by="ann"))
    assert stage.play() == 0
    assert answer_of(stage.run(fork.id)) == "book"
    # Its key is that of the origin: the ledger knows that it happened, and nobody pays again.
    assert did(stage, fork.id) == []
    assert answer_of(stage.run(retry.id)) == "now"
    assert did(stage, listening) == ["look"]
    assert did(stage, retry.id) == ["look"]
