"""Flags: FL-92x."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.errors.given import InvalidConfig


class InvalidFlag(InvalidConfig):
    """A flag in `fairlead.toml` or in a file of `flags/` is not understood."""

    code = "FL-920"
    hint = "Correct the flag that the message names; docs/howto/use-flags.md says what one is."


class FlagsNotInstalled(FairleadError):
    """An app uses flags, and the libraries that evaluate them are not here."""

    code = "FL-921"
    hint = 'Run `pip install "fairlead[flags]"`.'
