"""Where a command's answer goes: a terminal, a pipe, or one JSON document."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from fairlead.entrypoints.cli.texts import safe, wants_colour

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_COLUMNS = 4000
"""A pipe has no width: tables are as wide as what they hold."""

CHART_COLUMNS_MAX = 160
"""A chart that is wider says no more."""


class Screen:
    """Prints on one stream.

    Attributes:
        as_json: Whether the one JSON document is asked for.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self.as_json = as_json

    @property
    def unicode(self) -> bool:
        """Whether the stream can show box and block characters."""
        return "utf" in (getattr(self._stream, "encoding", None) or "").lower()

    @property
    def columns(self) -> int:
        """How wide a line may be; in a pipe nearly without bound."""
        return self._console().width

    @property
    def chart_columns(self) -> int:
        """How wide a chart is drawn."""
        width = self.columns
        return 100 if width == PIPE_COLUMNS else min(width, CHART_COLUMNS_MAX)

    def line(self, text: str) -> None:
        """Print a line at once, as it is, whatever its length."""
        self._write(f"{safe(text)}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Begin a new page on a terminal; in a pipe, an empty line parts it from the one before."""
        self._stream.write("\x1b[H\x1b[2J" if self._stream.isatty() else "\n")

    def show(self, *parts: RenderableType) -> None:
        """Print parts, one below the other; in a pipe as plain text."""
        console = self._console()
        with console.capture() as capture:
            for part in parts:
                console.print(part, markup=False, highlight=False, emoji=False)
        lines = capture.get().splitlines()
        self._write("".join(f"{line.rstrip()}\n" for line in lines))

    def json(self, value: Any) -> None:
        """Print the one JSON document."""
        import json

        # Plain ASCII: any reader of any locale can take it.
        self._stream.write(json.dumps(value, indent=2) + "\n")

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))

    def _console(self) -> Console:
        from rich.console import Console

        given = os.environ.get("COLUMNS", "")
        columns = int(given) if given.isdigit() and int(given) >= 40 else None
        if columns is None and not self._stream.isatty():
            columns = PIPE_COLUMNS
        return Console(
            file=self._stream,
            width=columns,
            no_color=not wants_colour(self._stream),
            force_terminal=None if wants_colour(self._stream) else False,
            legacy_windows=False,
        )


@contextmanager
def speaking(*, as_json: bool) -> Iterator[Screen]:
    """Return where the command's answer goes.

    With JSON the document is all that stdout gets: what an app prints goes to stderr.
    """
    screen = Screen(sys.stdout, as_json=as_json)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        yield screen
