"""The way in: a request becomes a queued run under a release, or nothing happens at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import (
    InvalidInput,
    KillSwitchPulled,
    QueueFull,
    RunTimedOut,
    StartKeyReused,
    TokenMissing,
    UnknownWorkflow,
)
from fairlead.core.release import Release, manifest_digest
from fairlead.core.routing import Routes
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Ending, Order, Room
from fairlead.runtime.admission import INPUT_BYTES_MAX, Admission, StartOptions
from fairlead.testing import FakeClock, FakeKills
from tests.unit.runtime.bench import SLO_OF_TESTS, FakeRuns, manifest_of


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

    def __init__(self, **options: Any) -> None:
        self.runs, self.clock = FakeRuns(), FakeClock()
        self.kills = FakeKills(self.clock)
        self.admission = Admission(runs=self.runs, clock=self.clock, kills=self.kills, **options)

    def start(
        self,
        input: Any = "hello",
        workflow: str = "echo",
        tenant: str = "acme",
        user: str = "ann",
        **options: Any,
    ) -> Any:
        principal = fl.Principal(user=user, tenant=tenant)
        given = StartOptions(**options)
        return self.admission.start(RELEASE, workflow, input, principal=principal, options=given)


def test_a_request_is_recorded_queued_and_pinned() -> None:
    door = Door()
    run = door.start()
    assert door.runs.get(run.id) == run
    assert list(door.runs.records) == [run.id]
    assert (run.queue, run.priority, run.worker_id, run.claims) == ("default", 0, None, 0)
    assert run.created_at == door.clock.now()
    assert (run.state, run.purpose, run.input) == ("queued", "user", "hello")
    assert (run.release, run.code_digest) == (RELEASE.digest, MANIFEST.code_digest)
    assert run.principal == fl.Principal(user="ann", tenant="acme")


def test_a_run_is_of_the_environment_that_admitted_it_or_that_drew_its_release() -> None:
    routes = Routes(environment="live", baseline=RELEASE.digest)
    door = Door(environment="stage", routes=lambda: routes, release=lambda _: RELEASE)
    assert door.start().environment == "stage"
    ann = fl.Principal(user="ann", tenant="acme")
    assert door.admission.start_routed("echo", "x", principal=ann).environment == "live"
    assert Door().start().environment is None


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


def test_a_run_that_cannot_be_queued_is_not_recorded() -> None:
    door = Door()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("full")

    door.runs.admit = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="full"):
        door.start()
    assert door.runs.records == {}


def test_invariant_11_the_backlog_is_bounded() -> None:
    door = Door(room=Room(backlog=2))
    door.start()
    door.start()
    with pytest.raises(QueueFull):
        door.start()
    assert len(door.runs.records) == 2


def test_invariant_11_the_default_bounds_reach_the_store() -> None:
    door = Door()
    asked: list[Room] = []

    def admit(run: Any, *, room: Room) -> Any:
        asked.append(room)
        return run

    door.runs.admit = admit  # type: ignore[method-assign]
    door.start()
    assert asked == [Room(backlog=100_000, waiting_turns=20)]


def test_a_start_key_gives_the_run_that_is_there() -> None:
    door = Door()
    first = door.start(key="k1", priority=7)
    assert (first.start_key, first.priority) == ("k1", 7)
    assert door.start(key="k1") == first
    assert door.start(key="k2").id != first.id
    assert door.start(key="k1", tenant="other").id != first.id
    with pytest.raises(StartKeyReused):
        door.start("something else", key="k1")


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 101},
        {"priority": -101},
        {"key": ""},
        {"key": "k" * 201},
        {"key": "a\0b"},
        {"conversation": ""},
        {"conversation": " "},
        {"conversation": "c" * 201},
        {"conversation": "a\nb"},
        {"conversation": "a\0b"},
        {"tenant": "a\0b"},
        {"tenant": "t" * 201},
        {"user": ""},
        {"user": "\ud800"},
    ],
)
def test_options_beyond_their_bounds_are_refused(options: dict[str, Any]) -> None:
    door = Door()
    with pytest.raises(InvalidInput):
        door.start(**options)
    assert door.runs.records == {}


def test_a_run_without_a_tenant_is_refused() -> None:
    door = Door()
    with pytest.raises(InvalidInput, match="tenant"):
        door.start(tenant="")
    assert door.runs.records == {}


def test_the_purpose_is_on_record() -> None:
    assert Door().start(purpose="gate").purpose == "gate"


def test_who_waits_gets_the_run_when_it_has_ended() -> None:
    door = Door()
    run = door.start()
    ending = Ending(state="succeeded", outcome={}, reason="")
    door.runs.finish(run.id, ending, Fence(worker_id="w1", claim=1))
    assert asyncio.run(door.admission.wait(run.id, 1.0)).state == "succeeded"


def test_invariant_11_nobody_waits_for_ever() -> None:
    door = Door()
    run = door.start()
    with pytest.raises(RunTimedOut):
        asyncio.run(door.admission.wait(run.id, -1.0))
    assert door.runs.get(run.id).state == "queued"


def test_where_identity_is_required_a_name_that_is_only_stated_starts_nothing() -> None:
    door = Door(verified=True)
    with pytest.raises(TokenMissing):
        door.start()
    assert door.runs.records == {}
    ada = fl.Principal(user="ada", tenant="acme", issuer="fairlead")
    run = door.admission.start(RELEASE, "echo", "hello", principal=ada)
    assert run.principal == ada


@pytest.mark.parametrize(
    ("scope", "which"),
    [("app", "bench"), ("workflow", "echo"), ("release", RELEASE.digest), ("tenant", "acme")],
)
def test_what_is_stopped_is_not_started(scope: Any, which: str) -> None:
    door = Door()
    door.kills.pull(scope, which, Order(by="ann", reason="it pays twice"))
    with pytest.raises(KillSwitchPulled, match=r"was stopped by ann .* it pays twice"):
        door.start()
    assert door.runs.records == {}
    door.kills.lift(scope, which, Order(by="ann", reason="repaired"))
    assert door.start().state == "queued"
