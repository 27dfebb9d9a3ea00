"""Releases: FL-3xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class UnknownRelease(FairleadError):
    """No release of that name is in the database, or none is active."""

    code = "FL-300"
    hint = "List them with `fairlead release list`; make one with `fairlead release create`."


class CodeMismatch(FairleadError):
    """The code on disk is not the code that a release was made from."""

    code = "FL-301"
    hint = "Use that release's code, Python and Fairlead, or make and activate a release of yours."


class GateRefused(FairleadError):
    """A release has no passed gate and may not be activated."""

    code = "FL-302"
    hint = 'Make `fairlead check` pass, or activate with --override "why"; a bad one needs it.'


class NoPreviousRelease(FairleadError):
    """There is no earlier good release to go back to."""

    code = "FL-303"
    hint = "Activate a good release, or stop this one with `fairlead kill release ID --reason WHY`."


class ReasonMissing(FairleadError):
    """An override was asked for without a written reason."""

    code = "FL-304"
    hint = "Say why, in words; the reason is kept in the event log."


class ReleaseDamaged(FairleadError):
    """A stored release does not match its digest."""

    code = "FL-305"
    hint = "Create the release again from its code; runs of the damaged one stay stopped."


class SecretInRelease(FairleadError):
    """A file or a value of a release holds what looks like a secret; nothing was stored."""

    code = "FL-630"
    hint = "Take it out and replace it where it was valid; a tool gets it with fl.Secret(...)."
