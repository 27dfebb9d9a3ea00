"""Shows how well releases come to users."""

from __future__ import annotations

from typing import Annotated

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.workplace import at_work

Days = Annotated[
    float,
    typer.Option("--days", metavar="N", min=0.01, max=3650.0, help="How many of the last days."),
]
Env = Annotated[
    str,
    typer.Option("--env", metavar="NAME", help="Deployments to this environment; else to all."),
]
Of = Annotated[
    str, typer.Option("--of", metavar="NAME", help="Deployments of this app; else of all.")
]


def dora(
    *, days: Days = 30.0, env: Env = "", of: Of = "", app: App = HERE, as_json: AsJson = False
) -> None:
    """Show the delivery metrics: how often and how fast, how often it failed, and how it ended.

    They are folded from the event log alone, and right while nothing is exported. What is not known
    is said so, and never 0.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.entrypoints.cli.views.dora import dora_json, dora_view
        from fairlead.operations import measure_delivery

        found = measure_delivery(platform, days, environment=env, app=of)
        if screen.as_json:
            screen.json(dora_json(found))
        else:
            screen.show(*dora_view(found, unicode=screen.unicode))
