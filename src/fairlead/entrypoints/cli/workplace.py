"""Opens what a command works on. Engines load here, not when help is printed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.entrypoints.cli.ending import without_secrets
from fairlead.entrypoints.cli.identity import principal_of_command
from fairlead.entrypoints.cli.interruption import is_torn_apart
from fairlead.entrypoints.cli.screen import Screen, speaking

if TYPE_CHECKING:
    from fairlead.operations import Platform


@contextmanager
def at_work(
    folder: Path, *, as_json: bool = False, **changes: Any
) -> Iterator[tuple[Platform, Screen]]:
    """Open an app's database, and say where the command's answer goes.

    Args:
        folder: The app's folder.
        as_json: Whether the answer is one JSON document.
        changes: Settings that stand in place of those that are read; None keeps one.

    Raises:
        FairleadError: There is no app, or its database cannot be used; or the token of the command
            is not valid, or does not allow it.
    """
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import acting, load_settings, open_platform

        settings = load_settings(folder)
        given = {name: value for name, value in changes.items() if value is not None}
        settings = replace(settings, **given)
        # Before anything is opened, and so before anything is started.
        principal = principal_of_command(settings)
        with open_platform(settings) as platform:
            yield acting(platform, principal), screen


class _Redacting(logging.Formatter):
    """Formats a record, its traceback included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def quieten() -> None:
    """Let libraries log what an operator must act on, and no more."""
    handler = logging.StreamHandler()
    # A pool that is closed while a signal comes in says so, with a traceback; it is no fault.
    handler.addFilter(lambda record: not record.exc_info or not is_torn_apart(record.exc_info[1]))
    handler.setFormatter(_Redacting("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # A collector that is down for a moment is retried; what is lost in the end is an error.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    for name in ("dbos", "alembic", "asyncio", "httpx", "pydantic_ai"):
        logging.getLogger(name).setLevel(logging.ERROR)
