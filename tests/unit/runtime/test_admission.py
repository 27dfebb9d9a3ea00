"""The way in: a request becomes a queued run under a release, or nothing happens at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import InvalidInput, RunFinished, RunTimedOut, UnknownWorkflow
from fairlead.core.release import Release, manifest_digest
from fairlead.runtime.admission import INPUT_BYTES_MAX, Admission
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import SLO_OF_TESTS, FakeRuns, manifest_of
from tests.unit.runtime.test_worker import FakeQueue


@fl.workflow(
    intent="Be admitted", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS
)
async def echo(_: fl.Run[str], text: str) -> str:
    """Say it again."""
    return text


MANIFEST = manifest_of(echo)
RELEASE = Release(digest=manifest_digest(MANIFEST), manifest=MANIFEST, created_at=0.0)


class Door:
    """An admission on fakes."""

    def __init__(self) -> None:
        self.runs, self.queue, self.clock = FakeRuns(), FakeQueue(), FakeClock()
        self.admission = Admission(runs=self.runs, queue=self.queue, clock=self.clock)

    def start(self, input: Any = "hello", workflow: str = "echo") -> Any:
        return self.admission.start(
            RELEASE, workflow, input, principal=fl.Principal(user="ann", tenant="acme")
        )


def test_a_request_is_recorded_queued_and_pinned() -> None:
    door = Door()
    run = door.start()
    assert door.queue.queued == [run.id]
    assert door.runs.get(run.id) == run
    assert (run.state, run.purpose, run.input) == ("queued", "user", "hello")
    assert (run.release, run.code_digest) == (RELEASE.digest, MANIFEST.code_digest)
    assert run.principal == fl.Principal(user="ann", tenant="acme")


REFUSED = [
    pytest.param(17, "echo", InvalidInput, id="it does not fit"),
    pytest.param("x" * (INPUT_BYTES_MAX + 1), "echo", InvalidInput, id="it is too large"),
    pytest.param("hello", "eko", UnknownWorkflow, id="no such workflow"),
]


@pytest.mark.parametrize(("input", "workflow", "error"), REFUSED)
def test_what_is_refused_leaves_nothing(
    input: Any, workflow: str, error: type[fl.FairleadError]
) -> None:
    door = Door()
    with pytest.raises(error):
        door.start(input, workflow)
    assert door.runs.records == {}
    assert door.queue.queued == []


def test_a_run_that_cannot_be_queued_is_not_recorded() -> None:
    door = Door()

    def full(*_: Any) -> None:
        raise OSError("full")

    door.queue.enqueue = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        door.start()
    assert door.runs.records == {}


def test_who_waits_gets_the_run_when_it_has_ended() -> None:
    door = Door()
    run = door.start()
    door.runs.finish(run.id, "succeeded", {}, "")
    assert asyncio.run(door.admission.wait(run.id, 1.0)).state == "succeeded"


def test_invariant_11_nobody_waits_for_ever() -> None:
    door = Door()
    run = door.start()
    with pytest.raises(RunTimedOut):
        asyncio.run(door.admission.wait(run.id, -1.0))
    assert door.runs.get(run.id).state == "queued"


def test_a_run_is_cancelled_once() -> None:
    door = Door()
    run = door.start()
    assert door.admission.cancel(run.id, by="ann", reason="a mistake").state == "cancelled"
    assert door.queue.cancelled == [run.id]
    with pytest.raises(RunFinished):
        door.admission.cancel(run.id, by="ann", reason="again")
    assert door.queue.cancelled == [run.id]
