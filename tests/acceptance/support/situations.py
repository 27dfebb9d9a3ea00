"""Situations in which an interceptor matters, one or more for each interceptor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest
from pydantic_ai.exceptions import ModelHTTPError

from fairlead.adapters.pydantic_ai import durability, generator
from fairlead.core.calls import Usage
from fairlead.core.release import Manifest
from fairlead.ports.documents import Hit, Query
from fairlead.testing import FakeAuthorizer, FakeDocuments, FakeEngine
from tests.acceptance.support.routes import TARGETS, Route, World
from tests.unit.runtime.bench import TEXT, Bench, documents_of, manifest_of

COST_USD = 0.5
"""What each model turn costs here."""


class Seen(NamedTuple):
    """How a run came out: its state, its error's code, target bodies executed, target spans."""

    state: str
    code: str
    bodies: int
    spans: int


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
    """One route on a bench, in a world that can be made to misbehave."""

    def __init__(self, route: Route, situation: Situation) -> None:
        self.route, self.world = route, World()
        workflow = route.workflow(self.world)
        manifest = situation.change(manifest_of(workflow), route)
        denied = frozenset([TARGETS[route.kind]] if situation.denies else [])
        documents = documents_of(TEXT)
        if route.kind == "retrieval":
            documents = SearchedDocuments(passages=documents.passages)
            documents.world = self.world
        self.bench = Bench(
            workflow,
            manifest=manifest,
            authorizer=FakeAuthorizer(denied=denied),
            documents=documents,
        )

    def seen(self) -> Seen:
        """Return how the run came out."""
        run = self.bench.runs.get("r1")
        target = (self.route.kind, TARGETS[self.route.kind])
        spans = self.bench.telemetry.spans.count(target)
        code = (run.outcome or {}).get("code", "")
        return Seen(run.state, code, len(self.world.bodies), spans)


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


def misfit(scene: Scene) -> None:
    """A tool's arguments do not fit its contract; what has no contract is too large."""
    if scene.route.kind != "tool":
        scene.world.words = "item " * 250_000
    scene.bench.execute()


def costly(scene: Scene) -> None:
    """Each model turn costs money."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durability, "_usage", lambda _: Usage(cost_usd=COST_USD))
        scene.bench.execute()


def late(scene: Scene) -> None:
    """The turn before the first target takes longer than the run may."""

    def on_turn(number: int) -> None:
        if number == scene.route.turns:
            scene.bench.clock.time += 1000.0

    scene.world.on_turn = on_turn
    scene.bench.execute()


def crash_after_record(scene: Scene) -> None:
    """The worker dies when the targets are on record and the engine does not know it."""
    scene.bench.execute()
    scene.bench.forget_end()
    # The step `begin` comes before the first call.
    scene.bench.execute(scene.bench.engine.replay(keep=scene.route.first))


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


def stumble(scene: Scene) -> None:
    """The first execution of a target's body fails in a way that may pass."""

    def fail() -> None:
        scene.world.on_body = lambda: None
        if scene.route.kind == "model":
            raise ModelHTTPError(503, "target")
        raise ConnectionError("the line is bad")

    scene.world.on_body = fail
    scene.bench.execute()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where an interceptor matters.

    Attributes:
        interceptor: The interceptor.
        name: What is the matter.
        expected: How a route comes out, with the interceptor in its place.
        play: Runs the scene.
        change: Changes what the run is pinned to.
        denies: Whether the policies deny the target.
    """

    interceptor: str
    name: str
    expected: Callable[[Route], Seen]
    play: Callable[[Scene], None] = just_run
    change: Callable[[Manifest, Route], Manifest] = as_it_is
    denies: bool = False


def refused(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for is denied, recorded with a span, and never executed."""
    return lambda route: Seen("denied", code, 0, route.targets if route.goes_on else 1)


def served(*, again: int = 0) -> Callable[[Route], Seen]:
    """Every target is executed, some again, each in one span."""
    return lambda route: Seen("succeeded", "", route.targets + again, route.targets)


def unknown(route: Route) -> Seen:
    """The first target is unknown and not repeated; the crash had a span of its own."""
    asked = route.targets if route.goes_on else 1
    return Seen("failed", "FL-405", asked, asked + 1)


SITUATIONS = (
    Situation(
        interceptor="contract",
        name="no contract",
        expected=refused("FL-501"),
        change=lambda manifest, _: replace(manifest, contracts={}),
    ),
    Situation(
        interceptor="contract",
        name="not listed",
        expected=refused("FL-501"),
        change=lambda manifest, _: replace(
            manifest, workflows={"route": replace(manifest.workflows["route"], tools=())}
        ),
    ),
    Situation(
        interceptor="schema",
        name="misfit",
        expected=refused("FL-502"),
        play=misfit,
        change=too_narrow,
    ),
    Situation(interceptor="policy", name="denied", expected=refused("FL-500"), denies=True),
    Situation(interceptor="refusal", name="denied", expected=refused("FL-500"), denies=True),
    Situation(
        interceptor="limits",
        name="steps",
        expected=refused("FL-503"),
        change=lambda manifest, route: limited(manifest, steps=route.first - 1),
    ),
    Situation(
        interceptor="limits",
        name="cost",
        expected=refused("FL-504"),
        play=costly,
        change=lambda manifest, route: limited(manifest, cost_usd=route.turns * COST_USD - 0.1),
    ),
    Situation(
        interceptor="record", name="crash after it", expected=served(), play=crash_after_record
    ),
    Situation(interceptor="trace", name="any", expected=served()),
    Situation(interceptor="deadline", name="late", expected=refused("FL-505"), play=late),
    Situation(
        interceptor="intent_row",
        name="crash in a body",
        expected=unknown,
        play=crash_in_body,
        change=lambda manifest, _: contracted(manifest, effect="once"),
    ),
    Situation(interceptor="retry", name="transient", expected=served(again=1), play=stumble),
)


def taken(route: Route, situation: Situation) -> Seen:
    """Take a route in a situation; return how the run came out."""
    scene = Scene(route, situation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "make_model", scene.world.named_model)
        situation.play(scene)
    return scene.seen()
