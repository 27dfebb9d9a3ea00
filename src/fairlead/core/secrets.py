"""Handles of secrets: what is declared, shown and recorded in place of a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

SECRET_CHARS_MIN = 8
"""Shortest value that is handed out: a shorter one could not be taken out of a result again."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True)
class Secret:
    """A secret that a tool may read, by its name; the value is never part of the handle.

    Attributes:
        name: Name of the variable in the worker's environment, such as `PAYMENTS_KEY`.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a secret is named like a variable of the environment")

    def __str__(self) -> str:
        return self.name


class Vault(Protocol):
    """Hands out the secrets of the call whose body is executing."""

    def read(self, name: str) -> str:
        """Return a secret's value.

        Raises:
            SecretUndeclared: The tool does not declare it.
        """
        ...
