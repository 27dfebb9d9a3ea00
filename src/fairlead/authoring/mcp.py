"""Tools of MCP servers, as a workflow lists them; their contracts stand in `tools/SERVER.yaml`."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.errors import InvalidDeclaration
from fairlead.core.mcp import NAME_CHARS_MAX, SERVER_NAME, TOOL_NAME, mcp_name


@dataclass(frozen=True, kw_only=True)
class McpTool:
    """A tool of an MCP server; a run calls it with `run.call(tool, argument=...)`.

    Attributes:
        server: The server's name: the file `tools/SERVER.yaml` declares it.
        tool: The tool's name at the server.
    """

    server: str
    tool: str

    @property
    def name(self) -> str:
        """The tool's name in contracts, policies and for models: `SERVER__TOOL`."""
        return mcp_name(self.server, self.tool)


def mcp(server: str, tool: str) -> McpTool:
    """Name a tool of an MCP server, for a workflow's `tools` and for `run.call`.

    Its contract, and what the server promises, come from the release: a server's tool that has no
    contract in `tools/SERVER.yaml` cannot be listed.

    Args:
        server: The server's name: the file `tools/SERVER.yaml` declares it.
        tool: The tool's name at the server.

    Raises:
        InvalidDeclaration: One of both is no such name.
    """
    if not SERVER_NAME.fullmatch(server):
        raise InvalidDeclaration(
            f"{server!r} is no name of an MCP server: lower case letters, digits and hyphens"
        )
    if not TOOL_NAME.fullmatch(tool):
        raise InvalidDeclaration(f"{tool!r} is no name of an MCP server's tool", tool=tool)
    named = McpTool(server=server, tool=tool)
    if len(named.name) > NAME_CHARS_MAX:
        raise InvalidDeclaration(
            f"{named.name} has more than the {NAME_CHARS_MAX} characters that models take",
            tool=named.name,
        )
    return named
