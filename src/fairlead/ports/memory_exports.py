"""Which items went into which file, so that an erasure finds them there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.event import Fact


@dataclass(frozen=True, kw_only=True)
class MemoryExport:
    """A file that items were written to.

    Attributes:
        id: Its id.
        tenant: Whose items.
        path: Where the file was written; it may have been moved since.
        digest: SHA-256 of its content.
        by: Who had it written.
        at: When, in seconds since 1970, UTC.
    """

    id: str
    tenant: str
    path: str
    digest: str
    by: str
    at: float


class MemoryExports(Protocol):
    """Records exports."""

    def record(self, export: MemoryExport, items: Iterable[str], fact: Fact) -> None:
        """Record an export, the ids of its items and its event, in one transaction."""
        ...
