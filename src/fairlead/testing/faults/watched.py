"""Stores, queues and hosts whose methods are points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.calls import Call
from fairlead.core.digests import Json
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.engine import RunBody, RunQueue
from fairlead.ports.runs import RunRecord

Hit = Callable[[str, str, str | None], None]
"""Strikes at a method: its name, `before` or `after`, and the run."""


class Watched:
    """Another object; each call of one of its methods is a point before it and one after it."""

    def __init__(self, inner: Any, hit: Hit, *, by_run: bool) -> None:
        """Wrap an object.

        Args:
            inner: The object.
            hit: Strikes at a method.
            by_run: Whether a text as the first argument is a run's id.
        """
        self._inner = inner
        self._hit = hit
        self._by_run = by_run

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name.startswith("_") or not callable(found):
            return found

        def struck(*args: Any, **kwargs: Any) -> Any:
            run = self._run(args)
            self._hit(name, "before", run)
            result = found(*args, **kwargs)
            self._hit(name, "after", run)
            return result

        return struck

    def _run(self, args: tuple[Any, ...]) -> str | None:
        first = args[0] if args else None
        if isinstance(first, ApprovalRecord):
            return first.run_id
        if isinstance(first, Call):
            return first.run_id
        if isinstance(first, RunRecord):
            return first.id
        return first if self._by_run and isinstance(first, str) else None


class WatchedHost:
    """An engine's host; each claim of a run is a point once it is made."""

    def __init__(
        self, inner: Any, queue: RunQueue, *, claimed: Callable[[str, RunQueue], Any]
    ) -> None:
        """Wrap a host.

        Args:
            inner: The host.
            queue: The queue that it claims from.
            claimed: Strikes at a claimed run, before its first step.
        """
        self._inner = inner
        self._queue = queue
        self._claimed = claimed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def launch(self, body: RunBody) -> None:
        """Start taking runs from the queue."""

        async def struck(run_id: str) -> Json:
            await self._claimed(run_id, self._queue)
            return await body(run_id)

        self._inner.launch(struck)
