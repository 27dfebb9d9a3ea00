"""A run of a release that was made under a baseline: both sets of policies decide each call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.baseline import Baseline
from fairlead.delivery.baseline import made_under
from fairlead.runtime.execute import rules_of
from tests.unit.guardrails.test_baseline import ALL, MANIFEST, paying
from tests.unit.runtime.bench import Bench

FORBIDS = '@id("no") forbid (principal, action == Action::"call", resource == Tool::"pay");'


def bench_of(baseline: Baseline | None, *, shadow: str = "", input: int = 5) -> Bench:
    asked = replace(MANIFEST, policies={"p": ALL}, shadow={"s": shadow} if shadow else {})
    bench = Bench(paying, input=input, manifest=made_under(asked, baseline))
    bench.runner.compile = compile_policies
    return bench


def test_a_run_is_denied_what_its_baseline_forbids() -> None:
    assert bench_of(None).execute().state == "succeeded"
    assert bench_of(Baseline(name="b", version="1")).execute().state == "succeeded"
    bench = bench_of(Baseline(name="b", version="1", policies={"b": FORBIDS}))
    run = bench.execute()
    assert (run.state, run.outcome["code"]) == ("denied", "FL-500")
    assert bench.effects.records == {}
    verdict = bench.journal.decisions["r1", 1]
    assert verdict.rules == ("baseline:no",)
    assert verdict.policy == rules_of(bench.manifest, compile_policies).bundle.digest


def test_a_run_has_no_more_than_the_baselines_limits() -> None:
    baseline = Baseline(name="b", version="1", limits={"wall_time_s": 2})
    bench, plain = bench_of(baseline), bench_of(None)
    for one in (bench, plain):
        # Both began three seconds ago.
        begun = replace(one.runs.records["r1"], state="running", started_at=one.clock.time - 3)
        one.runs.records["r1"] = begun
    assert plain.execute().state == "succeeded"
    assert bench.execute().outcome["code"] == "FL-505"


@pytest.mark.parametrize("shadow", [FORBIDS, 'forbid (principal, action, resource in "x");'])
def test_a_run_ends_as_it_would_without_its_shadow(shadow: str) -> None:
    plain, bench = bench_of(None), bench_of(None, shadow=shadow)
    assert plain.execute().outcome == bench.execute().outcome
    assert plain.engine.steps == bench.engine.steps
    differs = bench.journal.decisions["r1", 1].shadow
    assert (differs is not None) is (shadow == FORBIDS)
