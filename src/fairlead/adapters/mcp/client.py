"""The way to MCP servers, as soon as one is asked for: the library is an extra, and loads late."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.core.digests import Json
from fairlead.core.errors import McpNotInstalled
from fairlead.core.mcp import McpPin, ServerTerms
from fairlead.ports.mcp import Hiding, McpFault

if TYPE_CHECKING:
    from fairlead.adapters.mcp.pool import McpPool


class LazyMcpClient:
    """Makes the pool of connections when the first call needs it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], hiding: Hiding) -> None:
        """Prepare without loading anything.

        Args:
            folder: The app's folder, where programs are started.
            environment: The worker's environment: where secrets are.
            hiding: Is told what a server is given, and returns what takes it out again.
        """
        self._folder = folder
        self._environment = environment
        self._hiding = hiding
        self._pool: McpPool | None = None

    async def call(
        self, server: ServerTerms, pin: McpPin, arguments: dict[str, Json], *, key: str
    ) -> Json:
        """Call a tool, unless the server serves another definition of it than was pinned."""
        return await self._made().call(server, pin, arguments, key=key)

    def served(self, server: ServerTerms) -> Mapping[str, Json]:
        """Return the definitions of all tools that a server lists now, by name."""
        return self._made().served(server)

    def start_in(self, folder: Path) -> None:
        """Start programs in this folder, before the first one is started."""
        self._folder = folder

    def close(self) -> None:
        """End every connection, and every process that was started for one."""
        if self._pool is not None:
            self._pool.close()

    def _made(self) -> McpPool:
        if self._pool is None:
            try:
                from fairlead.adapters.mcp.pool import McpPool
            except ModuleNotFoundError as error:
                raise McpFault(
                    McpNotInstalled.code,
                    f"MCP servers need the extra fairlead[mcp]: {error}",
                    executed=False,
                    passing=False,
                ) from error
            self._pool = McpPool(self._folder, self._environment, self._hiding)
        return self._pool
