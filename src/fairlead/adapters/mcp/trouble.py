"""What went wrong with a server, as calls say it: without the secrets that the server was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
)

from fairlead.core.calls import cut
from fairlead.core.errors import McpGarbled, McpLost, McpTimedOut, McpToolFailed, McpUnreachable
from fairlead.ports.mcp import McpFault


@dataclass(kw_only=True)
class Trouble:
    """What is known of one connection's trouble.

    Attributes:
        server: The server's name.
        clean: Takes the secrets that the server was given out of a text or a JSON value.
        told: The end of what its program wrote to standard error.
        code: The first trouble's code; empty for none.
        reason: The first trouble, in words.
        status: The last HTTP status that says no; 0 for none.
    """

    server: str
    clean: Callable[[Any], Any] = field(repr=False)
    told: str = field(default="", repr=False)
    code: str = ""
    reason: str = ""
    status: int = 0

    def note(self, code: str, reason: str) -> None:
        """Keep the first trouble: what follows it follows from it."""
        if not self.code:
            self.code, self.reason = code, reason

    def fault(self, code: str, reason: str, *, executed: bool, passing: bool = True) -> McpFault:
        """Return a fault of this connection."""
        # Before it is cut: a part of a secret is not found.
        told = " ".join(self.clean(self.told).split())[-200:]
        said = f"MCP server {self.server}: {reason}" + (f"; it wrote: {told}" if told else "")
        return McpFault(code, cut(self.clean(said)), executed=executed, passing=passing)

    def lost(self, *, executed: bool) -> McpFault:
        """Return the fault of a connection that has ended."""
        if self.code:
            # The same question would get the same answer.
            passing = self.code == McpGarbled.code
            return self.fault(self.code, f"wrote {self.reason}", executed=executed, passing=passing)
        what = "before its answer" if executed else "before it was asked"
        return self.fault(McpLost.code, f"the connection ended {what}", executed=executed)

    def of(self, error: BaseException, *, executed: bool) -> McpFault:
        """Return the fault that an error is.

        Args:
            error: What the library raised.
            executed: Whether the tool may have been executed by then.
        """
        if isinstance(error, McpFault):
            return error
        if isinstance(error, BaseExceptionGroup):
            return self.of(error.exceptions[0], executed=executed)
        if isinstance(error, MCPError):
            return self._answered(error, executed=executed)
        if isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "httpcore")):
            code = McpLost.code if executed else McpUnreachable.code
            return self.fault(code, f"{type(error).__name__}: {error}", executed=executed)
        reason = f"an answer that is not of the protocol: {type(error).__name__}: {error}"
        return self.fault(McpGarbled.code, reason, executed=executed)

    def _answered(self, error: MCPError, *, executed: bool) -> McpFault:
        if error.code == CONNECTION_CLOSED:
            return self.lost(executed=executed)
        if error.code == REQUEST_TIMEOUT:
            return self.fault(McpTimedOut.code, "no answer in time", executed=executed)
        if self.code:
            return self.lost(executed=executed)
        if error.code == PARSE_ERROR:
            return self.fault(McpGarbled.code, error.message, executed=executed)
        status = f", HTTP {self.status}" if self.status else ""
        reason = f"it answered with error {error.code}{status}: {error.message}"
        # Only these two say that nothing was executed; anything else may come after the fact.
        refused = error.code in (INVALID_PARAMS, METHOD_NOT_FOUND)
        return self.fault(
            McpToolFailed.code, reason, executed=executed and not refused, passing=not refused
        )
