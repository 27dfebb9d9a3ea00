"""Looks at runs, stops, holds and repeats them, talks to them, and removes old ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from fairlead.core.digests import canonical_json
from fairlead.entrypoints.cli.inputs import json_value
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit
from fairlead.entrypoints.cli.run_options import (
    Before,
    DryRun,
    Id,
    Ids,
    Key,
    Most,
    Name,
    OfEnv,
    Offset,
    OfRelease,
    OfWorkflow,
    OlderThan,
    Onto,
    Payload,
    Reason,
    State,
    Stream,
    To,
    Why,
)
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.entrypoints.cli.screen import Screen
    from fairlead.operations import Controlled, Platform, Selection, Verb


def list_all(  # noqa: PLR0913 - each is an option of the command line
    *,
    state: State = None,
    release: OfRelease = None,
    workflow: OfWorkflow = None,
    env: OfEnv = None,
    limit: Limit = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    with at_work(app, as_json=as_json) as (platform, screen):
        digest = platform.release_store.get(release).digest if release else None
        from fairlead.operations import reach

        found = platform.runs.list(
            state=state,
            release=digest,
            workflow=workflow,
            tenant=reach(platform),
            environment=env,
            limit=limit,
        )
        if screen.as_json:
            screen.json([asdict(run) for run in found])
        else:
            from fairlead.entrypoints.cli.views.listings import runs_view

            screen.show(*runs_view(found, screen.columns))


def show(id: Id, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Draw a run: its calls on the time axis, verdicts, outcome, sources."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import reached_run

        run = reached_run(platform, id)
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


def cancel(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    reason: Reason,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
) -> None:
    """Cancel runs with their children: none of them makes a further call."""
    _control("cancel", Chosen(ids, workflow, state, release, env), reason, dry_run=dry_run, app=app)


def pause(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    reason: Reason,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
) -> None:
    """Hold runs: the call that is being made ends, and no further one begins."""
    _control("pause", Chosen(ids, workflow, state, release, env), reason, dry_run=dry_run, app=app)


def resume(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    reason: Reason,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
) -> None:
    """Let paused runs go on from their record."""
    _control("resume", Chosen(ids, workflow, state, release, env), reason, dry_run=dry_run, app=app)


def retry(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    reason: Reason,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
) -> None:
    """Start runs that did not succeed again, each from its first call that was not done.

    What was done keeps its keys: no effect happens a second time.
    """
    _control("retry", Chosen(ids, workflow, state, release, env), reason, dry_run=dry_run, app=app)


def move(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    to: To,
    reason: Reason,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
) -> None:
    """Let runs go on under another release, each as a new run that repeats no effect.

    One that could repeat an effect is not moved: it stays where it is.
    """
    chosen = Chosen(ids, workflow, state, release, env)
    _control("move", chosen, reason, dry_run=dry_run, app=app, to=to)


def fork(  # noqa: PLR0913 - each is an option of the command line
    ids: Ids = None,
    *,
    before: Before,
    reason: Reason,
    to: Onto = None,
    workflow: OfWorkflow = None,
    state: State = None,
    release: OfRelease = None,
    env: OfEnv = None,
    dry_run: DryRun = False,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Start new runs from the records of runs, each up to one of its calls."""
    _refuse_silence(reason)
    chosen = Chosen(ids, workflow, state, release, env)
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, fork_runs, operator

        order = Order(by=operator(), reason=reason)
        selection = _selection(platform, chosen)
        done = fork_runs(platform, selection, before, order, to=to, dry_run=dry_run)
        if screen.as_json:
            screen.json([_fork_row(one) for one in done])
        _tell(platform, screen, "fork", done, dry_run=dry_run)
    _end(done)


def send(
    id: Id,
    name: Name,
    payload: Payload = "null",
    *,
    key: Key = None,
    app: App = HERE,
) -> None:
    """Send a signal to a run that waits for it, or will."""
    with at_work(app) as (platform, screen):
        from fairlead.operations import Signal, operator, send_signal

        signal = Signal(
            run_id=id, name=name, payload=json_value(payload), by=operator(), dedup_key=key
        )
        sent = send_signal(platform, signal)
        screen.line("sent" if sent else "a signal with this key was there already")


def stream(id: Id, *, name: Stream = "default", offset: Offset = 0, app: App = HERE) -> None:
    """Print a run's stream, one JSON line an item, until the run has ended."""
    with at_work(app) as (platform, screen):
        from fairlead.operations import read_stream

        for place, item in read_stream(platform, id, name, offset=offset):
            screen.line(canonical_json({"offset": place, "item": item}))


class Chosen(NamedTuple):
    """The runs that a command names or describes."""

    ids: list[str] | None
    workflow: str | None
    state: str | None
    release: str | None
    env: str | None


def _control(
    verb: Verb, chosen: Chosen, reason: str, *, dry_run: bool, app: Path, to: str | None = None
) -> None:
    _refuse_silence(reason)
    with at_work(app) as (platform, screen):
        from fairlead.operations import Order, control_runs, move_runs, operator

        selection = _selection(platform, chosen)
        order = Order(by=operator(), reason=reason)
        if to is None:
            done = control_runs(platform, verb, selection, order, dry_run=dry_run)
        else:
            done = move_runs(platform, selection, to, order, dry_run=dry_run)
        _tell(platform, screen, verb, done, dry_run=dry_run)
    _end(done)


def _refuse_silence(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter("say why, in words", param_hint="--reason")


def _selection(platform: Platform, chosen: Chosen) -> Selection:
    from fairlead.operations import Selection

    release = chosen.release
    return Selection(
        ids=tuple(chosen.ids or ()),
        workflow=chosen.workflow,
        state=chosen.state,
        release=platform.release_store.get(release).digest if release else None,
        environment=chosen.env,
    )


_GOES_ON: dict[Verb, str] = {
    "retry": "again as run",
    "move": "goes on as run",
    "fork": "forked as run",
}


def _tell(
    platform: Platform, screen: Screen, verb: Verb, done: Sequence[Controlled], *, dry_run: bool
) -> None:
    """Say what an order did to each run, or would do; with --json only what was not done."""
    from fairlead.entrypoints.cli.ending import explain

    lines = []
    for one in done:
        if one.error is not None:
            explain(one.error)
        elif dry_run:
            lines.append(f"run {one.run.id} {one.run.workflow} {one.run.state}")
        elif (goes_on := _GOES_ON.get(verb)) is not None:
            lines.append(f"run {one.run.id} {goes_on} {one.also[0]}")
        else:
            now = platform.runs.get(one.run.id).state
            also = f", with {' '.join(one.also)}" if verb == "cancel" and one.also else ""
            lines.append(f"run {one.run.id} {now}{also}")
    if dry_run:
        lines.append(f"would {verb} {len(done)} runs; nothing was done")
    elif not done:
        lines.append(f"there is no such run to {verb}; nothing was done")
    for line in [] if screen.as_json else lines:
        screen.line(line)


def _fork_row(one: Controlled) -> dict[str, str | None]:
    return {
        "run": one.also[0] if one.also else None,
        "origin": one.run.id,
        "error": None if one.error is None else one.error.code,
    }


def _end(done: Sequence[Controlled]) -> None:
    if any(one.error is not None for one in done):
        raise typer.Exit(2)


def prune(  # noqa: PLR0913 - each is an option of the command line
    *,
    older_than: OlderThan = None,
    workflow: OfWorkflow = None,
    dry_run: DryRun = False,
    limit: Most = 10_000,
    reason: Why = "",
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Remove inputs, calls and results of runs that ended long ago.

    Their rows and events stay. A run goes together with its children and its forks, and the newest
    runs of each release and workflow are kept: see the setting `retention.keep_per_release`.
    """
    if not dry_run and not reason.strip():
        raise typer.BadParameter("say why, in words", param_hint="--reason")
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, operator, prune_runs

        pruned = prune_runs(
            platform,
            Order(by=operator(), reason=reason),
            older_than_days=older_than,
            workflow=workflow,
            dry_run=dry_run,
            limit=limit,
        )
        if screen.as_json:
            screen.json({**asdict(pruned), "dry_run": dry_run})
        else:
            from fairlead.entrypoints.cli.views.pruned import pruned_view

            screen.show(*pruned_view(pruned, dry_run=dry_run))
