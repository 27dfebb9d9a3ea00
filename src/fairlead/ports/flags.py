"""Flags: whoever evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fairlead.core.digests import Json
from fairlead.core.errors import FlagsNotInstalled
from fairlead.core.flags import AskedType, FlagDetails, FlagTerms


@dataclass(frozen=True, kw_only=True)
class FlagQuery:
    """A question for a flag.

    Attributes:
        key: The flag.
        type: What it is asked for.
        default: The value when it cannot be evaluated.
        flags: The flags of the release and workflow that the run is pinned to.
        targeting_key: Whom it is evaluated for: equal keys get equal shares.
        attributes: What rules may look at.
    """

    key: str
    type: AskedType
    default: Any
    flags: Mapping[str, FlagTerms] = field(default_factory=dict)
    targeting_key: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)


class FlagSource(Protocol):
    """Evaluates flags."""

    async def evaluate(self, query: FlagQuery) -> FlagDetails[Any]:
        """Evaluate a flag, within a bounded time; what goes wrong is in the details.

        Raises:
            FlagsNotInstalled: The libraries that evaluate flags are not here.
        """
        ...


class _NoFlags:
    async def evaluate(self, query: FlagQuery) -> FlagDetails[Any]:
        raise FlagsNotInstalled(f"nothing here can evaluate flag {query.key}", flag=query.key)


NO_FLAGS: FlagSource = _NoFlags()
"""What a runtime uses that was given no source."""
