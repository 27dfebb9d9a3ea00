"""Reads the budgets of a release from `fairlead.toml`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from fairlead.core.budget import BUDGETS_MAX, Budget
from fairlead.core.errors import InvalidConfig
from fairlead.core.release import WorkflowTerms
from fairlead.delivery.tables import known

_KEYS = frozenset(item.name for item in fields(Budget))


def budgets_of(
    tables: Any, workflows: Mapping[str, WorkflowTerms], rates: Collection[str]
) -> tuple[Budget, ...]:
    """Return a release's budgets, in the order of their names.

    Args:
        tables: What stands under `budgets`: a list of tables.
        workflows: The release's workflows.
        rates: Names of what has a rate, such as `model:openai:gpt-5`.

    Raises:
        InvalidConfig: A budget is not understood, or is for something that is not there.
    """
    if not isinstance(tables, list) or len(tables) > BUDGETS_MAX:
        raise InvalidConfig(
            f"budgets must be at most {BUDGETS_MAX} tables, each written as [[budgets]]",
            key="budgets",
        )
    models = {name.removeprefix("model:") for name in rates if name.startswith("model:")}
    for terms in workflows.values():
        models |= {terms.model, *terms.fallbacks} - {""}
    named = {"workflow": set(workflows), "model": models}
    found: dict[str, Budget] = {}
    for number, table in enumerate(tables, 1):
        where = f"budgets[{number}]"
        budget = _budget(table, where)
        if budget.which != "*" and budget.which not in named.get(budget.scope, {budget.which}):
            names = ", ".join(sorted(named[budget.scope])) or "none"
            raise InvalidConfig(
                f"{where}.which names the {budget.scope} {budget.which!r}, which the release does "
                f"not have; it has: {names}",
                key=f"{where}.which",
            )
        if budget.name in found:
            raise InvalidConfig(
                f"{where}.name is {budget.name!r}, as an earlier budget's", key=f"{where}.name"
            )
        found[budget.name] = budget
    return tuple(found[name] for name in sorted(found))


def _budget(table: Any, where: str) -> Budget:
    known(table, _KEYS, where)
    for name in ("name", "scope"):
        if name not in table:
            raise InvalidConfig(f"{where} has no {name}", key=f"{where}.{name}")
    try:
        return Budget(**table)
    except (TypeError, ValueError) as error:
        key = f"{where}.{str(error).split(' ')[0]}"
        raise InvalidConfig(f"{where}: {error}", key=key) from error
