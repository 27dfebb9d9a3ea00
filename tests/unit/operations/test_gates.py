"""Gates and environments as operators use them: who may approve, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.environments import ApprovalRules, EnvironmentRules, Freeze
from fairlead.core.errors import (
    EnvironmentFrozen,
    FourEyes,
    GateRefused,
    InvalidEnvironment,
    ReasonMissing,
    RoleMissing,
)
from fairlead.core.identity import Role
from fairlead.core.release import Release
from fairlead.entrypoints.cli.views.environments import gates_view
from fairlead.operations import (
    Order,
    Platform,
    Selection,
    acting,
    activate_release,
    answer_gate,
    fork_run,
    list_environments,
    load_settings,
    move_runs,
    open_platform,
    read_environment_rules,
    roll_back_release,
    run_gates,
    set_environment,
    show_environment,
    show_gates,
    start_rollout,
    verify_events,
)
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

ORDER = Order(by="not me", reason="it looks well")
APPROVED = EnvironmentRules(tier="staging", gates=("approval",))
ALWAYS = Freeze(reason="a fair", weekly="mon 00:00 - sun 24:00")

As = Callable[..., Platform]


@pytest.fixture
def who(tmp_path: Path) -> Iterator[As]:
    """Return the platform of somebody with a token; all of them share one database."""
    (tmp_path / "fairlead.toml").write_text('[app]\nenvironment = "production"\n')
    with open_platform(load_settings(tmp_path, {}), telemetry=NullTelemetry()) as opened:

        def someone(user: str, *roles: Role) -> Platform:
            return acting(opened, Principal(user=user, roles=roles, issuer="fairlead"))

        set_environment(someone("root", "admin"), "production", APPROVED, ORDER)
        yield someone


def made(platform: Platform, prompt: str = "a") -> Release:
    manifest = manifest_of(echo)
    terms = replace(manifest.workflows["echo"], prompt=prompt)
    return platform.releases.create(replace(manifest, workflows={"echo": terms}))[0]


def approve(platform: Platform, release: Release, order: Order = ORDER) -> bool:
    return answer_gate(platform, release.id, True, order).passed


def test_a_release_needs_two_people(who: As) -> None:
    ann, bob = who("ann", "operator", "approver"), who("bob", "approver")
    release = made(ann)
    assert release.by == "ann"
    with pytest.raises(GateRefused, match="0 of 1 approvals"):
        activate_release(ann, release.id)
    with pytest.raises(GateRefused):
        start_rollout(ann, release.id)
    with pytest.raises(FourEyes, match="ann made release"):
        approve(ann, release)
    approve(bob, release)
    report = show_gates(ann, release.id)
    assert (report.passed, report.gates[0].summary) == (True, "by bob")
    assert (report.evidence[0].by, report.evidence[0].verified) == ("bob", True)
    # Who approves of it does not put it there as well.
    with pytest.raises(GateRefused):
        activate_release(who("bob", "operator", "approver"), release.id)
    assert activate_release(ann, release.id) == release
    assert verify_events(ann).findings == ()


def test_without_a_token_there_are_no_four_eyes(who: As) -> None:
    bob = who("bob", "approver")
    local = acting(bob, None)
    release = made(local)
    assert release.by == ""
    with pytest.raises(FourEyes, match="no token says who made the release"):
        approve(bob, release)
    again = made(who("ann", "operator"))
    assert (again.digest, again.by) == (release.digest, "ann")
    with pytest.raises(FourEyes, match="no token says who approves"):
        approve(local, again)
    approve(bob, again)
    with pytest.raises(GateRefused, match="no token says who asks"):
        activate_release(local, again.id)
    activate_release(who("ann", "operator"), again.id)


def test_on_a_machine_of_one_s_own_one_may_say_that_one_person_is_enough(who: As) -> None:
    local = acting(who("x"), None)
    rules = replace(APPROVED, approval=ApprovalRules(four_eyes=False))
    set_environment(local, "production", rules, ORDER)
    release = made(local)
    assert approve(local, release)
    assert activate_release(local, release.id) == release


def test_the_environment_says_which_role_approves(who: As) -> None:
    rules = replace(APPROVED, approval=ApprovalRules(role="operator"))
    set_environment(who("root", "admin"), "production", rules, ORDER)
    release = made(who("ann", "operator"))
    with pytest.raises(RoleMissing, match="this approval needs the role operator"):
        approve(who("bob", "approver"), release)
    assert approve(who("bob", "approver", "operator"), release) is True


def test_stricter_rules_ask_who_spoke_before_them(who: As) -> None:
    ann, bob = who("ann", "operator"), who("bob", "approver")
    release = made(ann)
    assert approve(bob, release)
    rules = replace(APPROVED, approval=ApprovalRules(role="admin"))
    set_environment(who("root", "admin"), "production", rules, ORDER)
    with pytest.raises(GateRefused, match="0 of 1 approvals by others with the role admin"):
        activate_release(ann, release.id)
    assert approve(who("root", "admin"), release)


def test_a_denial_stops_it_and_a_word_needs_a_reason(who: As) -> None:
    ann, bob = who("ann", "operator", "approver"), who("bob", "approver")
    release = made(ann)
    with pytest.raises(ReasonMissing):
        approve(bob, release, Order(by="x", reason="  "))
    approve(bob, release)
    # Whoever made it may take it back.
    answer_gate(ann, release.id, False, Order(by="x", reason="I found a fault"))
    with pytest.raises(GateRefused, match="ann denied it: I found a fault"):
        activate_release(ann, release.id)


def test_an_approval_holds_for_one_release_and_one_environment(who: As) -> None:
    ann, bob = who("ann", "operator"), who("bob", "approver")
    first, second = made(ann), made(ann, "b")
    answer_gate(bob, first.id, True, ORDER, environment="elsewhere")
    assert not show_gates(ann, first.id).passed
    approve(bob, first)
    assert show_gates(ann, first.id).passed
    assert not show_gates(ann, second.id).passed


def test_an_override_is_an_admin_s_and_a_rollback_is_everybody_s_who_operates(who: As) -> None:
    ann, root = who("ann", "operator"), who("root", "admin")
    first, second = made(ann), made(ann, "b")
    activate_release(root, first.id, override="the first")
    rules = replace(APPROVED, freezes=(ALWAYS,))
    set_environment(root, "production", rules, ORDER)
    with pytest.raises(RoleMissing):
        activate_release(ann, second.id, override="please")
    activate_release(root, second.id, override="the shop is down")
    assert roll_back_release(ann, reason="it was worse") == (second.digest, first)


def test_runs_in_flight_are_no_way_around_a_gate(who: As) -> None:
    ann, bob, root = who("ann", "operator"), who("bob", "approver"), who("root", "admin")
    first, second = made(ann), made(ann, "b")
    activate_release(root, first.digest, override="the first one")
    run = ann.admission.start_routed("echo", "hello", principal=Principal(user="eve"))
    chosen = Selection(ids=(run.id,))
    for dry_run in (True, False):
        with pytest.raises(GateRefused):
            move_runs(ann, chosen, second.id, ORDER, dry_run=dry_run)
    with pytest.raises(GateRefused):
        fork_run(ann, run.id, 1, ORDER, release=second.id)
    assert ann.runs.get(run.id).state == "queued"
    assert fork_run(ann, run.id, 1, ORDER, release=first.id).release == first.digest
    approve(bob, second)
    [moved] = move_runs(ann, chosen, second.id, ORDER)
    assert moved.error is None
    assert ann.runs.get(moved.also[0]).release == second.digest


def test_a_freeze_refuses_with_its_own_code(who: As) -> None:
    ann = who("ann", "operator")
    rules = EnvironmentRules(gates=(), freezes=(ALWAYS,))
    set_environment(who("root", "admin"), "production", rules, ORDER)
    with pytest.raises(EnvironmentFrozen, match="a fair"):
        activate_release(ann, made(ann).id)
    with pytest.raises(EnvironmentFrozen):
        start_rollout(ann, made(ann).id)


@pytest.mark.parametrize("name", ["", "*", "a b", "-x", "e" * 61])
def test_what_names_no_environment_lets_nothing_through(who: As, name: str) -> None:
    release = made(who("ann", "operator"))
    for asked in (show_gates, run_gates):
        with pytest.raises(InvalidEnvironment):
            asked(who("ann", "operator"), release.id, name)
    with pytest.raises(InvalidEnvironment):
        answer_gate(who("bob", "approver"), release.id, True, ORDER, environment=name)


def test_an_environment_without_rules_is_said_to_have_none(who: As) -> None:
    release = made(who("ann", "operator"))
    assert show_gates(who("vic", "viewer"), release.id).ruled
    report = show_gates(who("vic", "viewer"), release.id, "prodution")
    assert not report.ruled
    said = "".join(str(part) for part in gates_view(report, 80))
    assert "nobody has set rules for prodution: only `check` is asked" in said
    set_environment(who("root", "admin"), "*", APPROVED, ORDER)
    assert show_gates(who("vic", "viewer"), release.id, "prodution").ruled


def test_a_bad_release_may_go_nowhere_whatever_its_gates_say(who: As) -> None:
    ann, bob = who("ann", "operator"), who("bob", "approver")
    first, second = made(ann), made(ann, "b")
    for release in (first, second):
        approve(bob, release)
        activate_release(ann, release.id)
    assert show_gates(ann, second.id).passed
    roll_back_release(ann, reason="harm")
    report = show_gates(ann, second.id)
    assert not report.passed
    said = "".join(str(part) for part in gates_view(report, 80))
    assert "it was rolled back and is marked bad" in said
    assert "may not go to production" in said


def test_rules_are_listed_and_shown(who: As) -> None:
    root = who("root", "admin")
    [ruled] = list_environments(root)
    assert (ruled.environment, ruled.by, ruled.reason) == ("production", "root", ORDER.reason)
    shown = show_environment(root)
    assert (shown.environment, shown.rules, shown.ruled) == ("production", APPROVED, ruled)
    other = show_environment(root, "staging")
    assert (other.rules.gates, other.ruled) == (("check",), None)
    # An app that calls its environment otherwise does not escape the rules of all others.
    set_environment(root, "*", APPROVED, ORDER)
    assert show_environment(root, "production-2").rules == APPROVED
    with pytest.raises(InvalidEnvironment):
        set_environment(root, "a b", APPROVED, ORDER)
    with pytest.raises(ReasonMissing):
        set_environment(root, "a", APPROVED, Order(by="x", reason=""))


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidEnvironment, match="cannot be read"):
        read_environment_rules(tmp_path / "nowhere.toml")
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 100_001)
    with pytest.raises(InvalidEnvironment, match="larger than"):
        read_environment_rules(large)
    large.write_bytes(b"\xff")
    with pytest.raises(InvalidEnvironment, match="cannot be read"):
        read_environment_rules(large)
