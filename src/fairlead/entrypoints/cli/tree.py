"""The command tree."""

from __future__ import annotations

import typer

from fairlead.entrypoints.cli.commands import checks, events, make, releases, runs, work
from fairlead.entrypoints.cli.help import Command, Group

MAKE, RUN, SHIP, LOOK = "Make", "Run", "Ship", "Look"

tree = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The release and safety layer for agent workflows.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, panel: str, what: str) -> typer.Typer:
    group = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help=what)
    tree.add_typer(group, name=name, rich_help_panel=panel)
    return group


tree.command("init", cls=Command, rich_help_panel=MAKE)(make.init)
tree.command("check", cls=Command, rich_help_panel=MAKE)(checks.check)
_intent = _group("intent", MAKE, "The pages that say what workflows are for.")
_intent.command("show", cls=Command)(checks.intent_show)

tree.command("ingest", cls=Command, rich_help_panel=RUN)(work.ingest)
tree.command("run", cls=Command, rich_help_panel=RUN)(work.run)
tree.command("worker", cls=Command, rich_help_panel=RUN)(work.worker)

_release = _group("release", SHIP, "Make releases, compare them, and choose the active one.")
_release.command("create", cls=Command)(releases.create)
_release.command("list", cls=Command)(releases.list_all)
_release.command("show", cls=Command)(releases.show)
_release.command("diff", cls=Command)(releases.diff)
_release.command("activate", cls=Command)(releases.activate)
tree.command("rollback", cls=Command, rich_help_panel=SHIP)(releases.rollback)

_runs = _group("runs", LOOK, "Look at runs, and cancel them.")
_runs.command("list", cls=Command)(runs.list_all)
_runs.command("show", cls=Command)(runs.show)
_runs.command("cancel", cls=Command)(runs.cancel)
_events = _group("events", LOOK, "Read the event log, and prove that nobody changed it.")
_events.command("list", cls=Command)(events.list_all)
_events.command("verify", cls=Command)(events.verify)
tree.command("version", cls=Command, rich_help_panel=LOOK)(make.version)
