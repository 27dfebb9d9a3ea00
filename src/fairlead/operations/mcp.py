"""What an operator may do with an app's MCP servers: list, pin, compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fairlead.bootstrap import open_mcp, read_app_files
from fairlead.core.digests import Json
from fairlead.core.drift import differences
from fairlead.core.errors import FairleadError, InvalidConfig, error_classes
from fairlead.delivery.servers import LOCK_ENDING, Declared, declared_servers, pins_text
from fairlead.ports.mcp import McpClient, McpFault
from fairlead.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ServerTool:
    """A tool of a server, as the app's files know it.

    Attributes:
        name: Its name at the server.
        effect: The effect of its contract; empty without one: then it cannot be called.
        pinned: Whether its definition is pinned.
    """

    name: str
    effect: str
    pinned: bool


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """An MCP server of an app.

    Attributes:
        name: Its name.
        address: Its url, or its command with arguments.
        tools: Its tools, with a contract or a pin.
    """

    name: str
    address: str
    tools: tuple[ServerTool, ...]


@dataclass(frozen=True, kw_only=True)
class ToolDifference:
    """A tool that a server serves otherwise than it is pinned.

    Attributes:
        server: The server.
        tool: The tool's name there.
        lines: What differs, from the pin to what is served.
        called: Whether it has a contract, so that runs may call it.
    """

    server: str
    tool: str
    lines: tuple[str, ...]
    called: bool


def list_mcp(settings: Settings) -> Sequence[ServerState]:
    """Return an app's MCP servers with their tools, from its files alone.

    Raises:
        InvalidConfig: A file is not understood.
    """
    return [
        ServerState(
            name=name,
            address=server.terms.url or " ".join((server.terms.command, *server.terms.args)),
            tools=tuple(
                ServerTool(
                    name=tool,
                    effect=str(server.contracts.get(tool, {}).get("effect", "")),
                    pinned=tool in server.pins,
                )
                for tool in sorted({*server.contracts, *server.pins})
            ),
        )
        for name, server in sorted(declared_servers(read_app_files(settings)).items())
    ]


def pin_mcp(settings: Settings, server: str | None = None) -> Sequence[ToolDifference]:
    """Pin what servers serve now: write a lock file for each.

    Args:
        settings: The app's settings.
        server: One server; None for all.

    Returns:
        What is pinned otherwise than before.

    Raises:
        FairleadError: A server does not say what it serves; no file was written for it.
    """
    found: list[ToolDifference] = []
    with _served(settings, server) as servers:
        for declared, served in servers:
            found += _differences(declared, served)
            path = settings.folder / "tools" / f"{declared.terms.name}{LOCK_ENDING}"
            path.write_text(pins_text(declared.terms.name, served), encoding="utf-8")
    return found


def diff_mcp(settings: Settings, server: str | None = None) -> Sequence[ToolDifference]:
    """Compare what servers serve now with what is pinned.

    Args:
        settings: The app's settings.
        server: One server; None for all.

    Raises:
        FairleadError: A server does not say what it serves.
    """
    with _served(settings, server) as servers:
        return [line for declared, served in servers for line in _differences(declared, served)]


@contextmanager
def _served(
    settings: Settings, name: str | None
) -> Iterator[Iterator[tuple[Declared, Mapping[str, Json]]]]:
    declared = declared_servers(read_app_files(settings))
    if name is not None and name not in declared:
        names = ", ".join(sorted(declared)) or "none"
        raise InvalidConfig(
            f"there is no tools/{name}.yaml; the app has these servers: {names}", server=name
        )
    wanted = [server for key, server in sorted(declared.items()) if name in (None, key)]
    with open_mcp(settings) as client:
        yield ((server, _asked(client, server)) for server in wanted)


def _asked(client: McpClient, server: Declared) -> Mapping[str, Json]:
    try:
        return client.served(server.terms)
    except McpFault as fault:
        error = error_classes().get(fault.code, FairleadError)
        raise error(str(fault), server=server.terms.name) from fault


def _differences(declared: Declared, served: Mapping[str, Json]) -> list[ToolDifference]:
    return [
        ToolDifference(
            server=declared.terms.name,
            tool=tool,
            lines=_lines(declared.pins.get(tool), served.get(tool)),
            called=tool in declared.contracts,
        )
        for tool in sorted({*declared.pins, *served, *declared.contracts})
        if declared.pins.get(tool) != served.get(tool) or tool not in served
    ]


def _lines(pinned: Json, served: Json) -> tuple[str, ...]:
    if served is None:
        return ("it is served no more",) if pinned is not None else ("it is not served",)
    if pinned is None:
        return ("it is served and not pinned",)
    return differences(pinned, served)
