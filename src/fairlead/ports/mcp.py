"""MCP servers: other processes that offer tools, by the Model Context Protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from fairlead.core.digests import Json
from fairlead.core.mcp import McpPin, ServerTerms

Hiding = Callable[[Mapping[str, str]], Callable[[Any], Any]]
"""Is told the secrets that a server is given, by name; returns what takes them out of JSON."""


class McpFault(Exception):
    """A server did not give the result of a call.

    Attributes:
        code: The error's code `FL-nnn`.
        executed: Whether the tool may have been executed; False when it surely was not.
        passing: Whether another try may succeed.
        said: Whether this is the tool's own error result.
    """

    def __init__(
        self, code: str, reason: str, *, executed: bool, passing: bool, said: bool = False
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.executed = executed
        self.passing = passing
        self.said = said


class McpClient(Protocol):
    """The connections of one process to MCP servers."""

    async def call(
        self, server: ServerTerms, pin: McpPin, arguments: dict[str, Json], *, key: str
    ) -> Json:
        """Call a tool, unless the server serves another definition of it than was pinned.

        Args:
            server: The server.
            pin: The tool, as a release pins it.
            arguments: JSON arguments.
            key: The call's idempotency key.

        Returns:
            The structured result when the tool promises one, else its text, or its content when
            that is not text alone.

        Raises:
            McpFault: There is no result.
        """
        ...

    def served(self, server: ServerTerms) -> Mapping[str, Json]:
        """Return the definitions of all tools that a server lists now, by name.

        Raises:
            McpFault: It does not say.
        """
        ...

    def start_in(self, folder: Path) -> None:
        """Start programs in this folder, before the first one is started."""
        ...

    def close(self) -> None:
        """End every connection, and every process that was started for one."""
        ...


class NoMcp:
    """Stands where no MCP server can be reached, such as in a test without one."""

    async def call(self, server: ServerTerms, *_: Any, **__: Any) -> Json:
        """Refuse: there is no client."""
        raise McpFault(
            "FL-642", f"no client for MCP server {server.name}", executed=False, passing=False
        )

    def served(self, server: ServerTerms) -> Mapping[str, Json]:
        """Refuse: there is no client."""
        raise McpFault(
            "FL-642", f"no client for MCP server {server.name}", executed=False, passing=False
        )

    def start_in(self, folder: Path) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


NO_MCP: McpClient = NoMcp()
