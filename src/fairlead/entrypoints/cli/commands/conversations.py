"""Looks at conversations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fairlead.entrypoints.cli.options import HERE, App, AsJson, Limit, Tenant
from fairlead.entrypoints.cli.workplace import at_work

Id = Annotated[str, typer.Argument(metavar="ID", help="The conversation, as its tenant names it.")]
OfTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Only of this tenant.")
]


def list_all(
    *, tenant: OfTenant = None, limit: Limit = 20, app: App = HERE, as_json: AsJson = False
) -> None:
    """List conversations, the one that was asked last first."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_conversations

        found = list_conversations(platform, tenant=tenant, limit=limit)
        if screen.as_json:
            screen.json([asdict(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.conversations import conversations_view

            screen.show(*conversations_view(found, screen.columns))


def show(
    id: Id,
    *,
    tenant: Tenant = None,
    limit: Limit = 20,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Print a conversation's newest turns: what was asked and answered, by which run."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import show_conversation

        found = show_conversation(platform, id, tenant=tenant, limit=limit)
        if screen.as_json:
            screen.json({**asdict(found.record), "newest": [asdict(turn) for turn in found.turns]})
        else:
            from fairlead.entrypoints.cli.views.conversations import conversation_view

            screen.show(*conversation_view(found.record, found.turns))
