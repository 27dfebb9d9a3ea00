"""Looks at what apps remember: searches it, shows items and their history, counts, exports."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.core.memory import MEMORY_KINDS, MemoryQuery, item_to_json, recalled_to_json
from fairlead.entrypoints.cli.inputs import moment_s
from fairlead.entrypoints.cli.options import HERE, App, AsJson, ItemId, Tenant
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.operations import MemoryStats


def known_kinds(values: list[str] | None) -> list[str] | None:
    """Refuse what is no kind of memory."""
    for value in values or ():
        if value not in MEMORY_KINDS:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(MEMORY_KINDS)}")
    return values


Question = Annotated[str, typer.Argument(metavar="QUERY", help="The question in words.")]
OfSubject = Annotated[
    str | None, typer.Option("--subject", metavar="NAME", help="Only what is about this subject.")
]
OfKinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        callback=known_kinds,
        help="Only this kind, such as semantic; may be given again.",
    ),
]
TopK = Annotated[
    int, typer.Option("--top-k", metavar="N", min=1, max=100, help="Most items to print.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="What was on record and current then, UTC."),
]
ValidAt = Annotated[
    str | None, typer.Option("--valid-at", metavar="TIME", help="What was so then, UTC.")
]
AllStates = Annotated[
    bool, typer.Option("--all-states", help="Also what was superseded or taken back.")
]
Subject = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="Whom or what it is about, such as customer:42.")
]
Predicate = Annotated[
    str, typer.Argument(metavar="[PREDICATE]", help="What is said of it; else all of it.")
]
OutFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def search(  # noqa: PLR0913 - each is an option of the command line
    query: Question,
    *,
    subject: OfSubject = None,
    kind: OfKinds = None,
    top_k: TopK = 10,
    as_of: AsOf = None,
    valid_at: ValidAt = None,
    all_states: AllStates = False,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Find what is remembered, whoever may recall it; and passages of ingested documents.

    Documents are looked through when nothing but a question is asked.
    """
    wanted = MemoryQuery(
        text=query,
        kinds=tuple(kind or MEMORY_KINDS),  # type: ignore[arg-type]
        subject=subject,
        top_k=top_k,
        known_at=None if as_of is None else moment_s(as_of),
        valid_at=None if valid_at is None else moment_s(valid_at),
        retired=all_states,
    )
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import search_memory

        found = search_memory(platform, wanted, tenant=tenant)
        if screen.as_json:
            items = [recalled_to_json(one) for one in found.items]
            screen.json({"items": items, "passages": [asdict(hit) for hit in found.passages]})
        else:
            from fairlead.entrypoints.cli.views.memory import found_view

            screen.show(*found_view(found, screen.columns))


def show(id: ItemId, *, tenant: Tenant = None, app: App = HERE, as_json: AsJson = False) -> None:
    """Print an item: what it says, where it comes from, who got it, and what came of it."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import show_memory

        found = show_memory(platform, id, tenant=tenant)
        if screen.as_json:
            screen.json(
                {
                    **item_to_json(found.item),
                    "derived": found.derived,
                    "readers": found.readers,
                    "history": [item_to_json(item) for item in found.history],
                }
            )
        else:
            from fairlead.entrypoints.cli.views.memory import item_view

            screen.show(*item_view(found, screen.columns))


def history(
    subject: Subject,
    predicate: Predicate = "",
    *,
    as_of: AsOf = None,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """List what was said of a subject, oldest record first."""
    known_at = None if as_of is None else moment_s(as_of)
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import memory_history

        found = memory_history(platform, subject, predicate, known_at=known_at, tenant=tenant)
        if screen.as_json:
            screen.json([item_to_json(item) for item in found])
        else:
            from fairlead.entrypoints.cli.views.memory import history_view

            screen.show(*history_view(found, screen.columns))
        if found.left_out:
            # Beside the JSON, which stays a list.
            typer.echo(
                f"{found.left_out:,} earlier items are left out: name a --predicate, or an "
                "earlier time with --as-of",
                err=True,
            )


def stats(*, tenant: Tenant = None, app: App = HERE, as_json: AsJson = False) -> None:
    """Count what is kept, by kind, state and source, and say what looks odd."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import memory_stats

        found = memory_stats(platform, tenant=tenant)
        if screen.as_json:
            screen.json(_stats(found))
        else:
            from fairlead.entrypoints.cli.views.memory_stats import stats_view

            screen.show(*stats_view(found, screen.columns))


def export(  # noqa: PLR0913 - each is an option of the command line
    file: OutFile,
    *,
    subject: OfSubject = None,
    kind: OfKinds = None,
    all_states: AllStates = False,
    force: Force = False,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Write items to a file of JSON lines, and record which ones.

    `fairlead memory add --file` reads such a file, as an import that nobody vouches for.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import ExportOrder, export_memory, operator

        order = ExportOrder(
            by=operator(platform),
            subject=subject,
            kinds=tuple(kind or ()),  # type: ignore[arg-type]
            retired=all_states,
            force=force,
        )
        made, count = export_memory(platform, file, order, tenant=tenant)
        if screen.as_json:
            screen.json({**asdict(made), "items": count})
        else:
            what = "1 item is" if count == 1 else f"{count:,} items are"
            screen.line(f"{what} in {file}; it is export {made.id}")
            screen.line(f"sha256 {made.digest}")


def _stats(found: MemoryStats) -> dict[str, Any]:
    items: dict[str, dict[str, int]] = {}
    for (kind, state), count in found.items.items():
        items.setdefault(kind, {})[state] = count
    return {
        "items": items,
        "sources": dict(found.sources),
        "quarantined": dict(found.quarantined),
        "embedders": dict(found.embedders),
        "schemas": list(found.schemas),
        "overlays": dict(found.overlays),
        "tombstones": found.tombstones,
        "expired": found.expired,
    }
