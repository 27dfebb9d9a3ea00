"""A baseline's folder, an app under it, and which releases may be made and activated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.baseline import WINDOW_S, Baseline, ContractRules, Enforcement, Standing
from fairlead.core.errors import (
    BaselineNotAccepted,
    BaselineViolated,
    InvalidBaseline,
    NoPreviousRelease,
)
from fairlead.core.release import Manifest, Release
from fairlead.delivery.baseline import check_baseline, made_under, parse_baseline, refuse_violations
from fairlead.delivery.release import Releases
from fairlead.ports.app_files import AppFiles
from fairlead.ports.releases import Evidence
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import FakeReleases, manifest_of
from tests.unit.runtime.test_admission import echo

WHOLE = """
name = "acme"
version = "3"
window_s = 60
[limits]
steps = 30
cost_usd = 0.5
wall_time_s = 90
[guardrails]
required = ["grounded"]
[contracts]
forbidden_effects = ["once"]
forbidden_scopes = ["admin:*"]
allowed_scopes = ["*:read"]
forbid_egress = true
"""
MANIFEST = manifest_of(echo)
NARROW = Baseline(name="acme", version="1", limits={"steps": 5})
OTHER = Baseline(name="acme", version="2", limits={"steps": 6})


def files(text: str, **policies: str) -> AppFiles:
    named = {f"policies/{name}.cedar": rule.encode() for name, rule in policies.items()}
    return AppFiles(code={}, bundle={"baseline.toml": text.encode(), **named})


def test_a_folder_becomes_a_baseline() -> None:
    found = parse_baseline(files(WHOLE, p="forbid(principal, action, resource);"))
    assert found == Baseline(
        name="acme",
        version="3",
        window_s=60.0,
        limits={"cost_usd": 0.5, "steps": 30, "wall_time_s": 90},
        guardrails=("grounded",),
        contracts=ContractRules(
            forbidden_effects=("once",),
            forbidden_scopes=("admin:*",),
            allowed_scopes=("*:read",),
            forbid_egress=True,
        ),
        policies={"policies/p.cedar": "forbid(principal, action, resource);"},
    )
    small = parse_baseline(files('name = "a"\nversion = "1"'))
    assert small == Baseline(name="a", version="1", window_s=WINDOW_S)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name must be text"),
        ('name = "a"', "version must be text"),
        ('name = "a"\nversion = 1', "version must be text"),
        ('name = "a\\u0007"\nversion = "1"', "cannot be printed"),
        ("name = ", "not understood"),
        ('name = "a"\nversion = "1"\nsteps = 3', "unknown key 'steps'"),
        ('name = "a"\nversion = "1"\n[limits]\nsleep = 3', "unknown key 'sleep'"),
        ('name = "a"\nversion = "1"\n[limits]\nsteps = 0', "at least 1"),
        ('name = "a"\nversion = "1"\n[limits]\nsteps = 1.5', "whole number"),
        ('name = "a"\nversion = "1"\n[limits]\nsteps = true', "no number"),
        ('name = "a"\nversion = "1"\n[limits]\ncost_usd = inf', "no number"),
        ('name = "a"\nversion = "1"\n[limits]\nwall_time_s = 0', "longer than 0"),
        ('name = "a"\nversion = "1"\nwindow_s = -1', "window_s must be"),
        ('name = "a"\nversion = "1"\nlimits = 3', "limits must be a table"),
        ('name = "a"\nversion = "1"\n[guardrails]\nrequired = "x"', "a list of texts"),
        ('name = "a"\nversion = "1"\n[contracts]\nforbidden_effects = ["x"]', "no effect 'x'"),
        ('name = "a"\nversion = "1"\n[contracts]\nforbid_egress = 1', "true or false"),
    ],
)
def test_what_is_not_understood_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidBaseline, match=said):
        parse_baseline(files(text))


def test_a_folder_without_the_file_is_none() -> None:
    with pytest.raises(InvalidBaseline, match=r"no baseline\.toml"):
        parse_baseline(AppFiles(code={}, bundle={}))


def test_a_policy_that_does_not_compile_is_a_finding() -> None:
    report = check_baseline(files(WHOLE, p="forbid("), compile_policies)
    assert len(report.findings) == 1
    assert "policies/p.cedar" in report.findings[0]
    rule = '@id("x") permit (principal, action, resource);'
    assert len(check_baseline(files(WHOLE, p=rule), compile_policies).findings) == 1
    other = WHOLE.replace('["grounded"]', '["grounded", "grouded"]')
    (unknown,) = check_baseline(files(other), compile_policies).findings
    assert "no guardrail grouded comes with Fairlead; there are: grounded," in unknown
    odd = rule.replace("permit", "forbid").replace(";", ' when { context.effect == "onec" };')
    (never, _) = check_baseline(files(WHOLE, p=odd), compile_policies).findings
    assert "context.effect is never 'onec'" in never
    sound = check_baseline(files(WHOLE, p=rule.replace("permit", "forbid")), compile_policies)
    assert (sound.findings, sound.rules) == ((), 1)


def test_a_manifest_under_a_baseline_has_the_smaller_limits_and_says_so() -> None:
    assert made_under(MANIFEST, None) is MANIFEST
    made = made_under(MANIFEST, NARROW)
    assert made.baseline == NARROW
    terms = made.workflows["echo"]
    assert terms.limits == replace(MANIFEST.workflows["echo"].limits, steps=5)
    assert "at most 5 calls per run" in terms.intent.limits
    with pytest.raises(BaselineViolated, match=r"limits\.steps is 50, .* at most 5"):
        refuse_violations(NARROW, MANIFEST)
    refuse_violations(NARROW, made)


class Desk:
    """Releases of one app, and the series of baselines that were put in force."""

    def __init__(self) -> None:
        self.store, self.clock = FakeReleases(), FakeClock(time=1000.0)
        self.enforced: list[Enforcement] = []
        self.releases = Releases(
            store=self.store, clock=self.clock, environment="default", standing=self.standing
        )

    def standing(self) -> Standing:
        return Standing(enforcements=tuple(self.enforced), now=self.clock.time)

    def enforce(self, baseline: Baseline, window_s: float) -> None:
        made = Enforcement(
            digest=baseline.digest, window_s=window_s, by="ann", time=self.clock.time
        )
        self.enforced.append(made)

    def release(self, baseline: Baseline | None, prompt: str = "") -> Release:
        terms = replace(MANIFEST.workflows["echo"], prompt=prompt)
        asked = replace(MANIFEST, workflows={"echo": terms})
        release, _ = self.releases.create(made_under(asked, baseline))
        evidence = Evidence(release=release.digest, conclusion="success", checks=[], time=1.0)
        self.store.record_gate(evidence)
        return release

    def activate(self, release: Release, override: str | None = None) -> None:
        self.releases.activate(release.digest, by="ann", override=override)


def test_a_release_without_the_baseline_in_force_is_not_made() -> None:
    desk = Desk()
    desk.enforce(NARROW, 0)
    for baseline in (None, OTHER):
        with pytest.raises(BaselineNotAccepted, match="is in force"):
            desk.release(baseline)
    desk.activate(desk.release(NARROW))


@pytest.mark.parametrize("override", [None, "it must go out"])
def test_within_the_window_both_may_be_activated_and_after_it_only_the_new(
    override: str | None,
) -> None:
    desk = Desk()
    bare = desk.release(None)
    desk.enforce(NARROW, 100)
    old = desk.release(NARROW)
    desk.activate(bare, override)
    desk.clock.time += 99
    desk.enforce(OTHER, 50)
    new = desk.release(OTHER)
    desk.activate(old, override)
    desk.clock.time += 10
    with pytest.raises(BaselineNotAccepted, match="made with no baseline"):
        desk.activate(bare, override)
    desk.clock.time += 40
    with pytest.raises(BaselineNotAccepted, match="made with baseline acme 1"):
        desk.activate(old, override)
    desk.activate(new, override)


@pytest.mark.parametrize("change", ["limits", "guardrails", "contracts"])
def test_no_override_lets_a_release_pass_that_does_not_keep_to_its_baseline(change: str) -> None:
    desk = Desk()
    parts: dict[str, Any] = {
        "limits": {"limits": {"steps": 5}},
        "guardrails": {"guardrails": ("grounded",)},
        "contracts": {"contracts": ContractRules(forbidden_effects=("read",))},
    }
    baseline = Baseline(name="acme", version="1", **parts[change])
    desk.enforce(baseline, 0)
    # As somebody would make it who goes around `made_under`.
    manifest: Manifest = replace(manifest_with_a_tool(), baseline=baseline)
    release, _ = desk.releases.create(manifest)
    with pytest.raises(BaselineViolated):
        desk.activate(release, "it must go out")


def manifest_with_a_tool() -> Manifest:
    from tests.unit.guardrails.test_baseline import MANIFEST as PAYS

    contracts = {name: replace(one, effect="read") for name, one in PAYS.contracts.items()}
    return replace(PAYS, contracts=contracts)


def test_a_rollback_passes_over_what_is_not_accepted_any_more() -> None:
    desk = Desk()
    first, second = desk.release(None, "1"), desk.release(None, "2")
    desk.enforce(NARROW, 100)
    third, fourth = desk.release(NARROW, "3"), desk.release(NARROW, "4")
    for release in (first, third, second, fourth):
        desk.activate(release)
    desk.clock.time += 100
    _, good = desk.releases.rollback(by="ann", reason="it is bad")
    assert good == third
    with pytest.raises(NoPreviousRelease):
        desk.releases.rollback(by="ann", reason="it is bad as well")


def test_a_difference_of_baselines_is_told_field_by_field() -> None:
    desk = Desk()
    bare = desk.release(None)
    other = desk.release(NARROW)
    found = {path: (old, new) for path, old, new in desk.releases.diff(bare.digest, other.digest)}
    assert found["baseline.version"] == (None, "1")
    assert found["baseline.digest"] == (None, NARROW.digest)
