"""What stands between a release and an environment: nothing but a success lets it through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.digests import Json
from fairlead.core.environments import DAY_S, GATES, ApprovalRules, EnvironmentRules, Freeze
from fairlead.core.errors import EnvironmentFrozen, GateRefused, ReasonMissing
from fairlead.core.release import Release
from fairlead.delivery import protection
from fairlead.delivery.protection import length
from fairlead.delivery.release import Releases
from fairlead.ports.releases import Activation, Evidence
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import FakeReleases, manifest_of
from tests.unit.runtime.test_admission import echo

NOW = 1_800_000_000.0
BEFORE = "b" * 64
"""The release that is active before."""

ALWAYS = Freeze(reason="a fair", weekly="mon 00:00 - sun 24:00")
APPROVED = EnvironmentRules(gates=("approval",))


class Gatehouse:
    """One release that `ann` made, in front of `production`."""

    def __init__(self, rules: EnvironmentRules, *, asker: str = "ann", maker: str = "ann") -> None:
        self.store, self.clock, self.set = FakeReleases(), FakeClock(time=NOW), rules
        self.releases = Releases(
            store=self.store,
            clock=self.clock,
            environment="production",
            rules=lambda _: self.set,
            asker=maker,
        )
        self.release, _ = self.releases.create(manifest_of(echo))
        self.releases = replace(self.releases, asker=asker)
        self.stands(BEFORE)

    def stands(self, release: str) -> None:
        """Another release is the active one, and a rollback would go to it."""
        move = Activation(release=release, kind="activate", reason="", by="eve", time=NOW)
        self.store.moves.append(("production", move))

    def record(
        self,
        gate: str,
        conclusion: str = "success",
        *,
        previous: str = BEFORE,
        roles: Sequence[str] | None = ("approver",),
        **given: Any,
    ) -> None:
        figures: dict[str, Any] = {"roles": roles and list(roles)} if gate == "approval" else {}
        if gate == "rollback_drill" and previous:
            figures = {"previous": previous}
        checks: Json = [{"summary": "because", "figures": figures}]
        values: dict[str, Any] = {"environment": "production", "time": NOW, "verified": True}
        evidence = Evidence(
            release=self.release.digest,
            gate=gate,
            conclusion=conclusion,
            checks=checks,
            **values | given,
        )
        self.store.record_gate(evidence)

    def unmet(self) -> dict[str, str]:
        return {
            run.name: run.conclusion
            for run in self.releases.unmet(self.release, self.releases.asker)
        }

    def why(self) -> str:
        return " ".join(
            line
            for run in self.releases.unmet(self.release, self.releases.asker)
            for line in run.findings
        )

    def activate(self, override: str | None = None) -> Release:
        return self.releases.activate(self.release.digest, by="ann", override=override)


@pytest.mark.parametrize("gate", ["check", "replay", "rollback_drill"])
@pytest.mark.parametrize(
    ("conclusion", "given_", "said"),
    [
        (None, {}, "action_required"),
        ("failure", {}, "failure"),
        ("neutral", {}, "neutral"),
        ("skipped", {}, "skipped"),
        ("timed_out", {}, "timed_out"),
        ("action_required", {}, "action_required"),
        ("splendid", {}, "neutral"),
        ("success", {"environment": "staging"}, "action_required"),
        ("success", {"time": NOW - 400 * DAY_S}, "action_required"),
        ("success", {"time": NOW + 301.0}, "neutral"),
    ],
)
def test_invariant_12_only_a_fresh_success_lets_a_release_through(
    gate: str, conclusion: str | None, given_: dict[str, Any], said: str
) -> None:
    house = Gatehouse(EnvironmentRules(gates=(gate,)))
    if conclusion is not None:
        house.record(gate, conclusion, **given_)
    assert house.unmet() == {gate: said}
    with pytest.raises(GateRefused, match=f"may not go to production: {gate}: "):
        house.activate()
    assert len(house.store.moves) == 1
    house.record(gate)
    assert house.activate() == house.release


def test_the_newest_evidence_counts_and_what_holds_everywhere_counts_here() -> None:
    house = Gatehouse(EnvironmentRules(gates=("check",)))
    house.record("check", environment="")
    assert house.unmet() == {}
    house.record("check", "failure", environment="")
    assert house.unmet() == {"check": "failure"}


def test_evidence_becomes_too_old() -> None:
    house = Gatehouse(EnvironmentRules(gates=("replay",), evidence_s={"replay": 3600.0}))
    house.record("replay")
    house.clock.time = NOW + 3600.0
    assert house.unmet() == {}
    house.clock.time += 1.0
    assert house.unmet() == {"replay": "action_required"}
    assert house.why() == "its evidence is older than 1 hour"


def test_a_drill_counts_for_the_release_to_which_a_rollback_would_go() -> None:
    house = Gatehouse(EnvironmentRules(gates=("rollback_drill",)))
    house.record("rollback_drill")
    assert house.unmet() == {}
    house.stands("c" * 64)
    assert house.unmet() == {"rollback_drill": "action_required"}
    assert house.why() == (
        f"its drill went back to release {'b' * 12}, and a rollback would to release {'c' * 12}"
    )
    with pytest.raises(GateRefused, match="its drill went back to"):
        house.activate()
    house.record("rollback_drill", previous="c" * 64)
    assert house.unmet() == {}
    # What failed on another way says nothing of this one.
    house.record("rollback_drill", "failure")
    assert house.unmet() == {}
    house.record("rollback_drill", "failure", previous="c" * 64)
    assert house.unmet() == {"rollback_drill": "failure"}


def test_a_drill_that_names_no_way_back_shows_none() -> None:
    house = Gatehouse(EnvironmentRules(gates=("rollback_drill",)))
    house.record("rollback_drill", previous="")
    assert house.unmet() == {"rollback_drill": "action_required"}
    assert house.why() == "its evidence does not say to which release it went back"
    house.record("rollback_drill")
    assert house.unmet() == {}
    # It could not be decided, for whichever way.
    house.record("rollback_drill", "neutral", previous="")
    assert house.unmet() == {"rollback_drill": "neutral"}


def test_a_drill_of_what_is_active_is_held_against_the_release_before_it() -> None:
    house = Gatehouse(EnvironmentRules(gates=("rollback_drill",)))
    terms = replace(house.release.manifest.workflows["echo"], prompt="before")
    manifest = replace(house.release.manifest, workflows={"echo": terms})
    earlier, _ = house.releases.create(manifest)
    house.stands(earlier.digest)
    house.stands(house.release.digest)
    assert house.releases.previous(house.release.digest) == earlier.digest
    house.record("rollback_drill", previous=earlier.digest)
    assert house.unmet() == {}
    house.store.records[earlier.digest] = replace(earlier, bad=True)
    assert house.releases.previous(house.release.digest) == ""
    assert house.unmet() == {"rollback_drill": "action_required"}
    assert house.why().endswith("a rollback would to no release")


def test_all_gates_that_are_missing_are_named() -> None:
    house = Gatehouse(EnvironmentRules(gates=GATES, freezes=(ALWAYS,)))
    with pytest.raises(GateRefused) as refused:
        house.activate()
    for name in (*GATES, "freeze: a fair"):
        assert name in refused.value.message


# --------------------------------------------------------------------------------------- approvals


def test_an_approval_by_somebody_else_lets_it_through() -> None:
    house = Gatehouse(APPROVED)
    assert house.why() == "it has 0 of 1 approvals by others with the role approver"
    house.record("approval", by="bob")
    assert house.unmet() == {}


@pytest.mark.parametrize(
    ("maker", "asker", "by", "verified"),
    [
        ("ann", "cyd", "ann", True),  # who made it
        ("ann", "bob", "bob", True),  # who asks
        ("ann", "cyd", "bob", False),  # nobody knows who that is
        ("", "cyd", "bob", True),  # nor who made it
        ("ann", "", "bob", True),  # nor who asks
    ],
)
def test_what_two_eyes_see_is_no_approval(maker: str, asker: str, by: str, verified: bool) -> None:
    house = Gatehouse(APPROVED, asker=asker, maker=maker)
    house.record("approval", by=by, verified=verified)
    assert house.unmet() == {"approval": "action_required"}
    house.set = replace(APPROVED, approval=ApprovalRules(four_eyes=False))
    assert house.unmet() == {}


def test_two_approvals_are_by_two_people() -> None:
    house = Gatehouse(replace(APPROVED, approval=ApprovalRules(count=2)))
    house.record("approval", by="bob")
    house.record("approval", by="bob")
    assert house.unmet() == {"approval": "action_required"}
    house.record("approval", by="cyd")
    assert house.unmet() == {}


def test_the_last_word_of_each_person_counts_and_one_denial_is_enough() -> None:
    house = Gatehouse(APPROVED)
    house.record("approval", by="bob")
    house.record("approval", "failure", by="cyd")
    assert house.unmet() == {"approval": "failure"}
    assert house.why() == "cyd denied it: because"
    house.record("approval", by="cyd")
    assert house.unmet() == {}
    house.record("approval", "failure", by="bob")
    assert house.unmet() == {"approval": "failure"}


def test_nobody_writes_so_much_that_a_denial_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "WORDS_MAX", 3)
    house = Gatehouse(APPROVED)
    house.record("approval", "failure", by="cyd")
    for name in ("bob", "bob", "bob", "dan", "eli", "fay"):
        house.record("approval", by=name)
    assert house.why() == "cyd denied it: because"


def test_a_word_counts_by_the_role_that_whoever_said_it_had() -> None:
    house = Gatehouse(APPROVED)
    house.record("approval", by="bob")
    assert house.unmet() == {}
    house.set = replace(APPROVED, approval=ApprovalRules(role="admin"))
    assert house.why() == "it has 0 of 1 approvals by others with the role admin"
    house.record("approval", by="eva", roles=["admin"])
    assert house.unmet() == {}
    # An admin has every role, an older word none that anybody knows.
    house.set = APPROVED
    house.record("approval", by="bob", roles=None)
    assert house.unmet() == {}
    house.record("approval", by="eva", roles=None)
    assert house.unmet() == {"approval": "action_required"}
    house.record("approval", "failure", by="bob", roles=["viewer"])
    assert house.unmet() == {"approval": "action_required"}
    house.record("approval", "failure", by="bob", roles=None)
    assert house.unmet() == {"approval": "failure"}


def test_who_made_it_may_deny_it() -> None:
    house = Gatehouse(APPROVED)
    house.record("approval", by="bob")
    house.record("approval", "failure", by="ann")
    assert house.unmet() == {"approval": "failure"}


def test_an_approval_expires_and_holds_for_one_environment_and_one_release() -> None:
    house = Gatehouse(APPROVED)
    house.record("approval", by="bob", environment="staging")
    assert house.unmet() == {"approval": "action_required"}
    house.record("approval", by="bob")
    other = replace(house.release, digest="0" * 64)
    assert [run.conclusion for run in house.releases.unmet(other, "ann")] == ["action_required"]
    house.clock.time = NOW + 7 * DAY_S
    assert house.unmet() == {}
    house.clock.time += 1.0
    assert house.unmet() == {"approval": "action_required"}


# ------------------------------------------------------------------------------- freezes, overrides


def test_a_freeze_refuses_an_activation_with_its_reason() -> None:
    house = Gatehouse(EnvironmentRules(freezes=(ALWAYS,)))
    house.record("check")
    with pytest.raises(EnvironmentFrozen, match="a fair"):
        house.activate()
    house.set = EnvironmentRules()
    assert house.activate() == house.release


@pytest.mark.parametrize(
    ("zone", "frozen"), [("UTC", False), ("Europe/Vienna", True), ("America/New_York", False)]
)
def test_the_clocks_of_the_freeze_s_zone_count(zone: str, frozen: bool) -> None:
    # 2027-01-15 08:00 UTC, a Friday: 09:00 in Vienna, 03:00 in New York.
    freeze = Freeze(reason="r", zone=zone, weekly="fri 09:00 - fri 10:00")
    house = Gatehouse(EnvironmentRules(gates=(), freezes=(freeze,)))
    assert bool(house.unmet()) is frozen
    # In summer the same clocks show it an hour earlier in UTC.
    house.clock.time = NOW + 182 * DAY_S
    assert bool(house.unmet()) is False
    house.clock.time -= 3600.0
    assert bool(house.unmet()) is frozen


def test_a_zone_that_this_machine_does_not_know_freezes() -> None:
    freeze = Freeze(reason="r", zone="Mars/Base", weekly="fri 09:00 - fri 09:01")
    house = Gatehouse(EnvironmentRules(gates=(), freezes=(freeze,)))
    assert house.unmet() == {"freeze": "neutral"}


def test_an_override_needs_a_reason_and_stands_for_gates_and_freezes() -> None:
    house = Gatehouse(EnvironmentRules(gates=GATES, freezes=(ALWAYS,)))
    with pytest.raises(ReasonMissing):
        house.activate(" ")
    assert house.activate("the shop is down") == house.release
    [_, (_, move)] = house.store.moves
    assert (move.kind, move.reason) == ("override", "the shop is down")


def test_a_rollback_is_never_frozen_and_asks_no_gate() -> None:
    house = Gatehouse(EnvironmentRules())
    terms = replace(house.release.manifest.workflows["echo"], prompt="b")
    other = replace(house.release.manifest, workflows={"echo": terms})
    newer, _ = house.releases.create(other)
    house.activate("first")
    house.releases.activate(newer.digest, by="ann", override="second")
    house.set = EnvironmentRules(gates=GATES, freezes=(ALWAYS,))
    assert house.releases.rollback(by="ann", reason="harm") == (newer.digest, house.release)


def test_lengths() -> None:
    assert length(86_400.0) == "1 day"
    assert length(5400.0) == "90 minutes"
    assert length(61.0) == "61 seconds"
    assert length(0.5) == "0.5 seconds"


def test_what_changes_while_it_is_activated_is_seen() -> None:
    """A freeze that begins between the first look and the move refuses the move."""
    house = Gatehouse(EnvironmentRules(gates=()))
    looks = iter((house.set, EnvironmentRules(gates=(), freezes=(ALWAYS,))))
    house.releases = replace(house.releases, rules=lambda _: next(looks))
    with pytest.raises(EnvironmentFrozen):
        house.activate()
    assert len(house.store.moves) == 1


# ------------------------------------------------------------------------- runs that are in flight


def test_runs_in_flight_do_not_go_on_under_what_the_environment_does_not_let_in() -> None:
    house = Gatehouse(EnvironmentRules(gates=("check",), freezes=(ALWAYS,)))
    with pytest.raises(GateRefused, match="check: it has not been checked"):
        house.releases.refuse_unfit(house.release)
    house.record("check")
    with pytest.raises(EnvironmentFrozen):
        house.releases.refuse_unfit(house.release)
    house.set = EnvironmentRules(gates=("check",))
    house.releases.refuse_unfit(house.release)


def test_what_was_active_before_takes_runs_in_flight_at_any_time_unless_it_is_bad() -> None:
    house = Gatehouse(EnvironmentRules(gates=("check",), freezes=(ALWAYS,)))
    house.stands(house.release.digest)
    house.stands("c" * 64)
    house.releases.refuse_unfit(house.release)
    bad = house.store.records[house.release.digest] = replace(house.release, bad=True)
    with pytest.raises(GateRefused, match="is marked bad"):
        house.releases.refuse_unfit(bad)
    # An admin let it in all the same.
    house.stands(bad.digest)
    house.releases.refuse_unfit(bad)
