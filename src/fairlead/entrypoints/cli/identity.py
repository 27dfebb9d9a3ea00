"""Who asks, on the command line: the option `--token-file`, and the variable FAIRLEAD_TOKEN."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.core.access import VERBS, permit
from fairlead.core.errors import TokenUnreadable
from fairlead.core.tokens import TOKEN_BYTES_MAX

if TYPE_CHECKING:
    from fairlead.core.identity import Principal
    from fairlead.settings import Settings

VARIABLE = "FAIRLEAD_TOKEN"
OPTION = "--token-file"


def _keep(ctx: typer.Context, value: str | None) -> str | None:
    ctx.meta[OPTION] = value
    return value


_TokenFile = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="FILE",
        help=f"A token that says who you are; else the variable {VARIABLE} may hold one.",
        callback=_keep,
    ),
]

_RUNNING: ContextVar[tuple[str, Path | None]] = ContextVar("_RUNNING", default=("", None))
"""The verb that runs, and where its token is. No verb is one that nobody may do."""


def verb_of(ctx: Any) -> str:
    """Return a command as the table of verbs names it."""
    _, _, verb = ctx.command_path.partition(" ")
    return str(verb)


def token_option() -> Any:
    """Return the option that every command has which may ask who asks."""
    sample = typer.Typer(add_completion=False)

    @sample.command()
    def holder(token_file: _TokenFile = None) -> None: ...

    option: Any = typer.main.get_command(sample).params[0]
    # The command's function does not know of it.
    option.expose_value = False
    return option


def asks_for_a_token(ctx: Any) -> bool:
    """Whether a command has the option."""
    return VERBS.get(verb_of(ctx), "open") != "open"


def principal_of_command(settings: Settings) -> Principal | None:
    """Return whom the token of the command that runs names, when they may do what it does.

    Args:
        settings: The app's settings.

    Returns:
        None without a token: the user of this machine.

    Raises:
        FairleadError: The token is not valid, or its roles do not allow it: FL-530 to FL-538.
    """
    verb, file = _RUNNING.get()
    principal = None
    # Taken out of the environment: no tool that runs in this process reads it there.
    token = os.environ.pop(VARIABLE, None)
    if VERBS.get(verb) == "open":
        return None
    if file is not None:
        token = _read(file)
    if token:
        from fairlead.operations import authenticate

        principal = authenticate(settings, token)
    permit(principal, verb, required=settings.identity.required)
    return principal


@contextmanager
def running(ctx: Any) -> Iterator[None]:
    """Know what runs, and with which token, while it runs."""
    file = ctx.meta.get(OPTION)
    token = _RUNNING.set((verb_of(ctx), None if file is None else Path(file)))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # A token with blanks around it is whole; one more byte tells that it is too long.
            data = file.read(TOKEN_BYTES_MAX + 100)
        token = data.decode("ascii").strip()
    except OSError as error:
        raise TokenUnreadable(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise TokenUnreadable(f"{path} holds no token") from None
    if not token:
        raise TokenUnreadable(f"{path} is empty")
    return token
