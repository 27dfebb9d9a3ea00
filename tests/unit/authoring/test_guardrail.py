"""Which of a workflow's guardrails are Fairlead's own, and stop what fails."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, get_args

import pytest

import fairlead as fl
from fairlead.authoring.guardrail import enforced
from fairlead.checks import names
from fairlead.core.guarding import Stage

STAGES: tuple[Stage, ...] = get_args(Stage)
OWN = [
    fl.grounded,
    fl.checks.claims(share=0.7, on_fail="retry"),
    *(fl.checks.secrets(stage=stage) for stage in STAGES),
    *(fl.checks.personal_data(stage=stage) for stage in STAGES),
    *(fl.checks.personal_data(stage=stage, kinds=["iban", "card"]) for stage in STAGES),
    *(fl.checks.personal_data(stage=stage, kinds=["email"]) for stage in STAGES),
    *(fl.checks.injection_markers(stage=stage, on_fail="block") for stage in STAGES),
    *(fl.checks.size(stage=stage, chars_max=10) for stage in STAGES),
]


@pytest.mark.parametrize("rail", OWN, ids=lambda rail: rail.name)
def test_what_comes_with_fairlead_is_known_by_its_name(rail: fl.Guardrail[Any]) -> None:
    assert enforced([rail]) == (rail.name,)
    assert rail.name in names()
    assert enforced([replace(rail, on_fail="warn", redact=None)]) == ()
    assert enforced([replace(rail, name="another")]) == ()


def test_each_name_is_there_once() -> None:
    assert len(set(names())) == len(names())


def test_a_check_of_an_apps_own_is_not_fairleads_whatever_its_name() -> None:
    @fl.guardrail(stage="output", on_fail="block")
    def grounded(_: fl.Context, __: fl.Draft[object]) -> fl.Verdict:
        return fl.PASS

    @fl.guardrail(stage="output", on_fail="block")
    @functools.wraps(fl.grounded.function)
    def wrapped(_: fl.Context, __: fl.Draft[object]) -> fl.Verdict:
        return fl.PASS

    assert wrapped.name == "grounded"
    assert enforced([grounded, wrapped]) == ()
