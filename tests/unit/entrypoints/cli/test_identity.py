"""Every command stands in the one table of verbs, and asks who asks where the table says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fairlead.core.access import VERBS
from fairlead.core.errors import RoleMissing, TokenUnreadable
from fairlead.core.tokens import TOKEN_BYTES_MAX
from fairlead.entrypoints.cli import identity
from fairlead.entrypoints.cli.commands.token import seconds
from fairlead.entrypoints.cli.tree import tree
from fairlead.operations import Grant, create_token
from fairlead.settings import load_settings

BARE = {
    "baseline check",
    "init",
    "mcp list",
    "mcp pin",
    "mcp diff",
    "version",
    "intent show",
    "up",
    "worker",
    "token show",
}
"""What anybody may do. It changes nothing that somebody else has."""


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Yield each command by its name, with a context to look at it."""

    def visit(command: Any, name: str, parent: Any) -> Iterator[tuple[str, Any, Any]]:
        context = command.make_context(name, [], parent=parent, resilient_parsing=True)
        if hasattr(command, "commands"):
            for each in command.list_commands(context):
                yield from visit(command.get_command(context, each), each, context)
        else:
            yield identity.verb_of(context), command, context

    yield from visit(typer.main.get_command(tree), "fairlead", None)


COMMANDS = {name: (command, context) for name, command, context in commands()}


def test_every_command_has_its_need_in_the_table_and_the_table_names_commands() -> None:
    assert {verb.partition(" --")[0] for verb in VERBS} == set(COMMANDS)
    assert {verb for verb, need in VERBS.items() if need == "open"} == BARE


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_a_command_takes_a_token_where_the_table_asks_for_one(verb: str) -> None:
    command, context = COMMANDS[verb]
    options = [option for one in command.get_params(context) for option in one.opts]
    assert (identity.OPTION in options) is (verb not in BARE)


def test_invariant_12_what_runs_outside_of_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    with pytest.raises(RoleMissing):
        identity.principal_of_command(load_settings(tmp_path, {}))


def test_a_token_of_the_environment_is_read_once_and_no_tool_finds_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    settings = load_settings(tmp_path, {})
    token = create_token(settings, Grant(user="ada", tenant="acme", roles=("operator",)))
    monkeypatch.setenv(identity.VARIABLE, token)
    with identity.running(COMMANDS["runs cancel"][1]):
        principal = identity.principal_of_command(settings)
        assert principal is not None
        assert (principal.user, principal.roles) == ("ada", ("operator",))
        assert identity.VARIABLE not in os.environ
        assert identity.principal_of_command(settings) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "holds no token"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_a_token_is_named(tmp_path: Path, data: bytes | None, why: str) -> None:
    path = tmp_path / "token"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TokenUnreadable, match=why):
        identity._read(path)


def test_invariant_11_no_more_of_a_file_is_read_than_a_token_has(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("x" * 10 * TOKEN_BYTES_MAX)
    assert len(identity._read(path)) <= TOKEN_BYTES_MAX + 100


@pytest.mark.parametrize(
    ("text", "length"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("7d", 604_800)]
)
def test_a_lifetime_is_typed_with_its_unit(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "8", "h", "-8h", "8 h", "1e9d", "inf"])
def test_a_lifetime_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        seconds(text)
