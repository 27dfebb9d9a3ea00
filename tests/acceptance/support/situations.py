"""Situations in which an interceptor matters, one or more for each interceptor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from fairlead.adapters.pydantic_ai import generator
from fairlead.core.breaker import BreakerTerms
from fairlead.core.release import Manifest
from fairlead.testing.faults import Action, Delay, Fail, Fault, FaultPlan
from fairlead.testing.faults.plan import Moment
from tests.acceptance.support.plays import (
    COST_USD,
    Scene,
    Seen,
    as_it_is,
    broken,
    contracted,
    costly,
    crash_after_record,
    crash_in_body,
    family_of_spenders,
    just_run,
    late,
    lengthy,
    limited,
    misfit,
    refused_by_person,
    slow,
    spinning,
    stumble,
    too_narrow,
    unanswered,
    used_up,
)
from tests.acceptance.support.routes import TARGETS, Route


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
        probed: Whether the tool can find out afterwards what happened.
        plan: What breaks; None as in production.
    """

    interceptor: str
    name: str
    expected: Callable[[Route], Seen]
    play: Callable[[Scene], None] = just_run
    change: Callable[[Manifest, Route], Manifest] = as_it_is
    denies: bool = False
    probed: bool = False
    plan: Callable[[Route], FaultPlan] | None = None


def refused(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for is denied, recorded with a span, and never executed."""
    return lambda route: Seen("denied", code, 0, route.targets if route.goes_on else 1)


def stopped(route: Route) -> Seen:
    """Nothing is executed any more; where a model's turn comes first, that is what is refused."""
    asked = route.targets if route.goes_on else 1
    return Seen("denied", "FL-506", 0, 0 if route.turns > 1 else asked)


def failed(code: str) -> Callable[[Route], Seen]:
    """Every target that is asked for fails, recorded with a span, and is never executed."""
    return lambda route: Seen("failed", code, 0, route.targets if route.goes_on else 1)


def served(*, again: int = 0) -> Callable[[Route], Seen]:
    """Every target is executed, some again, each in one span."""
    return lambda route: Seen("succeeded", "", route.targets + again, route.targets)


def unknown(route: Route) -> Seen:
    """The first target is unknown and not repeated; the crash had a span of its own."""
    asked = route.targets if route.goes_on else 1
    return Seen("failed", "FL-405", asked, asked + 1)


def found_out(route: Route) -> Seen:
    """Every target is executed once; the crash had a span of its own."""
    return Seen("succeeded", "", route.targets, route.targets + 1)


def breaking(route: Route, moment: Moment, action: Action) -> FaultPlan:
    """Return a plan that breaks the first target."""
    return FaultPlan(
        Fault(
            boundary="call",
            name=TARGETS[route.kind],
            call=route.first,
            counted="run",
            moment=moment,
            action=action,
        )
    )


def failed_first(route: Route) -> Seen:
    """The first target fails and is not executed; the others are, when they are asked for."""
    asked = route.targets if route.goes_on else 1
    return Seen("failed", "FL-603", asked - 1, asked)


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
        interceptor="refusal",
        name="steps",
        expected=refused("FL-503"),
        change=lambda manifest, route: limited(manifest, steps=route.first - 1),
    ),
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
        interceptor="context",
        name="too large",
        expected=refused("FL-617"),
        play=lengthy,
    ),
    Situation(
        interceptor="record", name="crash after it", expected=served(), play=crash_after_record
    ),
    Situation(interceptor="trace", name="any", expected=served()),
    Situation(interceptor="deadline", name="late", expected=refused("FL-505"), play=late),
    Situation(
        interceptor="approval", name="a no", expected=refused("FL-507"), play=refused_by_person
    ),
    Situation(
        interceptor="approval", name="no answer", expected=refused("FL-508"), play=unanswered
    ),
    Situation(
        interceptor="family",
        name="all is spent",
        expected=refused("FL-503"),
        play=family_of_spenders,
    ),
    Situation(
        interceptor="ledger",
        name="crash in a body, and a probe knows",
        expected=found_out,
        play=crash_in_body,
        change=lambda manifest, _: contracted(manifest, effect="once"),
        probed=True,
    ),
    Situation(
        interceptor="intent",
        name="crash in a body",
        expected=unknown,
        play=crash_in_body,
        change=lambda manifest, _: contracted(manifest, effect="once"),
    ),
    Situation(interceptor="loop", name="spins", expected=stopped, play=spinning),
    Situation(
        interceptor="rate", name="used up", expected=failed("FL-620"), play=used_up, change=slow
    ),
    Situation(
        interceptor="breaker",
        name="open",
        expected=failed("FL-606"),
        play=broken,
        change=lambda manifest, _: replace(manifest, breaker=BreakerTerms(open_s=10_000.0)),
    ),
    Situation(interceptor="retry", name="transient", expected=served(again=1), play=stumble),
    Situation(
        interceptor="journal_faults",
        name="a pause before the record",
        expected=refused("FL-505"),
        plan=lambda route: breaking(route, "asked", Delay(seconds=1000.0)),
    ),
    Situation(
        interceptor="driver_faults",
        name="a body that fails",
        expected=failed_first,
        plan=lambda route: breaking(route, "before", Fail()),
    ),
)


def taken(route: Route, situation: Situation) -> Seen:
    """Take a route in a situation; return how the run came out."""
    scene = Scene(route, situation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "make_model", scene.world.named_model)
        situation.play(scene)
    return scene.seen()
