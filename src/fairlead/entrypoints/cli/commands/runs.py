"""Looks at runs, and cancels them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, get_args

import typer

from fairlead.core.outcome import RunState
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit
from fairlead.entrypoints.cli.workplace import at_work


def _known_state(value: str | None) -> str | None:
    if value is not None and value not in get_args(RunState):
        raise typer.BadParameter(f"{value!r} is none of {', '.join(get_args(RunState))}")
    return value


State = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", callback=_known_state, help="Only in this state."),
]
OfRelease = Annotated[
    str | None, typer.Option("--release", metavar="ID", help="Only of this release.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The run's id, or how it begins.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]


def list_all(
    *,
    state: State = None,
    release: OfRelease = None,
    limit: Limit = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    with at_work(app, as_json=as_json) as (platform, screen):
        digest = platform.release_store.get(release).digest if release else None
        found = platform.runs.list(state=state, release=digest, limit=limit)
        if screen.as_json:
            screen.json([asdict(run) for run in found])
        else:
            from fairlead.entrypoints.cli.views.listings import runs_view

            screen.show(*runs_view(found, screen.columns))


def show(id: Id, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Draw a run: its calls on the time axis, verdicts, outcome, sources."""
    with at_work(app, as_json=as_json) as (platform, screen):
        run = platform.runs.get(id)
        calls = platform.journal.of_run(run.id)
        if screen.as_json:
            screen.json({**asdict(run), "calls": [asdict(call) for call in calls]})
        else:
            from fairlead.entrypoints.cli.views.run import run_view
            from fairlead.entrypoints.cli.views.waterfall import Drawing

            drawing = Drawing(
                columns=screen.chart_columns, unicode=screen.unicode, now=platform.clock.now()
            )
            screen.show(*run_view(run, calls, drawing))


def cancel(id: Id, *, reason: Reason, app: App = HERE) -> None:
    """Cancel a run: it makes no further call."""
    if not reason.strip():
        raise typer.BadParameter("say why, in words", param_hint="--reason")
    with at_work(app) as (platform, screen):
        from fairlead.operations import operator

        ended = platform.admission.cancel(id, by=operator(), reason=reason)
        screen.line(f"run {ended.id} {ended.state}")
