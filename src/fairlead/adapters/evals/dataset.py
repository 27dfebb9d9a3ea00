"""Datasets in pydantic-evals' YAML format: names, inputs, expected outputs and evaluators.

Only the file format is theirs; see the decision record on evaluation datasets.
"""

from __future__ import annotations

from typing import Any

from fairlead.adapters.evals.cases import listed_cases
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidConfig
from fairlead.ports.datasets import Case, Expectation

EVALUATORS = frozenset(("State", "Contains", "Cites", "EqualsExpected"))


def parse_dataset(path: str, text: str) -> tuple[Case, ...]:
    """Return the cases of a dataset's text.

    Args:
        path: Where it stands, for messages.
        text: YAML.

    Raises:
        InvalidConfig: The text is no dataset.
    """
    data, items = listed_cases(path, text)
    for_all = _evaluators(path, data.get("evaluators", ()), None)
    return tuple(_case(path, number, item, for_all) for number, item in enumerate(items, 1))


def _case(path: str, number: int, item: Any, for_all: tuple[Expectation, ...]) -> Case:
    if not isinstance(item, dict) or "inputs" not in item:
        raise InvalidConfig(f"{path}: case {number} has no inputs", file=path)
    expected = item.get("expected_output")
    own = _evaluators(path, item.get("evaluators", ()), expected)
    if not own and not for_all:
        raise InvalidConfig(f"{path}: case {number} expects nothing", file=path)
    # A case's own expectation of a kind stands in place of the dataset's.
    kinds = {expectation.name for expectation in own}
    inherited = tuple(expectation for expectation in for_all if expectation.name not in kinds)
    return Case(
        name=str(item.get("name", number)), inputs=item["inputs"], expectations=inherited + own
    )


def _evaluators(path: str, items: Any, expected: Json) -> tuple[Expectation, ...]:
    found = []
    for item in items or ():
        if isinstance(item, str):
            name, value = item, expected
        elif isinstance(item, dict) and len(item) == 1:
            name, value = next(iter(item.items()))
            value = value["value"] if isinstance(value, dict) and "value" in value else value
        else:
            raise InvalidConfig(f"{path}: {item!r} is no evaluator", file=path)
        if name not in EVALUATORS:
            known = ", ".join(sorted(EVALUATORS))
            raise InvalidConfig(f"{path}: unknown evaluator {name!r}; known: {known}", file=path)
        found.append(Expectation(name=name, value=value))
    return tuple(found)
