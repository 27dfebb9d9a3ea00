"""Backs the whole store up, restores it, and tries that on the side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.entrypoints.cli.identity import principal_of_command
from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.screen import Screen, speaking
from fairlead.entrypoints.cli.workplace import at_work, quieten

if TYPE_CHECKING:
    from fairlead.operations import Restored

To = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", help="The file to make; else one with the time in .fairlead/backups."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]
Backup = Annotated[Path, typer.Argument(metavar="FILE", help="What `fairlead backup` made.")]
Drill = Annotated[
    bool,
    typer.Option("--drill", help="Restore into a scratch place, verify, remove it, record that."),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="In place of a store that holds runs, or has workers."),
]
Unsound = Annotated[
    bool,
    typer.Option("--unsound", help="Put it in place although the verification found something."),
]


def backup(
    file: To = None, *, force: Force = False, app: App = HERE, as_json: AsJson = False
) -> None:
    """Write the whole store into one file, as it is now; workers go on meanwhile."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.entrypoints.cli.views.backups import backup_json, backup_view
        from fairlead.operations import back_up_store

        written = back_up_store(platform, file, force=force)
        if screen.as_json:
            screen.json(backup_json(written))
        else:
            for line in backup_view(written):
                screen.line(line)


def restore(
    file: Backup,
    *,
    drill: Drill = False,
    replace: Replace = False,
    unsound: Unsound = False,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Put what a backup holds in the place of the store, all of it or nothing."""
    if drill:
        if replace or unsound:
            raise typer.BadParameter("it replaces nothing", param_hint="--drill")
        with at_work(app, as_json=as_json) as (platform, screen):
            from fairlead.operations import drill_store

            _say(screen, drill_store(platform, file))
        return
    # The store that is there is not opened: it may be damaged, or of another version.
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import RestoreOptions, load_settings, restore_store

        settings = load_settings(app)
        principal = principal_of_command(settings)
        options = RestoreOptions(replace=replace, unsound=unsound)
        _say(screen, restore_store(settings, file, options, by=principal))


def _say(screen: Screen, restored: Restored) -> None:
    from fairlead.entrypoints.cli.views.backups import restored_json, restored_view

    if screen.as_json:
        screen.json(restored_json(restored))
    else:
        for part in restored_view(restored):
            screen.line(part) if isinstance(part, str) else screen.show(part)
