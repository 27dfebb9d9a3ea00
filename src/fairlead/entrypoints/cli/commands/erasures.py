"""Erases what is remembered for certain, and looks whether it is gone."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.core.errors import NotErased
from fairlead.entrypoints.cli.ending import explain
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Tenant
from fairlead.entrypoints.cli.screen import Screen
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.operations import Erasure, ErasureReport

Items = Annotated[
    list[str] | None, typer.Argument(metavar="ITEM...", help="Ids of items.", show_default=False)
]
Subject = Annotated[
    str, typer.Option("--subject", metavar="NAME", help="All that is remembered of it.")
]
Source = Annotated[
    str, typer.Option("--source", metavar="NAME", help="All that was learned from it.")
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="TEXT",
        help="A further value, 6 characters or more; whatever holds it goes too. Repeatable.",
        show_default=False,
    ),
]
Searched = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="TEXT",
        help="A value that must stand nowhere, 6 characters or more. Repeatable.",
        show_default=False,
    ),
]
Resume = Annotated[
    str, typer.Option("--resume", metavar="ID", help="Go on with an erasure that has not ended.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
Which = Annotated[str, typer.Argument(metavar="ID", help="The erasure.")]


def erase(  # noqa: PLR0913 - each is an option of the command line
    items: Items = None,
    *,
    subject: Subject = "",
    source: Source = "",
    value: Values = None,
    reason: Reason = "",
    resume: Resume = "",
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Erase items with all that was derived from them, wherever it stands.

    It cannot be taken back. Exit status 1 when something is left, or when it waits for a run.
    """
    named = bool(items or subject or source or value)
    if named == bool(resume):
        raise typer.BadParameter("name what is to be erased, or an erasure with --resume")
    if not resume and not reason.strip():
        raise typer.BadParameter("say why, in words", param_hint="--reason")
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead import operations

        if resume:
            erasure = operations.resume_erasure(platform, resume)
        else:
            target = operations.Target(
                ids=tuple(items or ()), subject=subject, source=source, values=tuple(value or ())
            )
            order = operations.Order(by=operations.operator(), reason=reason)
            erasure = operations.erase(platform, target, order, tenant=tenant)
        _say(screen, erasure)
    if erasure.left or not erasure.ended:
        raise typer.Exit(1)


def _say(screen: Screen, erasure: Erasure) -> None:
    if screen.as_json:
        screen.json({**asdict(erasure), "left": list(erasure.left)})
        return
    done = erasure.receipt
    screen.line(f"erasure {erasure.id}: {done.get('items', 0)} items")
    if not erasure.ended:
        living = ", ".join(done.get("runs_living", []))
        screen.line(f"the items are hidden; it waits for runs that got one of them: {living}")
        screen.line(f"workers go on with it, or: fairlead memory erase --resume {erasure.id}")
        return
    screen.line(f"runs that got one, removed but for their events: {done.get('runs_pruned', 0)}")
    for place, count in sorted(done.get("scrubbed", {}).items()):
        screen.line(f"taken out of {place}: {count}")
    screen.line(f"exports written anew: {len(done.get('exports', []))}")
    if done.get("not_searched"):
        screen.line(
            f"texts that are too short or too common to be searched: {done['not_searched']}"
        )
    for one in erasure.left:
        screen.line(f"left: {one}")
    screen.line("something is left" if erasure.left else "nothing was found of it any more")


def verify(
    erasure: Which, *, value: Searched = None, app: App = HERE, as_json: AsJson = False
) -> None:
    """Look whether what was erased is gone, and is refused when it is fed again.

    With --value the raw bytes of database and log files are searched. Exit status 1 when something
    was found.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import verify_erasure

        report = verify_erasure(platform, erasure, tuple(value or ()))
        _report(screen, report)
    if not report.clean:
        what = "has not ended" if not report.ended else "is not all gone"
        explain(NotErased(f"erasure {report.erasure} {what}", erasure=report.erasure))
        raise typer.Exit(1)


def _report(screen: Screen, report: ErasureReport) -> None:
    if screen.as_json:
        screen.json({**asdict(report), "clean": report.clean})
        return
    words = {True: "yes", False: "NO", None: "not looked at: no such value was given"}
    for check, held in report.checks.items():
        screen.line(f"{check}: {words[held]}")
    for trace in report.traces:
        screen.line(f"found in {trace}")
    if report.found > len(report.traces):
        screen.line(f"... and {report.found - len(report.traces)} more")
