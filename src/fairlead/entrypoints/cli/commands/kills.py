"""Stops what does harm, on all workers, and lets it go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, cast, get_args

import typer

from fairlead.core.kill import KillScope
from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.workplace import at_work

_WHAT: dict[KillScope, str] = {
    "app": "Stop an app: no run of it begins, and no call of its runs is executed.",
    "workflow": "Stop a workflow: no run of it begins, and no call of its runs is executed.",
    "release": "Stop a release: no run of it begins, and no call of its runs is executed.",
    "tool": "Stop a tool: it is not called any more, by whatever run.",
    "model": "Stop a model: it is not asked any more, by whatever run.",
    "tenant": "Stop a tenant: no run of it begins, and no call of its runs is executed.",
}


def _known(value: str) -> str:
    if value not in get_args(KillScope):
        raise typer.BadParameter(f"{value!r} is none of {', '.join(get_args(KillScope))}")
    return value


Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND", callback=_known, help="app, workflow, release, tool, model or tenant."
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name; a release by its id.")]
Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; whoever is refused reads it.")
]
WhyLifted = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]


def killing(scope: KillScope) -> Callable[..., None]:
    """Return the command that stops one kind of thing."""

    def kill(name: Name, *, reason: Why, app: App = HERE) -> None:
        with at_work(app) as (platform, screen):
            from fairlead.operations import Order, operator, pull_kill

            pulled = pull_kill(platform, scope, name, Order(by=operator(platform), reason=reason))
            if not pulled.new:
                screen.line(f"stopped already: {pulled.kill.text}")
            else:
                screen.line(f"{scope} {name} is stopped on all workers within a second")
            if not pulled.known:
                screen.line(f"Note: no release has a {scope} of this name")
            screen.line(f"Next: fairlead kill lift {scope} {name} --reason TEXT")

    kill.__doc__ = _WHAT[scope]
    return kill


def list_all(*, app: App = HERE, as_json: AsJson = False) -> None:
    """List what is stopped, the newest first, with who and why."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_kills

        found = list_kills(platform)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.bounds import kills_view

            screen.show(*kills_view(found, screen.columns))


def lift(kind: Kind, name: Name, *, reason: WhyLifted, app: App = HERE) -> None:
    """Let go on what was stopped: its queued runs begin, and its calls are executed."""
    with at_work(app) as (platform, screen):
        from fairlead.operations import Order, lift_kill, operator

        order = Order(by=operator(platform), reason=reason)
        was = lift_kill(platform, cast("KillScope", kind), name, order)
        screen.line(f"{kind} {name} may go on; it was stopped by {was.by}: {was.reason}")
