"""A drill is evidence of its gate, whoever asked for it."""

from __future__ import annotations

import pytest

import fairlead.operations.rollback_drill as module
from fairlead.core.environments import DRILL, EnvironmentRules
from fairlead.core.errors import CodeMismatch
from fairlead.core.release import Release
from fairlead.delivery.gate import CheckRun
from fairlead.operations import Platform, drill_rollback, set_environment, show_gates, verify_events
from fairlead.operations.gates import measures
from tests.unit.operations.test_rollback import ORDER, activated, made

PASSED = CheckRun(name="drill", conclusion="success", summary="it held", figures={"runs": 3})


def drilled(monkeypatch: pytest.MonkeyPatch, found: CheckRun = PASSED) -> None:
    """Let a drill show something, without one."""
    monkeypatch.setattr(module, "_played", lambda *_: found)


def verdict(platform: Platform, release: Release) -> str:
    return show_gates(platform, release.id).gates[0].conclusion


def test_a_drill_by_hand_is_evidence_for_the_gate(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(platform, "default", EnvironmentRules(gates=(DRILL,)), ORDER)
    active, candidate = activated(platform, "a"), made(platform, "b")
    drilled(monkeypatch)
    assert verdict(platform, candidate) == "action_required"
    assert drill_rollback(platform, candidate.id).previous == active.digest
    assert verdict(platform, candidate) == "success"
    [kept] = platform.release_store.evidence_of(candidate.digest, DRILL, "default", limit=9)
    assert kept.checks[0]["figures"] == {"runs": 3, "previous": active.digest}
    # It shows the way back to one release, as the gate's own evidence does.
    activated(platform, "c")
    assert verdict(platform, candidate) == "action_required"
    assert verify_events(platform).findings == ()


def test_a_drill_that_failed_is_evidence_too_and_the_gate_keeps_its_own(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(platform, "default", EnvironmentRules(gates=(DRILL,)), ORDER)
    activated(platform, "a")
    candidate = made(platform, "b")
    drilled(monkeypatch)
    found = measures(platform)[DRILL](candidate, "default")
    assert (found.name, found.conclusion) == (DRILL, "success")
    assert platform.release_store.evidence_on(candidate.digest) == []
    drill_rollback(platform, candidate.id)

    def damaged(*_: object) -> CheckRun:
        raise CodeMismatch("the archive holds other code")

    monkeypatch.setattr(module, "_played", damaged)
    assert not drill_rollback(platform, candidate.id).passed
    assert verdict(platform, candidate) == "failure"
