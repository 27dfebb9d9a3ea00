"""A fake of the way to MCP servers: what is served stands in a dict, and so do the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.core.digests import Json
from fairlead.core.drift import drift, in_short
from fairlead.core.errors import McpDrifted
from fairlead.core.mcp import McpPin, ServerTerms
from fairlead.ports.mcp import McpFault


@dataclass
class FakeMcp:
    """Answers calls of servers' tools from memory, and compares definitions like the real one.

    Attributes:
        definitions: What is served, by server and tool.
        answers: What each tool returns, or the fault that it makes, by the tool's name.
        asked: Every call that was executed: tool, arguments and key.
        closed: Whether it was closed.
    """

    definitions: dict[str, dict[str, Json]] = field(default_factory=dict)
    answers: dict[str, Json | McpFault] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Json], str]] = field(default_factory=list)
    closed: bool = False

    async def call(
        self, server: ServerTerms, pin: McpPin, arguments: dict[str, Json], *, key: str
    ) -> Json:
        """Return a tool's answer, unless it is served otherwise than pinned."""
        found = drift(pin, self.served(server))
        if found:
            raise McpFault(McpDrifted.code, in_short(found), executed=False, passing=False)
        self.asked.append((pin.tool, arguments, key))
        answer = self.answers.get(pin.tool)
        if isinstance(answer, McpFault):
            raise answer
        return answer

    def served(self, server: ServerTerms) -> Mapping[str, Json]:
        """Return what is served."""
        return self.definitions.get(server.name, {})

    def close(self) -> None:
        """Take note."""
        self.closed = True
