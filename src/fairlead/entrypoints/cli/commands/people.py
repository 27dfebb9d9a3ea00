"""What waits for a person: approvals, and effects of which nobody knows whether they happened."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, get_args

import typer

from fairlead.entrypoints.cli.inputs import json_value
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit
from fairlead.entrypoints.cli.workplace import at_work
from fairlead.ports.approvals import ApprovalState
from fairlead.ports.effects import EffectState

ALL = "all"


def _one_of(known: tuple[str, ...]) -> typer.models.ParameterInfo:
    def check(value: str) -> str:
        if value not in (*known, ALL):
            raise typer.BadParameter(f"{value!r} is none of {', '.join((*known, ALL))}")
        return value

    option: typer.models.ParameterInfo = typer.Option(
        "--state", metavar="STATE", callback=check, help="Only in this state; `all` for any."
    )
    return option


Approval = Annotated[str, typer.Argument(metavar="ID", help="The approval's id, or how it begins.")]
Effect = Annotated[str, typer.Argument(metavar="KEY", help="The effect's key, or how it begins.")]
Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]
Happened = Annotated[
    bool,
    typer.Option("--happened/--did-not-happen", help="What you found in the tool's own system."),
]
Result = Annotated[
    str | None,
    typer.Option(
        "--result", metavar="JSON", help="What the tool would have returned, when it happened."
    ),
]


def approvals_list(
    *,
    state: Annotated[str, _one_of(get_args(ApprovalState))] = "pending",
    limit: Limit = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """List what people are asked, oldest first."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import reach

        kind = None if state == ALL else state
        found = platform.approvals.list(state=kind, tenant=reach(platform), limit=limit)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.people import approvals_view

            screen.show(*approvals_view(found, platform.database.clock(), screen.columns))


def approvals_show(id: Approval, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Print what a person agrees to: the call, why they are asked, where its values come from."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import show_approval

        found = show_approval(platform, id)
        if screen.as_json:
            screen.json(asdict(found))
        else:
            from fairlead.entrypoints.cli.views.people import approval_view

            screen.show(*approval_view(found, platform.database.clock()))


def approve(id: Approval, *, reason: Why = "", app: App = HERE) -> None:
    """Agree to a call: its run makes exactly this call, once."""
    _answer(id, True, reason, app)


def deny(id: Approval, *, reason: Why, app: App = HERE) -> None:
    """Refuse a call: its run gets FL-507 with your reason."""
    _answer(id, False, reason, app)


def _answer(id: str, approved: bool, reason: str, app: App) -> None:
    with at_work(app) as (platform, screen):
        from fairlead.operations import Order, answer_approval, operator

        order = Order(by=operator(), reason=reason)
        answered = answer_approval(platform, id, approved, order)
        screen.line(f"approval {answered.id} {answered.state}; run {answered.run_id} goes on")


def effects_list(
    *,
    state: Annotated[str, _one_of(get_args(EffectState))] = "unknown",
    limit: Limit = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """List effects of the ledger, oldest first; those that a person must look into by default."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import reach

        kind = None if state == ALL else state
        found = platform.effects.list(state=kind, tenant=reach(platform), limit=limit)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.people import effects_view

            screen.show(*effects_view(found, screen.columns))


def effects_resolve(
    key: Effect,
    *,
    happened: Happened,
    reason: Why,
    result: Result = None,
    app: App = HERE,
) -> None:
    """Say whether an unknown effect happened; the run that waits for it goes on.

    When it happened it is not repeated. When it did not, it is executed now.
    """
    if result is not None and not happened:
        raise typer.BadParameter("what did not happen has no result", param_hint="--result")
    value = None if result is None else json_value(result)
    with at_work(app) as (platform, screen):
        from fairlead.operations import Order, operator, resolve_effect

        order = Order(by=operator(), reason=reason)
        found = resolve_effect(platform, key, happened, order, result=value)
        what = "happened; it is not repeated" if happened else "did not happen; it is executed now"
        screen.line(f"effect {found.key} of {found.tool} {what}")
