"""Policies that do not count yet: tried on recorded calls, and beside live ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson, Runs
from fairlead.entrypoints.cli.workplace import at_work

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Folders and files with all policies to be tried."),
]


def try_out(paths: Paths, *, runs: Runs = 100, app: App = HERE, as_json: AsJson = False) -> None:
    """Try policies in place of the app's on its recorded calls; write nothing.

    It lists the calls that would have been decided otherwise.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import try_policies

        trial = try_policies(platform, paths, runs=runs)
        if screen.as_json:
            screen.json(asdict(trial))
        else:
            from fairlead.entrypoints.cli.views.trials import trials_view

            screen.show(*trials_view([trial], screen.columns))


def diffs(*, app: App = HERE, as_json: AsJson = False) -> None:
    """List the live calls that the policies in `[policy] shadow` would decide otherwise."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import policy_differences

        groups = policy_differences(platform)
        if screen.as_json:
            screen.json([asdict(group) for group in groups])
        else:
            from fairlead.entrypoints.cli.views.trials import differences_view

            screen.show(*differences_view(groups, screen.columns))
