"""What a workflow declares of its memory is refused when it is declared, not when it runs."""

from __future__ import annotations

from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import InvalidDeclaration
from tests.unit.runtime.bench import SLO_OF_TESTS


def workflow(name: str, given: Any = str, **remember: Any) -> Any:
    async def body(_: Any, __: Any) -> str:
        return "done"

    body.__name__ = name
    declare = fl.workflow(
        intent="Do it",
        owner="group:default/tests",
        input=given,
        output=str,
        slo=SLO_OF_TESTS,
        memory=fl.Memory(remember=fl.Remember(**remember)),
    )
    return declare(body)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kinds": []}, "at least one kind"),
        ({"kinds": ["facts"]}, "no memory of kind 'facts'"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 101}, "top_k"),
        ({"min_score": -0.1}, "min_score"),
        ({"derive": "summarise"}, "is no workflow"),
        ({"derive": object()}, "is no workflow"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidDeclaration, match=said):
        fl.Remember(**values)


def test_a_deriving_workflow_is_one_of_the_apps_and_takes_what_was_remembered() -> None:
    good = workflow("summarise", fl.Remembered)
    first = workflow("first", derive=good)
    assert first.memory.remember.derive == "summarise"
    assert fl.App("a", workflows=[good, first]).workflows["first"] is first
    with pytest.raises(InvalidDeclaration, match="first derives with summarise, which is none of"):
        fl.App("a", workflows=[first])
    bad = workflow("summarise", str)
    with pytest.raises(InvalidDeclaration, match="its input is fairlead"):
        fl.App("a", workflows=[bad, workflow("first", derive=bad)])
