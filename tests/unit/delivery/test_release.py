"""Releases: activated with evidence or a written reason, rolled back in one move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import (
    GateRefused,
    NoPreviousRelease,
    ReasonMissing,
    UnknownRelease,
)
from fairlead.delivery.release import Releases
from fairlead.ports.releases import Evidence
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import FakeReleases, manifest_of
from tests.unit.runtime.test_admission import echo

MANIFEST = manifest_of(echo)


class Desk:
    """Three releases, `a`, `b` and `c`, which differ by their prompt."""

    def __init__(self) -> None:
        self.store = FakeReleases()
        self.releases = Releases(store=self.store, clock=FakeClock(), environment="default")
        self.names: dict[str, str] = {}
        for letter in "abc":
            terms = replace(MANIFEST.workflows["echo"], prompt=letter)
            manifest = replace(MANIFEST, workflows={"echo": terms})
            release, new = self.releases.create(manifest)
            assert new
            assert self.releases.create(manifest) == (release, False)
            self.names[letter] = release.digest

    def gate(self, letter: str, conclusion: str = "success") -> None:
        digest = self.names[letter]
        evidence = Evidence(release=digest, conclusion=conclusion, checks=[], time=1.0)
        self.store.record_gate(evidence)

    def activate(self, letter: str, override: str | None = None) -> None:
        self.releases.activate(self.names[letter], by="ann", override=override)

    def active(self) -> str:
        prompt: str = self.releases.current().manifest.workflows["echo"].prompt
        return prompt


def test_before_the_first_activation_nothing_is_active() -> None:
    desk = Desk()
    with pytest.raises(UnknownRelease):
        desk.releases.current()
    with pytest.raises(NoPreviousRelease):
        desk.releases.rollback(by="ann", reason="none")


@pytest.mark.parametrize("conclusion", [None, "failure", "skipped", "neutral", "timed_out"])
def test_invariant_12_what_was_not_measured_does_not_become_active(conclusion: Any) -> None:
    desk = Desk()
    if conclusion:
        desk.gate("a", conclusion)
    with pytest.raises(GateRefused):
        desk.activate("a")
    assert desk.store.moves == []


def test_a_passed_gate_lets_a_release_become_active() -> None:
    desk = Desk()
    desk.gate("a")
    desk.activate("a")
    assert desk.active() == "a"
    assert desk.store.moves[0][1].kind == "activate"


def test_the_newest_gate_counts() -> None:
    desk = Desk()
    desk.gate("a")
    desk.gate("a", "failure")
    with pytest.raises(GateRefused):
        desk.activate("a")


def test_an_override_needs_a_reason_and_keeps_it() -> None:
    desk = Desk()
    for reason in ("", "  \n"):
        with pytest.raises(ReasonMissing):
            desk.activate("a", reason)
    desk.activate("a", "the gate's model is down")
    (move,) = [move for _, move in desk.store.moves]
    assert (move.kind, move.reason, move.by) == ("override", "the gate's model is down", "ann")


def test_a_rollback_goes_back_to_the_last_good_one_and_marks_the_bad_one() -> None:
    desk = Desk()
    for letter in "abc":
        desk.gate(letter)
        desk.activate(letter)
    before, after = desk.releases.rollback(by="ann", reason="verse")
    assert [before, after.digest] == [desk.names["c"], desk.names["b"]]
    assert desk.active() == "b"
    assert desk.releases.rollback(by="ann", reason="more verse")[1].digest == desk.names["a"]
    with pytest.raises(NoPreviousRelease):
        desk.releases.rollback(by="ann", reason="and more")
    assert desk.active() == "a"
    assert [desk.store.get(desk.names[letter]).bad for letter in "abc"] == [False, True, True]


def test_a_bad_release_comes_back_by_an_override_only() -> None:
    desk = Desk()
    for letter in "ab":
        desk.gate(letter)
        desk.activate(letter)
    desk.releases.rollback(by="ann", reason="verse")
    with pytest.raises(GateRefused, match="bad"):
        desk.activate("b")
    desk.activate("b", "verse is wanted")
    assert desk.active() == "b"


def test_activating_twice_does_not_make_a_release_its_own_predecessor() -> None:
    desk = Desk()
    desk.gate("a")
    desk.activate("a")
    desk.activate("a")
    with pytest.raises(NoPreviousRelease):
        desk.releases.rollback(by="ann", reason="none")


def test_a_difference_names_its_place() -> None:
    desk = Desk()
    found = desk.releases.diff(desk.names["a"], desk.names["b"])
    assert found == [("workflows.echo.prompt", "a", "b")]
    assert desk.releases.diff(desk.names["a"], desk.names["a"]) == []
