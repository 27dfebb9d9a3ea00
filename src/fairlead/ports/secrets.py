"""Where secrets come from."""

from __future__ import annotations

from typing import Protocol


class SecretSource(Protocol):
    """Reads secrets by their names."""

    def get(self, name: str) -> str | None:
        """Return a secret's value; None when there is none."""
        ...


class NoSecrets:
    """Has none."""

    def get(self, name: str) -> str | None:  # noqa: ARG002
        """Return None."""
        return None


NO_SECRETS = NoSecrets()
"""What a runtime uses that was given no source."""
