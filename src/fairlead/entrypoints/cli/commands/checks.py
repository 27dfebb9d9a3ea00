"""The gate and the intent pages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.screen import speaking
from fairlead.entrypoints.cli.workplace import at_work, quieten

Workflow = Annotated[
    str | None, typer.Argument(metavar="WORKFLOW", help="One workflow; else all of them.")
]

Mutate = Annotated[
    bool,
    typer.Option(
        "--mutate",
        help="Put small mistakes into policies and contracts: the guardrail tests must notice.",
    ),
]


Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1.0, max=86_400.0, help="Longest time that it takes."
    ),
]


def check(
    *,
    mutate: Mutate = False,
    timeout: Timeout = 900.0,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Put the app through the gate, as it stands in its folder.

    The evidence is kept, and lets `fairlead release activate` pass.

    Exit status 1 when a check fails.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import check_app

        report = check_app(platform, mutate=mutate, timeout_s=timeout)
        if screen.as_json:
            screen.json(
                {
                    "release": report.release.digest,
                    "passed": report.passed,
                    "checks": [asdict(one) for one in report.checks],
                    **{one.name: one.figures for one in report.checks if one.figures},
                }
            )
        else:
            from fairlead.entrypoints.cli.views.gate import gate_view

            screen.show(*gate_view(report.release.id, report.checks))
    if not report.passed:
        raise typer.Exit(1)


def intent_show(workflow: Workflow = None, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Print the intent page of a workflow, or of all of them."""
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import load_settings, resolve_app

        found, _, manifest = resolve_app(load_settings(app))
        names = [found.workflow(workflow).name] if workflow else sorted(found.workflows)
        shown = [manifest.workflows[name] for name in names]
        if screen.as_json:
            pages: dict[str, Any] = {
                one.name: {
                    **asdict(one.intent),
                    "memory": one.remember and asdict(one.remember),
                }
                for one in shown
            }
            screen.json(pages)
        else:
            from fairlead.entrypoints.cli.views.intent import intent_view

            screen.show(*(intent_view(one.name, one.intent, one.remember) for one in shown))
