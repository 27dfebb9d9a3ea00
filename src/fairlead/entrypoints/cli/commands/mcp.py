"""MCP servers: what they are, what is pinned of them, and what they serve now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.screen import speaking
from fairlead.entrypoints.cli.workplace import quieten

Server = Annotated[
    str | None, typer.Argument(metavar="SERVER", help="One server; else all of them.")
]


def list_all(*, app: App = HERE, as_json: AsJson = False) -> None:
    """List MCP servers with their tools, from the app's files; nothing is connected."""
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import list_mcp, load_settings

        found = list_mcp(load_settings(app))
        if screen.as_json:
            screen.json([asdict(server) for server in found])
        else:
            from fairlead.entrypoints.cli.views.mcp import servers_view

            screen.show(*servers_view(found))


def pin(server: Server = None, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Connect, and write what is served to tools/SERVER.lock.json; read it before you commit it."""
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import load_settings, pin_mcp

        found = pin_mcp(load_settings(app), server)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.mcp import pinned_view

            screen.show(*pinned_view(found))


def diff(server: Server = None, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Connect, and print how what is served differs from what is pinned.

    Exit status 1 when a tool that has a contract differs.
    """
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import diff_mcp, load_settings

        found = diff_mcp(load_settings(app), server)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.mcp import differences_view

            screen.show(*differences_view(found))
    if any(one.called for one in found):
        raise typer.Exit(1)
