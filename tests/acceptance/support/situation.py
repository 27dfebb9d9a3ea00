"""What a situation is, and how a route can come out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fairlead.core.release import Manifest
from fairlead.ports.journal import CallRecord
from fairlead.testing.faults import FaultPlan
from tests.acceptance.support.plays import Scene, Seen, as_it_is, just_run
from tests.acceptance.support.routes import Route, World


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where an interceptor matters.

    Attributes:
        interceptor: The interceptor.
        name: What is the matter.
        expected: How a route comes out, with the interceptor in its place.
        play: Runs the scene.
        change: Changes what the run is pinned to.
        rules: What the policies do about the target: `deny` it, `ask` a person first, or `redact`
            what comes back; empty for nothing.
        world: Makes the outside.
        marks: Whether a target's record holds what this is about.
        fits: Which routes can be in it.
        plan: What breaks; None as in production.
    """

    interceptor: str
    name: str
    expected: Callable[[Route], Seen]
    play: Callable[[Scene], None] = just_run
    change: Callable[[Manifest, Route], Manifest] = as_it_is
    rules: Literal["", "deny", "ask", "redact"] = ""
    world: Callable[[], World] = World
    marks: Callable[[CallRecord], bool] = lambda _: False
    fits: Callable[[Route], bool] = lambda _: True
    plan: Callable[[Route], FaultPlan] | None = None


def asked_for(route: Route) -> int:
    """Return how many targets are asked for when none is executed."""
    return route.targets if route.goes_on else 1


def refused(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for is denied, recorded with a span, and never executed."""
    return lambda route: Seen("denied", code, 0, asked_for(route))


def refused_when_asked(code: str) -> Callable[[Route], Seen]:
    """As `refused`; a question of the policies has a span of its own before that."""
    return lambda route: Seen("denied", code, 0, asked_for(route) * (1 if route.asks else 2))


def refused_with_mark(code: str) -> Callable[[Route], Seen]:
    """As `refused`, and each record holds what the situation looks for."""
    return lambda route: Seen("denied", code, 0, asked_for(route), asked_for(route))


def stopped(route: Route) -> Seen:
    """Nothing is executed any more; where a model's turn comes first, that is what is refused."""
    asked = asked_for(route)
    return Seen("denied", "FL-506", 0, 0 if route.turns > 1 else asked)


def failed(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for fails, recorded with a span, and is never executed."""
    return lambda route: Seen("failed", code, 0, asked_for(route))


def served(*, again: int = 0) -> Callable[[Route], Seen]:
    """Every target is executed, some again, each in one span."""
    return lambda route: Seen("succeeded", "", route.targets + again, route.targets)


def marked(route: Route) -> Seen:
    """Every target is executed, and each record holds what the situation looks for."""
    return Seen("succeeded", "", route.targets, route.targets, route.targets)


def withheld(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for is executed, and what it returned is withheld."""
    return lambda route: Seen("failed", code, asked_for(route), asked_for(route))


def stopped_after_one(code: str) -> Callable[[Route], Seen]:
    """The first target is tried once; whatever is asked for after that is not executed."""
    return lambda route: Seen("denied", code, 1, asked_for(route))


def unknown(route: Route) -> Seen:
    """The first target is unknown and not repeated; the crash had a span of its own."""
    asked = asked_for(route)
    return Seen("failed", "FL-405", asked, asked + 1)


def found_out(route: Route) -> Seen:
    """Every target is executed once; the crash had a span of its own."""
    return Seen("succeeded", "", route.targets, route.targets + 1)


def failed_first(route: Route) -> Seen:
    """The first target fails and is not executed; the others are, when they are asked for."""
    asked = asked_for(route)
    return Seen("failed", "FL-603", asked - 1, asked)
