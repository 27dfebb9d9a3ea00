"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

App = Annotated[
    Path,
    typer.Option("--app", envvar="FAIRLEAD_APP", metavar="PATH", help="The app's folder."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")
]
Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="NAME", help="Whose rows are used; else the token's, or `default`."
    ),
]
Env = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="The environment; else the one of the settings."),
]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="Most rows to print.")
]
Runs = Annotated[
    int,
    typer.Option(
        "--runs", metavar="N", min=1, max=10_000, help="How many of an app's newest runs."
    ),
]

ItemId = Annotated[str, typer.Argument(metavar="ID", help="The item.")]
ItemIds = Annotated[list[str], typer.Argument(metavar="ID...", help="The items.")]

HERE = Path()
"""The default of `--app`."""
