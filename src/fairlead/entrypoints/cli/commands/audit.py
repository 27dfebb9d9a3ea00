"""Proves what happened: keys, checkpoints, verification and exports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.core.errors import AuditBroken
from fairlead.entrypoints.cli.ending import explain
from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.screen import Screen, speaking
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.operations import AuditReport


def _moment(value: str | None) -> str | None:
    if value is not None:
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            message = f"{value!r} is no date or time, such as 2026-11-29 or 2026-11-29T18:00"
            raise typer.BadParameter(message) from error
    return value


Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Public keys that are trusted."),
]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The checkpoint file, or a copy.")
]
Export = Annotated[
    Path | None,
    typer.Option("--export", metavar="FILE", help="Check this export; no database is needed."),
]
Findings = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="Most findings to print.")
]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", callback=_moment, help="Chains with events since, UTC."),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", callback=_moment, help="Chains with events until, UTC."),
]
OfRun = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="Only this run, with its release.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to make.")]


def init(*, app: App = HERE, as_json: AsJson = False) -> None:
    """Make the key that checkpoints are signed with, and the first checkpoint."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import init_audit

        made = init_audit(platform)
        if screen.as_json:
            screen.json({name: str(value) for name, value in asdict(made).items()})
            return
        screen.line(f"key {made.key} is in {made.private}")
        screen.line(f"its public part is in {made.public}: give it to whoever is to verify")
        screen.line(f"checkpoints are copied to {platform.settings.audit_file}")


def checkpoint(*, app: App = HERE, as_json: AsJson = False) -> None:
    """Cover all that happened so far, and bring the checkpoint file up to date."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import make_checkpoint

        made = make_checkpoint(platform)
        if screen.as_json:
            screen.json([asdict(one) for one in made])
            return
        for one in made:
            screen.line(
                f"checkpoint {one.number}: {one.heads} chains grew; "
                f"{one.events} events in {one.chains} chains are covered"
            )
        if not made:
            screen.line("no chain grew since the newest checkpoint")


def verify(
    *,
    key: Key = None,
    file: File = None,
    export: Export = None,
    limit: Findings = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Check all chains against their signed checkpoints, or an export without a database."""
    if export is not None:
        if key is None:
            raise typer.BadParameter("an export is checked with --key FILE", param_hint="--export")
        with speaking(as_json=as_json) as screen:
            from fairlead.operations import verify_export

            report = verify_export(export, key=key, limit=limit)
            _say(screen, report)
    else:
        with at_work(app, as_json=as_json) as (platform, screen):
            from fairlead.operations import verify_audit

            report = verify_audit(platform, key=key, file=file, limit=limit)
            _say(screen, report)
    if report.found:
        more = f", and {report.found - 1} more" if report.found > 1 else ""
        # Status 2 is for an audit that could not be made; this one was, and says no.
        explain(AuditBroken(f"{report.findings[0].what}{more}"))
        raise typer.Exit(1)


def _say(screen: Screen, report: AuditReport) -> None:
    if screen.as_json:
        screen.json(asdict(report))
        return
    for finding in report.findings:
        screen.line(finding.what)
    if report.found > len(report.findings):
        screen.line(f"... and {report.found - len(report.findings)} more")
    if report.found:
        return
    screen.line(f"{report.events} events in {report.chains} chains: every chain holds")
    screen.line(f"{report.covered} events are covered by signed checkpoints: {report.checkpoints}")
    if report.events > report.covered:
        screen.line(f"{report.events - report.covered} events are not covered yet")


def export(
    *,
    out: Out,
    run: OfRun = None,
    since: Since = None,
    until: Until = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Write events to a file, with what proves them to somebody who has no database."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import ExportScope, export_audit

        scope = ExportScope(
            run_id=run,
            since=0.0 if since is None else _seconds(since),
            until=ExportScope.until if until is None else _seconds(until),
        )
        report = export_audit(platform, out, scope)
        if screen.as_json:
            screen.json({"file": str(out), "chains": report.chains, "events": report.events})
        else:
            screen.line(f"{report.events} events in {report.chains} chains are in {out}")


def _seconds(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
