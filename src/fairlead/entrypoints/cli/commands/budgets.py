"""Looks at budgets."""

from __future__ import annotations

from dataclasses import asdict

from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit
from fairlead.entrypoints.cli.workplace import at_work


def list_all(*, limit: Limit = 50, app: App = HERE, as_json: AsJson = False) -> None:
    """List budgets: limit, use and what workers have leased, in the present window."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_budgets

        found = list_budgets(platform, limit=limit)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.bounds import budgets_view

            screen.show(*budgets_view(found, screen.columns))
