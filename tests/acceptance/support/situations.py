"""Situations in which an interceptor matters, one or more for each interceptor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.core.breaker import BreakerTerms
from fairlead.core.budget import Budget
from fairlead.core.calls import Done
from fairlead.core.release import Manifest
from fairlead.guardrails.fields import REDACTED
from fairlead.ports.journal import CallRecord
from fairlead.testing.faults import Action, Delay, Fail, Fault, FaultPlan
from fairlead.testing.faults.plan import Moment
from tests.acceptance.support.plays import (
    COST_USD,
    KEY,
    Scene,
    Seen,
    broken,
    contracted,
    costly,
    crash_after_record,
    crash_in_body,
    family_of_spenders,
    late,
    lengthy,
    limited,
    misfit,
    refused_by_person,
    slow,
    spinning,
    stopped_late,
    stopped_meanwhile,
    stumble,
    too_narrow,
    unanswered,
    ungranted,
    used_up,
)
from tests.acceptance.support.routes import TARGETS, Route, World
from tests.acceptance.support.situation import (
    Situation,
    failed,
    failed_first,
    found_out,
    marked,
    refused,
    refused_when_asked,
    refused_with_mark,
    served,
    stopped,
    stopped_after_one,
    unknown,
    withheld,
)

CARD = "4111 1111 1111 1111"
"""A card's number, which a guardrail blocks."""


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


def asking(route: Route) -> bool:
    """Whether the workflow's own code asks a person first."""
    return route.asks


def not_asking(route: Route) -> bool:
    """Whether nobody is asked but by a rule."""
    return not route.asks


def says(text: str) -> Callable[[CallRecord], bool]:
    """Look for a text in what a call returned."""
    return lambda record: isinstance(record.result, Done) and text in str(record.result.value)


def labelled(record: CallRecord) -> bool:
    """Look for the label of what a call returned."""
    return isinstance(record.result, Done) and "" in record.result.labels


def budgeted(manifest: Manifest, route: Route) -> Manifest:
    """The run has a budget for its calls before the first target."""
    return replace(manifest, budgets=(Budget(name="few", scope="run", calls=route.first - 1),))


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
    Situation(interceptor="grants", name="not granted", expected=refused("FL-500"), play=ungranted),
    Situation(interceptor="policy", name="denied", expected=refused("FL-500"), rules="deny"),
    Situation(interceptor="refusal", name="denied", expected=refused("FL-500"), rules="deny"),
    # Where the workflow's own code asks, a rule that asks, too, changes nothing here.
    Situation(
        interceptor="policy",
        name="asks, and a no",
        expected=refused_when_asked("FL-507"),
        play=refused_by_person,
        rules="ask",
        fits=not_asking,
    ),
    Situation(
        interceptor="refusal",
        name="asks, and no answer",
        expected=refused_when_asked("FL-508"),
        play=unanswered,
        rules="ask",
        fits=not_asking,
    ),
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
    Situation(
        interceptor="redaction",
        name="a secret in a result",
        expected=marked,
        world=lambda: World(said=KEY, words=f"item {KEY}"),
        marks=says("[redacted:aws-key]"),
        fits=lambda route: route.kind != "child",
    ),
    Situation(
        interceptor="redaction",
        name="a secret in a reason",
        expected=refused_with_mark("FL-521"),
        play=stopped_late,
        world=lambda: World(why=f"it shows {KEY}"),
        marks=lambda record: "[redacted:aws-key]" in record.reason,
    ),
    Situation(
        interceptor="screen",
        name="a result that is blocked",
        expected=withheld("FL-632"),
        world=lambda: World(
            said=CARD, rails=(fl.checks.personal_data(stage="tool", on_fail="block"),)
        ),
    ),
    Situation(interceptor="label", name="any", expected=marked, marks=labelled),
    Situation(
        interceptor="redact",
        name="fields of a result",
        expected=marked,
        rules="redact",
        marks=says(REDACTED),
    ),
    Situation(
        interceptor="kill_switch",
        name="pulled, and late",
        expected=refused("FL-521"),
        play=stopped_late,
    ),
    Situation(
        interceptor="kill_switch_again",
        name="pulled meanwhile",
        expected=stopped_after_one("FL-521"),
        play=stopped_meanwhile,
    ),
    Situation(
        interceptor="budget",
        name="used up",
        expected=refused("FL-520"),
        change=budgeted,
    ),
    Situation(interceptor="deadline", name="late", expected=refused("FL-505"), play=late),
    Situation(
        interceptor="approval",
        name="a no",
        expected=refused("FL-507"),
        play=refused_by_person,
        fits=asking,
    ),
    Situation(
        interceptor="approval",
        name="no answer",
        expected=refused("FL-508"),
        play=unanswered,
        fits=asking,
    ),
    Situation(
        interceptor="approval",
        name="a rule asks, and a no",
        expected=refused_when_asked("FL-507"),
        play=refused_by_person,
        rules="ask",
    ),
    Situation(
        interceptor="approval",
        name="a rule asks, and no answer",
        expected=refused_when_asked("FL-508"),
        play=unanswered,
        rules="ask",
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
        world=lambda: World(probed=True),
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
