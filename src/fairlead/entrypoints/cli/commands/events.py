"""Reads the event log, and proves that nobody changed it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fairlead.core.errors import ChainBroken
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit
from fairlead.entrypoints.cli.workplace import at_work

Chain = Annotated[
    str | None,
    typer.Option("--chain", metavar="NAME", help="One chain, such as run:ID; else all of them."),
]


def list_all(
    *, chain: Chain = None, limit: Limit = 50, app: App = HERE, as_json: AsJson = False
) -> None:
    """List the newest events, newest last."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_events

        found = list_events(platform, chain=chain, limit=limit)
        if screen.as_json:
            screen.json([asdict(event) for event in found])
        else:
            from fairlead.entrypoints.cli.views.listings import events_view

            screen.show(*events_view(found, screen.columns))


def verify(*, app: App = HERE, as_json: AsJson = False) -> None:
    """Check every chain of the event log, and that nothing was cut off."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import verify_events

        verification = verify_events(platform)
        findings = verification.findings
        if screen.as_json:
            screen.json(asdict(verification))
        else:
            for finding in findings:
                screen.line(finding)
            if not findings:
                counted = f"{verification.events} events in {verification.chains} chains"
                screen.line(f"{counted}: none was changed, moved or removed")
    if findings:
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        raise ChainBroken(f"the event log does not hold: {findings[0]}{more}")
