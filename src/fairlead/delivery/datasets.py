"""The datasets that an app's configuration declares for its gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.core.errors import InvalidConfig
from fairlead.ports.app_files import AppFiles
from fairlead.ports.datasets import Case, DatasetParser

MUTATION_MIN = 0.95
"""Share of small mistakes that the guardrail tests must notice, when nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A workflow's dataset.

    Attributes:
        workflow: The workflow that is asked.
        threshold: Least share of cases that must pass, from 0.0 to 1.0.
        cases: The cases.
    """

    workflow: str
    threshold: float
    cases: tuple[Case, ...]


def declared_datasets(
    files: AppFiles, config: Mapping[str, Any], parse: DatasetParser
) -> tuple[Dataset, ...]:
    """Return the dataset of each `[gate.WORKFLOW]` of `fairlead.toml`.

    Args:
        files: The app's files; a dataset is part of the bundle.
        config: All of `fairlead.toml`.
        parse: Reads a dataset.

    Raises:
        InvalidConfig: A table is not understood, or its dataset is not there.
    """
    return tuple(
        _dataset(workflow, table, files, parse)
        for workflow, table in sorted(_gate(config).items())
        if workflow != "mutation" or isinstance(table, Mapping)
    )


def declared_mutation(config: Mapping[str, Any]) -> float:
    """Return the share of small mistakes in policies that the guardrail tests must notice.

    Args:
        config: All of `fairlead.toml`; `mutation` in `[gate]` says it.

    Raises:
        InvalidConfig: It is no share.
    """
    given = _gate(config).get("mutation", MUTATION_MIN)
    if isinstance(given, Mapping):
        # A workflow may have that name; then its dataset stands there.
        return MUTATION_MIN
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.0 < given <= 1.0:
        raise InvalidConfig(
            f"gate.mutation must be a number above 0 and at most 1, not {given!r}",
            key="gate.mutation",
        )
    return float(given)


def _gate(config: Mapping[str, Any]) -> Mapping[str, Any]:
    table = config.get("gate", {})
    if not isinstance(table, Mapping):
        raise InvalidConfig("gate must be a table", key="gate")
    return table


def _dataset(workflow: str, table: Any, files: AppFiles, parse: DatasetParser) -> Dataset:
    where = f"[gate.{workflow}]"
    if not isinstance(table, Mapping) or set(table) != {"dataset", "threshold"}:
        raise InvalidConfig(f"{where} needs a dataset and a threshold and nothing else")
    path, threshold = str(table["dataset"]), table["threshold"]
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InvalidConfig(f"{where}.threshold must be a number, not {threshold!r}")
    if not 0.0 < threshold <= 1.0:
        raise InvalidConfig(f"{where}.threshold must be above 0 and at most 1")
    text = files.text(path)
    if text is None:
        raise InvalidConfig(
            f"{where}.dataset names {path}, which is not there (it must be in evals/)"
        )
    return Dataset(workflow=workflow, threshold=float(threshold), cases=parse(path, text))
