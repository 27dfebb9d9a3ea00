"""Commands that need no database: init and version."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fairlead.entrypoints.cli.screen import speaking

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or not there.")]


def init(folder: Dir) -> None:
    """Make a new app in DIR.

    It runs, and passes its check, with no model key and no network.
    """
    from fairlead.entrypoints.cli.scaffold import make_app

    made = make_app(folder)
    with speaking(as_json=False) as screen:
        screen.show(
            f"Made the app {made.name} in {folder}, from template {made.template}.",
            "",
            "Next:",
            f"  cd {shlex.quote(str(folder))}"
            if folder.resolve() != Path.cwd()
            else "  (you are there)",
            "  fairlead ingest                   read documents/",
            "  fairlead check                    put the app through its gate",
            "  fairlead release activate ID      the id is printed by the check",
            '  fairlead run answer "How many days of paid leave do I get?"',
        )


def version() -> None:
    """Print the version of Fairlead and of Python."""
    import platform
    from importlib.metadata import version as version_of

    with speaking(as_json=False) as screen:
        screen.line(f"fairlead {version_of('fairlead')} (Python {platform.python_version()})")
