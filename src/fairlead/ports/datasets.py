"""Evaluation datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fairlead.core.digests import Json


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a case's outcome must show.

    Attributes:
        name: The evaluator: State, Contains, Cites or EqualsExpected.
        value: Its argument.
    """

    name: str
    value: Json


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question of a dataset.

    Attributes:
        name: The case's name.
        inputs: The workflow's input as JSON.
        expectations: All of them must hold.
    """

    name: str
    inputs: Json
    expectations: tuple[Expectation, ...]


class DatasetParser(Protocol):
    """Reads datasets."""

    def __call__(self, path: str, text: str) -> tuple[Case, ...]:
        """Return the cases of a dataset's text.

        Raises:
            InvalidConfig: The text is no dataset; the message names the path and the place.
        """
        ...
