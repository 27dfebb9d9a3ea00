"""What happens to a route: how it is set up, made to go wrong, and seen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pydantic_ai.exceptions import ModelHTTPError

from fairlead.adapters.pydantic_ai import durability
from fairlead.core.breaker import Breaker
from fairlead.core.calls import Usage
from fairlead.core.errors import FairleadError
from fairlead.core.identity import Principal
from fairlead.core.limits import Limits
from fairlead.core.rates import Rate
from fairlead.core.release import Manifest
from fairlead.ports.documents import Hit, Query
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import Order, Room, RunRecord, Spent
from fairlead.ports.waits import Wait
from fairlead.runtime.switches import FRESH_S
from fairlead.testing import FakeAuthorizer, FakeDocuments, FakeEngine
from tests.acceptance.support.routes import TARGETS, Route, World
from tests.unit.runtime.bench import TEXT, Bench, documents_of, manifest_of

if TYPE_CHECKING:
    from tests.acceptance.support.situation import Situation

SLOW = Rate(1, per_s=10_000.0)
COST_USD = 0.5
"""What each model turn costs here."""

FIELDS = ("said", "content", "text")
"""Where a tool, a model and a passage say something."""

KEY = "AKIA" + "Q7" * 8
"""A secret that is known by its form."""


class Seen(NamedTuple):
    """How a run came out.

    Attributes:
        state: The run's state.
        code: Its error's code; empty for none.
        bodies: How often a target's body was executed.
        spans: How many spans of targets there are.
        marked: How many targets' records hold what the situation looks for.
    """

    state: str
    code: str
    bodies: int
    spans: int
    marked: int = 0


class Crash(BaseException):
    """Stands for the death of the worker: nothing catches it, nothing is recorded after it."""


class DyingEngine(FakeEngine):
    """An engine of a process that can die: after the first crash no step is executed."""

    dead = False

    async def step(self, name: str, body: Any) -> Any:
        if self.dead:
            raise Crash
        try:
            return await super().step(name, body)
        except Crash:
            self.dead = True
            raise


class Scene:
    """One route on a bench, in a world that can be made to misbehave.

    Attributes:
        route: The route.
        world: The outside.
        marks: Whether a target's record holds what the situation looks for.
        agreed: What a person says who is asked; None when nobody answers.
        bench: Where the run is executed.
    """

    def __init__(self, route: Route, situation: Situation) -> None:
        self.route, self.world, self.marks = route, situation.world(), situation.marks
        self.agreed: bool | None = True
        workflow = route.workflow(self.world)
        manifest = situation.change(manifest_of(workflow), route)
        documents = documents_of(f"{TEXT} {self.world.said}")
        if route.kind == "retrieval":
            documents = SearchedDocuments(passages=documents.passages)
            documents.world = self.world
        self.bench = Bench(
            workflow,
            manifest=manifest,
            authorizer=authorizer_of(situation.rules, TARGETS[route.kind]),
            documents=documents,
            plan=None if situation.plan is None else situation.plan(route),
        )
        self.bench.seat.answer = self._answer
        admit = self.bench.runs.admit

        def admitted(run: RunRecord, *, room: Room) -> RunRecord:
            self.world.body()
            return admit(run, room=room)

        self.bench.runs.admit = admitted  # type: ignore[method-assign]

    def _answer(self, wait: Wait) -> None:
        """Be the person who is asked, and the worker that executes children."""
        bench = self.bench
        if wait.kind == "approval" and self.agreed is not None:
            bench.approvals.answer(wait.topic, self.agreed, Order(by="ann", reason=""))
        if wait.kind == "child":
            child = replace(bench.runs.get(wait.topic), state="succeeded")
            bench.runs.records[child.id] = replace(child, outcome={"answer": "item"})
            bench.waits.answer("child", child.id, {"state": "succeeded"})

    def seen(self) -> Seen:
        """Return how the run came out."""
        run = self.bench.runs.get("r1")
        target = (self.route.kind, TARGETS[self.route.kind])
        spans = self.bench.telemetry.spans.count(target)
        code = (run.outcome or {}).get("code", "")
        records = self.bench.journal.of_run("r1")
        marked = sum(self.marks(one) for one in records if (one.kind, one.name) == target)
        return Seen(run.state, code, len(self.world.bodies), spans, marked)


def authorizer_of(rules: str, target: str) -> FakeAuthorizer:
    """Return policies that deny a target, ask a person about it, or take fields out of results."""
    named = frozenset([target])
    return FakeAuthorizer(
        denied=named if rules == "deny" else frozenset(),
        asking=named if rules == "ask" else frozenset(),
        redacting=FIELDS if rules == "redact" else (),
    )


class SearchedDocuments(FakeDocuments):
    """Documents whose search is the target's body."""

    world: World

    def search(self, query: Query) -> list[Hit]:
        self.world.body()
        return list(super().search(query))


def as_it_is(manifest: Manifest, _: Route) -> Manifest:
    return manifest


def limited(manifest: Manifest, **limits: Any) -> Manifest:
    """Return the manifest with other limits."""
    terms = manifest.workflows["route"]
    terms = replace(terms, limits=replace(terms.limits, **limits))
    return replace(manifest, workflows={"route": terms})


def contracted(manifest: Manifest, **values: Any) -> Manifest:
    """Return the manifest with another contract of its tool."""
    contract = replace(manifest.contracts["touch"], **values)
    return replace(manifest, contracts={"touch": contract})


def just_run(scene: Scene) -> None:
    scene.bench.execute()


def too_narrow(manifest: Manifest, _: Route) -> Manifest:
    schema = {"type": "object", "properties": {"item": {"type": "string", "maxLength": 2}}}
    return contracted(manifest, parameters=schema)


def refused_by_person(scene: Scene) -> None:
    """Somebody says no."""
    scene.agreed = False
    scene.bench.execute()


def unanswered(scene: Scene) -> None:
    """Nobody answers."""
    scene.agreed = None
    scene.bench.execute()


def family_of_spenders(scene: Scene) -> None:
    """The run is a child, and its family has made its calls when the first target is asked for."""
    runs = scene.bench.runs
    run = runs.records["r1"]
    runs.records["r0"] = replace(run, id="r0", state="waiting")
    runs.records["r1"] = replace(run, parent_id="r0", parent_call=1, root_id="r0")

    def on_turn(number: int) -> None:
        if number == scene.route.turns:
            runs.used = Spent(calls=Limits().steps)

    scene.world.on_turn = on_turn
    scene.bench.execute()


def ungranted(scene: Scene) -> None:
    """Whoever asks was granted something else."""
    runs = scene.bench.runs.records
    asker = Principal(scopes=("orders:read",), issuer="fairlead")
    runs["r1"] = replace(runs["r1"], principal=asker)
    scene.bench.execute()


def pull(scene: Scene) -> None:
    """Pull the switch of the whole workflow; each worker reads it from now on."""
    scene.bench.kills.pull("workflow", "route", Order(by="ann", reason=scene.world.why))
    scene.bench.clock.time += FRESH_S


def stopped_late(scene: Scene) -> None:
    """The switch is pulled before the first target, and after that the run is late, too."""

    def on_turn(number: int) -> None:
        if number == scene.route.turns:
            pull(scene)

    late(scene, then=on_turn)


def stopped_meanwhile(scene: Scene) -> None:
    """A target fails in a way that may pass, and meanwhile the switch is pulled."""
    stumble(scene, then=lambda: pull(scene))


def misfit(scene: Scene) -> None:
    """A tool's arguments do not fit its contract; what has no contract is too large."""
    if scene.route.kind != "tool":
        scene.world.words = "item " * 250_000
    scene.bench.execute()


def lengthy(scene: Scene) -> None:
    """A model turn is asked more than its context may hold, and less than is beyond any bound."""
    if scene.route.kind == "model":
        scene.world.words = "item " * 80_000
    scene.bench.execute()


def costly(scene: Scene) -> None:
    """Each model turn costs money."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durability, "usage_of", lambda _: Usage(cost_usd=COST_USD))
        scene.bench.execute()


def late(scene: Scene, *, then: Callable[[int], None] = lambda _: None) -> None:
    """The turn before the first target takes longer than the run may.

    Where a person is asked in between, that would end the code that waits for them. So there it is
    the look into the record that takes too long.

    Args:
        scene: The scene.
        then: Called inside each model turn with its number, before that.
    """
    bench, first = scene.bench, scene.route.first
    find = bench.journal.find

    def on_turn(number: int) -> None:
        then(number)
        if number == scene.route.turns and not scene.route.asks:
            bench.clock.time += 1000.0

    def found(run_id: str, number: int) -> CallRecord | None:
        if number == first and scene.route.asks:
            bench.clock.time += 1000.0
        return find(run_id, number)

    scene.world.on_turn = on_turn
    bench.journal.find = found  # type: ignore[method-assign]
    bench.execute()


def crash_after_record(scene: Scene) -> None:
    """The worker dies when the targets are on record and the engine does not know it."""
    scene.bench.execute()
    scene.bench.forget_end()
    scene.bench.execute(scene.bench.engine.replay(keep=scene.route.steps))


def crash_in_body(scene: Scene) -> None:
    """The worker dies inside the first target's body; another one goes on."""

    def die() -> None:
        scene.world.on_body = lambda: None
        raise Crash

    scene.world.on_body = die
    dying = DyingEngine()
    with pytest.raises(Crash):
        scene.bench.execute(dying)
    scene.bench.execute(dying.replay())


def stumble(scene: Scene, *, then: Callable[[], None] = lambda: None) -> None:
    """The first execution of a target's body fails in a way that may pass.

    Args:
        scene: The scene.
        then: Called inside that body.
    """

    def fail() -> None:
        scene.world.on_body = lambda: None
        then()
        if scene.route.kind == "model":
            raise ModelHTTPError(503, "target")
        raise ConnectionError("the line is bad")

    scene.world.on_body = fail
    scene.bench.execute()


def throttle_name_of(route: Route) -> str:
    return f"{route.kind}:{TARGETS[route.kind]}"


def slow(manifest: Manifest, route: Route) -> Manifest:
    """The target's next token comes after the run's deadline."""
    return replace(manifest, rates={throttle_name_of(route): SLOW})


def used_up(scene: Scene) -> None:
    """Another run has taken the only token."""
    scene.bench.throttle.take(throttle_name_of(scene.route), SLOW, most_s=0.0)
    scene.bench.execute()


def broken(scene: Scene) -> None:
    """The target's breaker is open, for longer than the run may take."""
    opened = Breaker(phase="open", changed_at=scene.bench.clock.now())
    scene.bench.throttle.breakers[throttle_name_of(scene.route)] = opened
    scene.bench.execute()


def spinning(scene: Scene) -> None:
    """The workflow goes round in a circle, and goes on as if nobody had stopped it."""

    async def spin(run: Any, tool: Any) -> None:
        for _ in range(4):
            with suppress(FairleadError):
                await run.call(tool)

    scene.world.first = spin
    scene.bench.execute()
