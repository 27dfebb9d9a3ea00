"""Streams: what a run says while it works, readable from any offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fairlead.core.digests import Json


class StreamStore(Protocol):
    """Keeps the items of streams."""

    def write(self, run_id: str, stream: str, offset: int, item: Json) -> None:
        """Keep one item; what stands at the offset already stays."""
        ...

    def read(self, run_id: str, stream: str, offset: int, limit: int = 100) -> Sequence[Json]:
        """Return items from an offset on, in order."""
        ...
