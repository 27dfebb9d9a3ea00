"""A fake of what evaluates flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.core.flags import FlagDetails, asked_type, failed
from fairlead.ports.flags import FlagQuery


@dataclass
class FakeFlags:
    """Knows values by key, whatever the release says.

    Attributes:
        values: What each flag is.
        asked: Every question, in order.
        error: What is raised in place of an answer; None for nothing.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    asked: list[FlagQuery] = field(default_factory=list)
    error: FairleadError | None = None

    async def evaluate(self, query: FlagQuery) -> FlagDetails[Any]:
        """Answer with the value, or with the error that OpenFeature names."""
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        if query.key not in self.values:
            return failed(query.key, query.default, "FLAG_NOT_FOUND", "there is no such flag")
        value = self.values[query.key]
        if asked_type(value) != query.type:
            return failed(query.key, query.default, "TYPE_MISMATCH", f"it is no {query.type}")
        return FlagDetails(
            key=query.key, value=value, variant="value", reason="STATIC", provider="fake"
        )
