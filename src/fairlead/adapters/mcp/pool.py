"""The connections of one process to MCP servers, in a thread with an event loop of their own.

The loop of the runs is the engine's; a connection outlives a run, and must be closed when that loop
may be gone. So connections have their own, and a call only waits for what happens there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from fairlead.adapters.mcp.http import over_http
from fairlead.adapters.mcp.link import Link
from fairlead.adapters.mcp.program import Watchdog, program
from fairlead.adapters.mcp.trouble import Trouble
from fairlead.core.digests import Json, digest
from fairlead.core.errors import McpLost, McpSecretMissing, McpUnreachable
from fairlead.core.mcp import McpPin, ServerTerms
from fairlead.ports.mcp import Hiding, McpFault

T = TypeVar("T")

LINKS_MAX = 16
"""Most connections of one process; the one that was idle longest makes place for another."""

CLOSE_S = 8.0
"""Seconds that closing may take; then programs are killed."""


class McpPool:
    """Keeps one connection for each server, and makes it anew when it broke."""

    def __init__(self, folder: Path, environment: Mapping[str, str], hiding: Hiding) -> None:
        """Prepare without connecting.

        Args:
            folder: The app's folder, where programs are started.
            environment: The worker's environment.
            hiding: Is told what a server is given, and returns what takes it out again.
        """
        self._folder = folder
        self._environment = environment
        self._hiding = hiding
        self._links: dict[str, Link] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._dog = Watchdog()
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def call(
        self, server: ServerTerms, pin: McpPin, arguments: dict[str, Json], *, key: str
    ) -> Json:
        """Call a tool, unless the server serves another definition of it than was pinned."""
        asked = self._there(self._call(server, pin, arguments, key))
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            # Not the caller has given up: the connections were closed under the call.
            reason = f"MCP server {server.name}: the connections of this process were closed"
            raise McpFault(McpLost.code, reason, executed=True, passing=True) from None

    def served(self, server: ServerTerms) -> Mapping[str, Json]:
        """Return the definitions of all tools that a server lists now, by name."""
        return self._there(self._served(server)).result()

    def close(self) -> None:
        """End every connection, and every process that was started for one."""
        with self._starting:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        closing = asyncio.run_coroutine_threadsafe(self._close(), loop)
        with suppress(TimeoutError):
            closing.result(CLOSE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_S)
        self._dog.close()

    def _there(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="fairlead-mcp", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _call(
        self, server: ServerTerms, pin: McpPin, arguments: dict[str, Json], key: str
    ) -> Json:
        for last in (False, True):
            link, is_new = await self._link(server)
            link.active += 1
            try:
                async with link.slots:
                    try:
                        await link.compare(pin)
                    except McpFault:
                        # It may have died while nobody asked it: a new connection may be well, and
                        # nothing has been executed.
                        if link.broken and not is_new and not last:
                            continue
                        raise
                    return await link.call(pin, arguments, key)
            finally:
                link.active -= 1
                link.used_at = asyncio.get_running_loop().time()
        raise AssertionError("the second try returns or raises")

    async def _served(self, server: ServerTerms) -> Mapping[str, Json]:
        link, _ = await self._link(server)
        return await link.served()

    async def _link(self, server: ServerTerms) -> tuple[Link, bool]:
        """Return the connection to a server, and whether it was made just now."""
        name = digest(asdict(server))
        async with self._turns.setdefault(name, asyncio.Lock()):
            known = self._links.get(name)
            if known is not None and not known.broken:
                return known, False
            if known is not None:
                del self._links[name]
                await known.close()
            await self._make_place(server)
            link = self._made(server)
            await link.open()
            self._links[name] = link
            return link, True

    async def _make_place(self, server: ServerTerms) -> None:
        if len(self._links) < LINKS_MAX:
            return
        idle = [(link.used_at, name) for name, link in self._links.items() if not link.active]
        if not idle:
            raise McpFault(
                McpUnreachable.code,
                f"MCP server {server.name}: all {LINKS_MAX} connections of this process are in use",
                executed=False,
                passing=True,
            )
        await self._links.pop(min(idle)[1]).close()

    def _made(self, server: ServerTerms) -> Link:
        names = [*server.env, *server.headers.values()]
        missing = [name for name in names if not self._environment.get(name)]
        if missing:
            raise McpFault(
                McpSecretMissing.code,
                f"MCP server {server.name} needs the environment variable {missing[0]}",
                executed=False,
                passing=False,
            )
        secrets = {name: self._environment[name] for name in names}
        trouble = Trouble(server=server.name, clean=self._hiding(secrets))
        if server.url:
            transport = over_http(server, self._environment, trouble=trouble)
        else:
            transport = program(
                server, self._folder, self._environment, dog=self._dog, trouble=trouble
            )
        return Link(server, transport, trouble)

    async def _close(self) -> None:
        links = list(self._links.values())
        self._links.clear()
        self._turns.clear()
        await asyncio.gather(*(link.close() for link in links), return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
