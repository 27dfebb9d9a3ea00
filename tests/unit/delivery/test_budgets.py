"""Budgets in `fairlead.toml`: a part of the release, and refused with the key that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

import fairlead as fl
from fairlead.core.budget import BUDGETS_MAX, Budget
from fairlead.core.errors import InvalidConfig
from fairlead.core.release import manifest_digest
from fairlead.delivery.resolve import resolve
from tests.unit.runtime.bench import FILES, SLO_OF_TESTS

DAILY = {"name": "daily", "scope": "tenant", "per_s": 86_400, "calls": 1000, "cost_usd": 20.0}


@fl.workflow(
    intent="Spend",
    owner="group:default/tests",
    input=str,
    output=str,
    slo=SLO_OF_TESTS,
    prompt="p.md",
    model="openai:gpt-5",
    fallbacks=["openai:gpt-5-mini"],
)
async def spend(_: fl.Run[str], text: str) -> str:
    """Say it again."""
    return text


def resolved(*tables: Any) -> Any:
    app = fl.App("bench", workflows=[spend])
    return resolve(
        app, FILES, {"budgets": list(tables), "rates": {"x:y": {"calls": 1, "per_s": 1}}}
    )


def test_budgets_are_part_of_the_manifest_in_the_order_of_their_names() -> None:
    weekly = {
        "name": "a week",
        "scope": "workflow",
        "which": "spend",
        "per_s": 604_800,
        "tokens": 5,
    }
    manifest = resolved(DAILY, weekly)
    assert manifest.budgets == (Budget(**weekly), Budget(**DAILY))  # type: ignore[arg-type]
    assert manifest_digest(manifest) != manifest_digest(resolved(DAILY))


@pytest.mark.parametrize("model", ["openai:gpt-5", "openai:gpt-5-mini", "x:y"])
def test_a_model_that_some_part_of_the_release_names_may_have_a_budget(model: str) -> None:
    table = {"name": "m", "scope": "model", "which": model, "per_s": 60, "calls": 1}
    assert resolved(table).budgets[0].which == model


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"burst": 3}, "budgets[1].burst"),
        ({"calls": 0}, "budgets[1].calls"),
        ({"per_s": "day"}, "budgets[1].per_s"),
        ({"scope": "world"}, "budgets[1].scope"),
        ({"scope": "workflow", "which": "refund"}, "budgets[1].which"),
        ({"scope": "model", "which": "openai:gpt-6"}, "budgets[1].which"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        resolved({**DAILY, **change})
    assert caught.value.ids["key"] == key
    assert caught.value.code == "FL-005"


def test_there_is_a_bound_and_no_name_comes_twice() -> None:
    with pytest.raises(InvalidConfig, match="as an earlier budget's"):
        resolved(DAILY, DAILY)
    with pytest.raises(InvalidConfig, match=f"at most {BUDGETS_MAX} tables"):
        resolved(*({**DAILY, "name": str(number)} for number in range(BUDGETS_MAX + 1)))
    with pytest.raises(InvalidConfig, match="must be a table"):
        resolved("daily")
    with pytest.raises(InvalidConfig, match="has no scope"):
        resolved({"name": "daily"})
