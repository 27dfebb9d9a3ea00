"""What one setting is, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting for the reference docs.

    Attributes:
        key: Where it stands in `fairlead.toml`.
        env: Environment variable that wins over the file; empty for none.
        default: Its default, as text.
        meaning: What it does, with its unit.
    """

    key: str
    default: str
    meaning: str
    env: str = ""


class Values(Protocol):
    """Looks a setting up: environment first, then the file, then the default."""

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; `default` stands in place of the setting's own one."""
        ...

    def number(self, key: str, *, least: float = 0.0) -> float:
        """Return a finite number of at least `least`."""
        ...

    def truth(self, key: str) -> bool:
        """Return true or false."""
        ...
