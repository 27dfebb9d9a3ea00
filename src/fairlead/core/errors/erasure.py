"""Erasing what is remembered: FL-810 to FL-819."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class ErasureUnknown(FairleadError):
    """There is no erasure of this id."""

    code = "FL-810"
    hint = "`fairlead events list --chain memory:TENANT` names the erasures of a tenant."


class NothingToErase(FairleadError):
    """Nothing that is remembered fits what was named; nothing was begun."""

    code = "FL-811"
    hint = "Check the id, the subject and the tenant; `fairlead memory search` lists what is there."


class ErasureHeld(FairleadError):
    """Another process is at this erasure."""

    code = "FL-812"
    hint = "Wait for it. When that process died, go on with `--resume` after 5 minutes."


class ErasedValueInvalid(FairleadError):
    """A value is too short or too long to be looked for; nothing was begun."""

    code = "FL-813"
    hint = "Name more of it: what is short is a part of too many texts."


class ErasureTooLarge(FairleadError):
    """More fits than one erasure takes; nothing was begun."""

    code = "FL-814"
    hint = "Erase in several parts, by ids or by source."


class LedgerUnusable(FairleadError):
    """The file that remembers erasures across a restore cannot be used."""

    code = "FL-815"
    hint = "See `memory.erasures_file` in fairlead.toml; then go on with `--resume`."


class NotErased(FairleadError):
    """Something of what was erased is still there."""

    code = "FL-816"
    hint = "Read what was found, remove it there, and erase with `--value` what came back."
