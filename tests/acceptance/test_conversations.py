"""Conversations with real workers: in order, one turn at a time, and through a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.operations import (
    Order,
    outcome_of_run,
    show_conversation,
    verify_events,
)
from tests.acceptance.support.app import LEDGER
from tests.acceptance.support.durable_app import write_durable_app
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

TURNS = 12
ANN = Order(by="ann", reason="looked at it")


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The durable app, with workers that execute four runs side by side."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url, concurrency=4, write=write_durable_app) as made,
    ):
        yield made
        assert verify_events(made.platform).findings == ()


def size(stage: Scene, run_id: str) -> int:
    """Return how many bytes the engine and the payloads hold of a run."""
    where = "dbos." if stage.platform.database.url.startswith("postgresql") else ""
    steps = f"SELECT sum(length(output)) FROM {where}operation_outputs WHERE workflow_uuid = :run"
    said = (
        "SELECT sum(length(blobs.data)) FROM blobs JOIN runs ON blobs.digest IN "
        "(runs.said_digest, runs.input_digest, runs.outcome_digest) WHERE runs.id = :run"
    )
    with stage.platform.engine_connections.connect() as connection:
        return sum(connection.execute(sa.text(q), {"run": run_id}).scalar() for q in (steps, said))


def test_turns_are_executed_in_order_one_at_a_time_and_survive_a_kill(stage: Scene) -> None:
    asked = [
        stage.start("chat", f"item{n}", conversation="desk", die="body:1" if n == 5 else "")
        for n in range(TURNS)
    ]
    other = stage.start("chat", "other", conversation="phone")
    workers = [stage.spawn(), stage.spawn()]
    for worker in workers:
        output, errors = worker.communicate(timeout=60)
        assert (worker.returncode, output, errors) == (0, "", "")
    assert len(list(stage.folder.glob("dead-*"))) == 1
    lines = map(json.loads, (stage.folder / LEDGER).read_text().splitlines())
    seen = [(line["run"], line["item"]) for line in lines]
    assert ("other after ") in [item for run, item in seen if run == other]
    # The killed turn was executed twice, with the same history, before the next one began.
    order = [*range(6), *range(5, TURNS)]
    assert [(run, item) for run, item in seen if run != other] == [
        (asked[n], f"item{n} after {' '.join(f'item{k}' for k in range(n))}") for n in order
    ]
    held = show_conversation(stage.platform, "desk").turns
    assert [turn.run_id for turn in held] == asked
    assert {turn.state for turn in held} == {"succeeded"}
    # The last turn read ten times what the second one read; it names that, and repeats none of it.
    said = [len(outcome_of_run(stage.run(run)).answer or "") for run in (asked[1], asked[-1])]
    assert size(stage, asked[-1]) - size(stage, asked[1]) < 10 * 75 + 8 * (said[1] - said[0])


def test_a_turn_that_waits_for_a_person_holds_its_thread_and_no_other(stage: Scene) -> None:
    (stage.folder / "stay").touch()
    first = stage.start("ask", "book", conversation="desk")
    second = stage.start("chat", "next", conversation="desk")
    stage.spawn("1")
    wait_for(lambda: stage.run(first).state == "waiting")
    third = stage.start("chat", "else", conversation="phone")
    wait_for(lambda: stage.run(third).state == "succeeded")
    assert stage.run(second).state == "queued"
    (approval,) = stage.platform.approvals.list()
    stage.platform.approvals.answer(approval.id, True, ANN)
    wait_for(lambda: stage.run(second).state == "succeeded")
    assert outcome_of_run(stage.run(second)).answer == "next after book"


def test_a_conversation_goes_on_with_a_new_release(stage: Scene) -> None:
    first = stage.start("chat", "one", conversation="desk")
    stage.play()
    stage.edit("app.py", '{item} after {before}")', '{item} behind {before}")')
    stage.release_again()
    second = stage.start("chat", "two", conversation="desk")
    stage.play()
    assert outcome_of_run(stage.run(second)).answer == "two behind one"
    before, after = show_conversation(stage.platform, "desk").turns
    assert (before.run_id, after.run_id) == (first, second)
    assert before.release != after.release
