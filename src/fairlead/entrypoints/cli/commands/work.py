"""Commands that make work happen: ingest, run and worker."""

from __future__ import annotations

import gc
import os
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.core.errors import CodeMismatch, InvalidInput, RunTimedOut
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.entrypoints.cli.interruption import INTERRUPTION
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Tenant
from fairlead.entrypoints.cli.workplace import at_work
from fairlead.settings import database_url, queues_of

if TYPE_CHECKING:
    from fairlead.operations import Orphan, Platform, RunRecord, Worker

POLL_S = 0.02
"""Seconds between two looks at whether a run has ended, or a signal has come."""

Collection = Annotated[
    str | None, typer.Argument(metavar="COLLECTION", help="One collection; else all of them.")
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FOLDER", help="Read COLLECTION from here this time."),
]
Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name.")]
Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="JSON, or plain text; - reads it from stdin.")
]
User = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="Who asks; else the token's user, or `local`."),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Print the run's id and leave; start no worker.")
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, max=86_400.0, help="Longest wait."),
]
ForRelease = Annotated[
    str | None,
    typer.Option("--release", metavar="ID", help="Be a worker of this release's code."),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", metavar="N", min=1, max=1000, help="Most runs at the same time."),
]
Parked = Annotated[
    int | None,
    typer.Option(
        "--parked", metavar="N", min=0, max=100_000, help="Most runs that wait in memory."
    ),
]
Queues = Annotated[
    str | None,
    typer.Option("--queues", metavar="NAMES", help="Take runs of these queues, with commas."),
]
Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Where everything is kept, for this worker."),
]
Parent = Annotated[
    int | None,
    typer.Option(
        "--parent",
        metavar="PID",
        min=1,
        help="Its supervisor; once that process is gone it ends when there is no work.",
    ),
]
StartKey = Annotated[
    str | None,
    typer.Option("--key", metavar="TEXT", help="A second start under this key gives the same run."),
]
OfConversation = Annotated[
    str | None,
    typer.Option("--conversation", metavar="ID", help="Go on with this conversation, or begin it."),
]
Priority = Annotated[
    int,
    typer.Option(
        "--priority", metavar="N", min=-100, max=100, help="Within the tenant higher ones go first."
    ),
]


def ingest(
    collection: Collection = None,
    *,
    folder: From = None,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Bring collections up to date with their folders.

    Exit status 1 when a file was refused; the other files are ingested.
    """
    if folder is not None and collection is None:
        raise typer.BadParameter("it needs a COLLECTION", param_hint="--from")
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.entrypoints.cli.ending import explain
        from fairlead.entrypoints.cli.views.ingested import ingested_view
        from fairlead.operations import ingest as bring_up_to_date

        done = bring_up_to_date(platform, collection, folder=folder, tenant=tenant)
        refused = [error for one in done for error in one.refused]
        if screen.as_json:
            screen.json(
                [{**vars(one), "refused": [e.to_json() for e in one.refused]} for one in done]
            )
        else:
            screen.show(ingested_view(done))
        for error in refused:
            explain(error)
    if refused:
        raise typer.Exit(1)


def run(  # noqa: PLR0913 - each is an option of the command line
    workflow: Workflow,
    input: Input,
    *,
    user: User = None,
    tenant: Tenant = None,
    detach: Detach = False,
    key: StartKey = None,
    priority: Priority = 0,
    conversation: OfConversation = None,
    timeout: Timeout = 60.0,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Start a run of the active release, and print how it ended.

    Exit status 0 when it succeeded, 1 when it was escalated, denied, cancelled or failed.
    """
    from fairlead.entrypoints.cli.inputs import parse, read

    text = read(input)
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import StartOptions, asking, outcome_of_run, working

        if platform.principal is not None and (user is not None or tenant is not None):
            raise InvalidInput("the token says who asks: --user and --tenant cannot say it again")

        principal = asking(platform, stated(user, tenant))
        release, _ = platform.admission.route(principal, conversation)
        terms = release.manifest.workflows.get(workflow)
        value = text if terms is None else parse(text, terms.input_schema)
        options = StartOptions(key=key, priority=priority, conversation=conversation)
        start = partial(
            platform.admission.start_routed, workflow, value, principal=principal, options=options
        )
        if detach:
            queued = start()
            screen.json({"run": queued.id}) if as_json else screen.line(queued.id)
            return
        started: RunRecord | None = None
        ended: RunRecord | None = None
        with INTERRUPTION.gently("stopping"), ExitStack() as workers:
            workers.enter_context(working(platform, release))
            if not INTERRUPTION.asked:
                started = start()
                if started.release != release.digest:
                    drawn = platform.release_store.get(started.release)
                    workers.enter_context(working(platform, drawn))
                ended = _end_of(platform, started, timeout, workers)
        if started is not None and ended is None:
            # It may have ended while the worker of this process drained.
            now = platform.runs.get(started.id)
            ended = now if now.state in FINAL_STATES else None
        if started is None or ended is None:
            goes_on = (
                "nothing was started" if started is None else f"run {started.id} goes on later"
            )
            typer.echo(f"interrupted; {goes_on}", err=True)
            raise typer.Exit(INTERRUPTION.status)
        if as_json:
            screen.json(
                {"run": ended.id, "release": ended.release, **asdict(outcome_of_run(ended))}
            )
        else:
            from fairlead.entrypoints.cli.views.outcome import outcome_view

            screen.show(*outcome_view(ended, outcome_of_run(ended)))
    if ended.state != "succeeded":
        raise typer.Exit(1)


def stated(user: str | None, tenant: str | None) -> Principal:
    """Return who asks without a token, as far as it was said."""
    local = Principal()
    return Principal(
        user=local.user if user is None else user,
        tenant=local.tenant if tenant is None else tenant,
    )


def _end_of(
    platform: Platform, run: RunRecord, timeout_s: float, workers: ExitStack
) -> RunRecord | None:
    """Wait for a run's end; None when a signal comes first.

    Args:
        platform: The open platform.
        run: The run.
        timeout_s: Longest wait.
        workers: Where a worker of this process is put, when the one that was there dies.

    Raises:
        RunTimedOut: It did not end in time.
    """
    from fairlead.operations import working

    lease_s = platform.settings.lease_s
    release = platform.release_store.get(run.release)
    living = platform.workers.living(lease_s)
    ours = any(one.pid == os.getpid() for one in living)
    now = time.monotonic()
    until, look = now + timeout_s, now + lease_s
    while not INTERRUPTION.asked:
        found = platform.runs.get(run.id)
        if found.state in FINAL_STATES:
            return found
        now = time.monotonic()
        if now > until:
            raise RunTimedOut(
                f"run {run.id} is still {found.state} after {timeout_s:g} s", run=run.id
            )
        if now > look and not ours:
            # The worker that was there may have died; one without this code is no help.
            with suppress(CodeMismatch):
                workers.enter_context(working(platform, release))
            ours = any(one.pid == os.getpid() for one in platform.workers.living(lease_s))
            look = time.monotonic() + lease_s
        time.sleep(POLL_S)
    return None


def _wait(worker: Worker, orphan: Orphan | None) -> None:
    """Wait for a signal, for the loss of the worker's lease, or until nobody needs it."""
    while worker.lost is None and not INTERRUPTION.asked:
        if orphan is not None and orphan.is_over():
            return
        time.sleep(POLL_S)


def worker(  # noqa: PLR0913 - each is an option of the command line
    *,
    release: ForRelease = None,
    concurrency: Concurrency = None,
    parked: Parked = None,
    queues: Queues = None,
    database: Database = None,
    parent: Parent = None,
    app: App = HERE,
) -> None:
    """Execute runs until SIGINT or SIGTERM.

    Then it lets the current runs end, and stops; what did not end goes on with the next worker.

    It takes the runs of every release that was made from the code in the app's folder; with
    --release, of those that were made from that one's code, which is taken from its archive.
    """
    changes: dict[str, Any] = {"concurrency": concurrency, "parked": parked}
    if queues is not None:
        changes["queues"] = queues_of(queues)
    if database is not None:
        changes["database_url"] = database_url(app, database)
    with (
        INTERRUPTION.gently("stopping when the current runs have ended"),
        at_work(app, **changes) as (platform, screen),
        ExitStack() as beside,
    ):
        from fairlead.operations import make_worker, orphaned

        orphan = beside.enter_context(orphaned(platform, parent))
        made = make_worker(platform, release)
        if INTERRUPTION.asked:
            return
        try:
            made.start()
            if orphan is not None:
                orphan.code_digest = made.runner.code_digest
            # The libraries that are loaded by now stay for good. To look through them for garbage
            # again and again would stop every run of the worker, each time for a part of a second.
            gc.collect()
            gc.freeze()
            # A call makes thousands of small objects, and few of them are left in a cycle.
            gc.set_threshold(20_000, 20, 20)
            if not INTERRUPTION.asked:
                runner, settings = made.runner, platform.settings
                screen.line(
                    f"worker {runner.worker_id} ready: code {runner.code_digest[:12]}, "
                    f"concurrency {settings.concurrency}, pid {os.getpid()}"
                )
            _wait(made, orphan)
        finally:
            if made.lost is None:
                made.stop()
    if made.lost is not None:
        raise made.lost
