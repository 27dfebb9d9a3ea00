"""Gates and environments: lets gates run, approves, and sets what an environment asks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson, Env
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.entrypoints.cli.screen import Screen
    from fairlead.operations import GatesReport, Ruled

Release = Annotated[str, typer.Argument(metavar="RELEASE", help="Its id, or how it begins.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--gate", metavar="NAME", help="Only this gate; may be given again."),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1.0, max=86_400.0, help="Longest time of each gate."
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The environment; `*` for all others.")]
Named = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The environment; else the one of the settings."),
]
Rules = Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file with the rules.")]


def run(
    release: Release,
    *,
    env: Env = None,
    gate: Names = None,
    timeout: Timeout = 900.0,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Let the gates that an environment requires run on a release, and keep the evidence.

    A gate that cannot run here, because the release's files are not in the folder, is judged by
    the evidence that is on record. Exit status 1 when something stands in the release's way.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import run_gates

        report = run_gates(platform, release, env, names=gate or (), timeout_s=timeout)
        _show(screen, report)
    if not report.passed:
        raise typer.Exit(1)


def show(release: Release, *, env: Env = None, app: App = HERE, as_json: AsJson = False) -> None:
    """Show what stands between a release and an environment, by what is on record.

    Exit status 1 when something does.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import show_gates

        report = show_gates(platform, release, env)
        _show(screen, report)
    if not report.passed:
        raise typer.Exit(1)


def approve(release: Release, *, reason: Reason = "", env: Env = None, app: App = HERE) -> None:
    """Approve of a release in an environment; it holds for this release until it expires."""
    _answer(release, env, app, approved=True, reason=reason)


def deny(release: Release, *, reason: Reason = "", env: Env = None, app: App = HERE) -> None:
    """Deny a release in an environment; the last word of each person counts."""
    _answer(release, env, app, approved=False, reason=reason)


def _answer(release: str, env: str | None, app: Path, *, approved: bool, reason: str) -> None:
    with at_work(app) as (platform, screen):
        from fairlead.operations import Order, answer_gate, operator

        order = Order(by=operator(platform), reason=reason)
        report = answer_gate(platform, release, approved, order, environment=env)
        word = "approved" if approved else "denied"
        screen.line(f"release {report.release.id} is {word} for {report.environment}")
        if not report.passed:
            screen.line(f"Next: fairlead gate show {report.release.id} --env {report.environment}")


def environment_list(*, app: App = HERE, as_json: AsJson = False) -> None:
    """List the environments that have rules of their own."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_environments

        found = list_environments(platform)
        if screen.as_json:
            screen.json([_ruled(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.environments import environments_view

            screen.show(*environments_view(found, screen.columns))


def environment_show(name: Named = None, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Show what an environment asks of releases, and when nothing may change there."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import show_environment

        report = show_environment(platform, name)
        if screen.as_json:
            ruled = None if report.ruled is None else _ruled(report.ruled)
            screen.json(
                {"environment": report.environment, "rules": asdict(report.rules), "ruled": ruled}
            )
        else:
            from fairlead.entrypoints.cli.views.environments import environment_view

            screen.show(*environment_view(report))


def environment_set(
    name: Name, file: Rules, *, reason: Reason = "", app: App = HERE, as_json: AsJson = False
) -> None:
    """Say what an environment asks of releases, from now on; only an admin may."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, operator, read_environment_rules, set_environment

        order = Order(by=operator(platform), reason=reason)
        ruled = set_environment(platform, name, read_environment_rules(file), order)
        if screen.as_json:
            screen.json(_ruled(ruled))
        else:
            screen.line(f"rules {ruled.number} of environment {ruled.environment} are in force")


def _show(screen: Screen, report: GatesReport) -> None:
    if screen.as_json:
        screen.json(
            {
                "release": report.release.digest,
                "environment": report.environment,
                "passed": report.passed,
                "bad": report.release.bad,
                "ruled": report.ruled,
                "gates": [asdict(one) for one in report.gates],
                "evidence": [asdict(one) for one in report.evidence],
            }
        )
        return
    from fairlead.entrypoints.cli.views.environments import gates_view

    screen.show(*gates_view(report, screen.columns))


def _ruled(ruled: Ruled) -> dict[str, Any]:
    return asdict(ruled)
