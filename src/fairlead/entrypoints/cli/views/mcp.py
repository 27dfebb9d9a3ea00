"""MCP servers: a list, and how what they serve differs from what is pinned."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.entrypoints.cli.texts import one_line
from fairlead.entrypoints.cli.views.style import heading, indented, mark_of, plain, style_of, table
from fairlead.operations import ServerState, ToolDifference


def servers_view(servers: Sequence[ServerState]) -> list[RenderableType]:
    """Return servers with their tools.

    Args:
        servers: The servers.
    """
    if not servers:
        return [Text("no MCP servers; declare one in tools/SERVER.yaml")]
    parts: list[RenderableType] = []
    for server in servers:
        parts += [Text()] if parts else []
        parts += [heading(server.name), Text(one_line(server.address), style="dim")]
        made = table("tool", "effect", "pinned")
        for tool in server.tools:
            effect = tool.effect or "no contract"
            made.add_row(one_line(tool.name), effect, "yes" if tool.pinned else "no")
        parts.append(made)
    return parts


def pinned_view(found: Sequence[ToolDifference]) -> list[RenderableType]:
    """Return what was pinned otherwise than before.

    Args:
        found: What differs from the pins that were there.
    """
    if not found:
        return [Text("everything was pinned as it is served")]
    parts = _lines(found)
    return [*parts, Text(), Text("pinned; read tools/*.lock.json before you commit them")]


def differences_view(found: Sequence[ToolDifference]) -> list[RenderableType]:
    """Return how what is served differs from what is pinned.

    Args:
        found: What differs.
    """
    if not found:
        return [Text("everything is served as it is pinned")]
    parts = _lines(found)
    if any(one.called for one in found):
        why = "runs cannot call what is marked; if the change is right: fairlead mcp pin"
        parts += [Text(), Text(why)]
    return parts


def _lines(found: Sequence[ToolDifference]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in found:
        state = "failure" if one.called else "skipped"
        name = f"{mark_of(state)} {one_line(one.server)} {one_line(one.tool)}"
        parts.append(Text(name, style=style_of(state)))
        parts += [indented(plain(one_line(line)), 4) for line in one.lines]
    return parts
