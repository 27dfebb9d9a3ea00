"""Gates run, and what they found is kept: only what was looked at is evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fairlead.core.environments import EnvironmentRules
from fairlead.core.errors import InvalidConfig, UnknownGate
from fairlead.core.release import Release
from fairlead.delivery.gate import CheckRun, Conclusion
from fairlead.delivery.gates import Gates, as_one
from tests.unit.delivery.test_protection import NOW, Gatehouse

RULES = EnvironmentRules(gates=("check", "replay", "rollback_drill"))


def says(conclusion: Conclusion, name: str = "replay") -> Callable[[Release, str], CheckRun]:
    def measure(release: Release, environment: str) -> CheckRun:
        return CheckRun(name=name, conclusion=conclusion, summary=f"{release.id} {environment}")

    return measure


def raises(error: Exception) -> Callable[[Release, str], CheckRun]:
    def measure(release: Release, environment: str) -> CheckRun:
        raise error

    return measure


def gates_of(house: Gatehouse, measures: Mapping[str, Any]) -> Gates:
    return Gates(releases=house.releases, measures=measures, by="ann", verified=True)


def run(house: Gatehouse, names: tuple[str, ...] = (), **measures: Any) -> dict[str, str]:
    found = gates_of(house, measures).run(house.release, names)
    return {one.name: one.conclusion for one in found}


def test_what_a_gate_finds_is_kept_and_lets_the_release_through() -> None:
    house = Gatehouse(RULES)
    checks = (CheckRun(name="schema", conclusion="success", summary="s"),)
    measures = {"check": lambda *_: as_one(checks), "replay": says("success")}
    assert run(house, **measures) == {
        "check": "success", "replay": "success", "rollback_drill": "action_required",
    }  # fmt: skip
    replay, check = house.store.evidence
    assert (check.gate, check.environment, check.checks[0]["name"]) == ("check", "", "schema")
    assert (replay.gate, replay.environment) == ("replay", "production")
    assert replay.checks[0]["summary"] == f"{house.release.id} production"
    assert (replay.by, replay.verified, replay.time) == ("ann", True, NOW)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (says("failure"), "failure"),
        (says("neutral"), "neutral"),
        (says("timed_out"), "timed_out"),
        (says("action_required"), "action_required"),
        (raises(InvalidConfig("no")), "neutral"),
        (raises(TimeoutError()), "timed_out"),
    ],
)
def test_what_shows_nothing_is_kept_and_stands_in_the_way(measure: Any, said: str) -> None:
    house = Gatehouse(EnvironmentRules(gates=("replay",)))
    house.record("replay")
    assert run(house, replay=measure) == {"replay": said}
    assert house.unmet() == {"replay": said}


@pytest.mark.parametrize("error", [InvalidConfig("no"), TimeoutError("after 5 s")])
def test_a_check_that_never_concluded_is_kept_as_well(error: Exception) -> None:
    house = Gatehouse(EnvironmentRules(gates=("check",)))
    [said] = run(house, check=raises(error)).values()
    [kept] = house.store.evidence
    assert (kept.gate, kept.conclusion) == ("check", said)
    assert kept.checks[0]["findings"] == (str(error),)


def test_what_cannot_be_looked_at_here_leaves_the_evidence_that_there_is() -> None:
    house = Gatehouse(EnvironmentRules(gates=("replay",)))
    assert run(house, replay=says("skipped")) == {"replay": "skipped"}
    assert house.store.evidence == []
    house.record("replay")
    assert run(house, replay=says("skipped")) == {"replay": "success"}
    assert len(house.store.evidence) == 1


def test_a_gate_can_be_named_whether_it_is_required_or_not() -> None:
    house = Gatehouse(EnvironmentRules(gates=("check",)))
    assert run(house, ("replay",), replay=says("failure"), check=raises(AssertionError())) == {
        "check": "action_required", "replay": "failure",
    }  # fmt: skip
    with pytest.raises(UnknownGate, match="no gate 'luck' to run here; there are: replay"):
        run(house, ("luck",), replay=says("success"))


def test_a_person_s_word_is_kept_with_the_reason() -> None:
    house = Gatehouse(EnvironmentRules(gates=("approval",)))
    gates_of(house, {}).answer(house.release, False, "too early")
    assert house.why() == "ann denied it: too early"


def test_all_checks_are_one_gate() -> None:
    good = CheckRun(name="schema", conclusion="success", summary="s")
    bad = CheckRun(name="eval", conclusion="failure", summary="s", findings=("f",) * 60)
    one = as_one((good, bad))
    assert (one.name, one.conclusion, one.summary) == ("check", "failure", "1 of 2 checks passed")
    assert one.findings == ("eval: f",) * 50
    assert as_one(()).conclusion == "failure"
