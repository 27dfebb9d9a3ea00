"""Help in sections, with headings and names in colour on a terminal.

Typer's own Rich help loads a tenth of a second of libraries; this one loads none.
"""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import Any

from typer.core import TyperCommand, TyperGroup

from fairlead.entrypoints.cli.identity import asks_for_a_token, running, token_option
from fairlead.entrypoints.cli.texts import wants_colour

ORDER = (
    "init",
    "check",
    "intent",
    "ingest",
    "run",
    "up",
    "worker",
    "release",
    "gate",
    "environment",
    "replay",
    "rollout",
    "rollback",
    "dora",
    "baseline",
    "policy",
    "runs",
    "feedback",
    "conversations",
    "approvals",
    "effects",
    "events",
    "backup",
    "restore",
    "token",
)
"""Groups would stand after commands; this is the order of a day's work."""

_HEADING = re.compile(r"^(Usage:|[A-Z][\w ]*:$)", re.MULTILINE)
_TYPE = re.compile(r"(?<=[A-Z]) <(?:str|path)>")
_NAME = re.compile(r"^(  )((?:-{1,2}[\w-]+(?:, )?)+|[a-zA-Z][\w-]*)(?=  |$| [A-Z\[])", re.MULTILINE)


def coloured(text: str) -> str:
    """Return a help text with its headings bold and its names in colour."""
    text = _NAME.sub("\\1\x1b[36m\\2\x1b[0m", text)
    return _HEADING.sub("\x1b[1m\\1\x1b[0m", text)


def _dressed(text: str) -> str:
    # A name says its type already; blanks keep the columns.
    text = _TYPE.sub(lambda found: " " * len(found[0]), text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return coloured(text) if wants_colour(sys.stdout) else text


class Command(TyperCommand):
    """A command."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; what is required stands without brackets."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with the token's where the table of verbs asks who asks."""
        params: list[Any] = super().get_params(ctx)
        if asks_for_a_token(ctx):
            # Before --help, which stays the last.
            params = [*params[:-1], self._token, params[-1]]
        return params

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with running(ctx):
            return super().invoke(ctx)

    @cached_property
    def _token(self) -> Any:
        return token_option()

    def get_help(self, ctx: Any) -> str:
        """Return the help text."""
        return _dressed(super().get_help(ctx))


class Group(TyperGroup):
    """A group whose commands stand in sections, by their panel."""

    def get_help(self, ctx: Any) -> str:
        """Return the help text."""
        return _dressed(super().get_help(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the group's own arguments."""
        if ctx.parent is None and args == ["--version"]:
            args = ["version"]  # Whoever does not know a program yet asks it so.
        # Typer loads pydantic to read an option that was not given, and `--help` is a group's only
        # one. So `fairlead run --help` would wait for it.
        self.add_help_option = not args or args[0].startswith("-")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order in which they are used."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, section by section."""
        sections: dict[str, list[tuple[str, Any]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panel = getattr(command, "rich_help_panel", None)
            heading = panel if isinstance(panel, str) else "Commands"
            sections.setdefault(heading, []).append((name, command))
        longest = max(len(name) for name in self.commands)
        for heading, commands in sections.items():
            with formatter.section(heading):
                # One width for all sections, so that they line up.
                formatter.write_dl(
                    [
                        (name.ljust(longest), (command.help or "").strip().partition("\n")[0])
                        for name, command in commands
                    ]
                )
