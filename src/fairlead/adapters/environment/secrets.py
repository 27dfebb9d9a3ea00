"""Secrets from the worker's environment."""

from __future__ import annotations

import os


class EnvironmentSecrets:
    """Reads a secret when a call needs it, so that a changed one needs no other release."""

    def get(self, name: str) -> str | None:
        """Return the variable's value; None when it is not set."""
        return os.environ.get(name)
