"""The platform's baseline: FL-310 to FL-319."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class InvalidBaseline(FairleadError):
    """A baseline's folder is not understood, or its rules make no sense."""

    code = "FL-310"
    hint = "Correct it, and see `fairlead baseline check DIR`."


class UnknownBaseline(FairleadError):
    """No baseline of that version or digest was published."""

    code = "FL-311"
    hint = "List them with `fairlead baseline list`; publish one with `fairlead baseline publish`."


class BaselineVersionTaken(FairleadError):
    """A version was published before with other content."""

    code = "FL-312"
    hint = "A version does not change: raise `version` in baseline.toml."


class BaselineViolated(FairleadError):
    """An app asks for more than the platform's baseline allows."""

    code = "FL-313"
    hint = "Narrow the app; `fairlead check` lists all that is wrong."


class BaselineNotAccepted(FairleadError):
    """A release was made with a baseline that is not accepted any more, or with none."""

    code = "FL-314"
    hint = "Make a new release with `fairlead check`: it is made with the one that is in force."
