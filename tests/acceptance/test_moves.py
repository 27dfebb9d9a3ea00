"""A run in flight goes on under another release, with a real worker, and pays once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal
from fairlead.core.errors import RunPinned
from fairlead.core.release import Release
from fairlead.operations import StartOptions
from fairlead.ports.runs import Order
from tests.acceptance.support.app import write_app
from tests.acceptance.support.scene import Scene, scene
from tests.acceptance.test_pinning import park, prompts, seen, worker_that_stays

pytestmark = pytest.mark.acceptance

PARKED_S = 3.0
ORDER = Order(by="ann", reason="verse is not asked for")

_DESK = '''
@fl.workflow(
    intent="Look, ask the model, pay, and wait",
    owner="group:default/tests",
    input=float,
    output=str,
    model="test:recorder",
    prompt="everything.md",
    tools=[look, pay],
    memory=fl.Memory(semantic=fl.Recall("notes", top_k=3)),
    slo=SLO,
)
async def desk(run: fl.Run[str], seconds: float) -> str:
    """Call 1 looks; the model asks for a look and for a payment; then the code pays."""
    await run.call(look, "first")
    answer = (await run.answer(seconds, question="item under load")).unwrap()
    await run.call(pay, "order-7")
    await run.sleep(timedelta(seconds=seconds))
    return answer


app = fl.App("ledger", workflows=[everything, patient, nap, desk])
'''


def write_desk(folder: Path, *, concurrency: int = 1) -> Path:
    """Write an app whose payments have a business key, and a workflow that pays before it waits."""
    write_app(folder, concurrency=concurrency)
    path = folder / "app.py"
    text, _, _ = path.read_text().partition("app = fl.App(")
    unkeyed = 'effect="once", scope="money:write", targets=["item"]'
    assert unkeyed in text
    path.write_text(text.replace(unkeyed, f'{unkeyed}, key=["item"]') + _DESK.lstrip())
    return folder


def two_releases(stage: Scene) -> tuple[Release, Release]:
    """Return a release, and another one that differs in its prompt; runs start on the latter."""
    good = stage.release
    stage.edit("prompts/everything.md", "Answer.", "Answer in verse.")
    return good, stage.release_again()


def begin(stage: Scene, workflow: str, input: Any) -> str:
    """Queue a run under a start key."""
    options = StartOptions(key="order-7")
    run = stage.platform.admission.start(
        stage.release, workflow, input, principal=Principal(), options=options
    )
    return run.id


def test_invariant_02_a_run_that_is_moved_in_flight_pays_once_and_ends_on_the_other_release(
    tmp_path: Path,
) -> None:
    with scene(tmp_path / "app", concurrency=4, write=write_desk) as stage:
        good, bad = two_releases(stage)
        run_id = begin(stage, "desk", PARKED_S)
        with worker_that_stays(stage):
            park(stage, run_id)
            fresh = stage.platform.control.move(run_id, (bad, good), ORDER)
            at = time.monotonic()
            ended = stage.wait(run_id)
        # Whoever waits for it, or starts it again, gets the one that goes on.
        assert (ended.id, ended.state, ended.release) == (fresh.id, "succeeded", good.digest)
        assert time.monotonic() - at >= PARKED_S - 0.5
        again = stage.platform.admission.start(
            good, "desk", PARKED_S, principal=Principal(), options=StartOptions(key="order-7")
        )
        assert again.id == fresh.id
        assert stage.run(run_id).state == "cancelled"
        # What the release had no part in was kept; what it had was made anew, under the good one.
        both = [*stage.ledger(run_id), *stage.ledger(fresh.id)]
        paid = [entry["key"] for entry in both if entry["what"] == "tool pay"]
        assert len(paid) == len(set(paid)) == 2
        assert {entry["run"] for entry in both if entry["what"] == "tool pay"} == {run_id}
        assert set(prompts(stage, run_id)) == {"Answer in verse."}
        assert set(prompts(stage, fresh.id)) == {"Answer."}
        assert seen(stage, run_id, "tool look", "key")[0] == f"{run_id}:1"
        assert f"{run_id}:1" not in seen(stage, fresh.id, "tool look", "key")
        calls = [
            (one.number, one.kind, one.state) for one in stage.platform.journal.of_run(fresh.id)
        ]
        assert calls == [
            (1, "tool", "done"),
            (2, "retrieval", "done"),
            (3, "model", "done"),
            (4, "tool", "done"),
            (5, "tool", "done"),
            (6, "model", "done"),
            (7, "tool", "done"),
        ]
        effects = stage.platform.effects.list()
        assert sorted(one.state for one in effects) == ["done", "done"]
        assert stage.platform.events.gaps() == []


def test_invariant_02_a_run_that_would_pay_twice_stays_where_it_is(tmp_path: Path) -> None:
    """Without a business key the payment behind the model's turn cannot be made anew."""

    def write(folder: Path, *, concurrency: int = 1) -> Path:
        write_desk(folder, concurrency=concurrency)
        path = folder / "app.py"
        path.write_text(path.read_text().replace(', key=["item"]', ""))
        return folder

    with scene(tmp_path / "app", concurrency=4, write=write) as stage:
        good, bad = two_releases(stage)
        run_id = begin(stage, "desk", PARKED_S)
        with worker_that_stays(stage):
            park(stage, run_id)
            with pytest.raises(RunPinned, match="pay"):
                stage.platform.control.move(run_id, (bad, good), ORDER)
            ended = stage.wait(run_id)
        assert (ended.id, ended.state, ended.release) == (run_id, "succeeded", bad.digest)
        paid = seen(stage, run_id, "tool pay", "key")
        assert len(paid) == len(set(paid)) == 2
