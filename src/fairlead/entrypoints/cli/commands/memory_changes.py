"""Corrects what apps remember: adds, replaces, quarantines, endorses, and takes back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.core.memory import EVERYONE, MEMORY_KINDS, Note
from fairlead.entrypoints.cli.inputs import moment_s
from fairlead.entrypoints.cli.options import HERE, App, AsJson, ItemId, ItemIds, Tenant
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.core.memory import Written
    from fairlead.entrypoints.cli.screen import Screen
    from fairlead.operations import Imported, Settled


def _known_kind(value: str) -> str:
    if value not in MEMORY_KINDS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(MEMORY_KINDS)}")
    return value


Said = Annotated[
    str | None, typer.Argument(metavar="[TEXT]", help="What is to be remembered, in words.")
]
NewText = Annotated[str, typer.Argument(metavar="TEXT", help="What holds now, in words.")]
InFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Lines of JSON, one item each; or an export."),
]
Kind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", callback=_known_kind, help="episodic, semantic or procedural."
    ),
]
About = Annotated[str, typer.Option("--subject", metavar="NAME", help="Whom or what it is about.")]
Says = Annotated[
    str,
    typer.Option(
        "--predicate", metavar="NAME", help="What is said of it; one item of each holds at a time."
    ),
]
ValidFrom = Annotated[
    str | None, typer.Option("--valid-from", metavar="TIME", help="From when it is so, UTC.")
]
ValidTo = Annotated[
    str | None, typer.Option("--valid-to", metavar="TIME", help="Until when it is so, UTC.")
]
Readers = Annotated[
    str | None,
    typer.Option("--readers", metavar="USER", help="Only this user recalls it; else the tenant."),
]
Trusted = Annotated[
    bool,
    typer.Option("--trusted", help="Vouch for all of the file; else it is quarantined."),
]
Source = Annotated[
    str, typer.Option("--source", metavar="ORIGIN", help="All that came from it, and from that.")
]
MaybeIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="The items, and what came of them.")
]
OneId = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="This item, and what came of it; may be given again."),
]
OfRelease = Annotated[
    str, typer.Option("--release", metavar="ID", help="All that this release wrote.")
]
Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]
WhyDone = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="Why; required without --dry-run, kept in the event log."
    ),
]
EmbedMost = Annotated[
    int,
    typer.Option("--most", metavar="N", min=1, max=1_000_000, help="Most items of this order."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print how far it reached.")]


def add(  # noqa: PLR0913 - each is an option of the command line
    text: Said = None,
    *,
    file: InFile = None,
    kind: Kind = "semantic",
    subject: About = "",
    predicate: Says = "",
    valid_from: ValidFrom = None,
    valid_to: ValidTo = None,
    readers: Readers = None,
    trusted: Trusted = False,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Remember something, as your word; or what a file holds, quarantined.

    A file is imported in batches. To vouch for it with --trusted takes an approver.
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give a text, or --file FILE", param_hint="TEXT")
    if trusted and file is None:
        raise typer.BadParameter("what you say yourself is trusted anyway", param_hint="--trusted")
    audience = EVERYONE if readers in (None, "tenant") else f"user:{readers}"
    note = Note(
        kind=kind,  # type: ignore[arg-type]
        text=text or "",
        subject=subject,
        predicate=predicate,
        valid_from=None if valid_from is None else moment_s(valid_from),
        valid_to=None if valid_to is None else moment_s(valid_to),
    )
    if file is not None and note != Note(kind="semantic", text=""):
        raise typer.BadParameter("the lines of the file say what each item is", param_hint="--file")
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import ImportOrder, add_memory, import_memory, operator

        by = operator(platform)
        if file is None:
            written = add_memory(platform, note, by, audience=audience, tenant=tenant)
            _say_written(screen, written)
        else:
            order = ImportOrder(by=by, trusted=trusted, audience=audience)
            _say_imported(screen, import_memory(platform, file, order, tenant=tenant))


def supersede(
    id: ItemId,
    text: NewText,
    *,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Replace an item by what you say; its kind, subject, predicate and readers stay."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import operator, supersede_memory

        written = supersede_memory(platform, id, text, operator(platform), tenant=tenant)
        _say_written(screen, written)


def quarantine(
    ids: MaybeIds = None,
    *,
    source: Source = "",
    reason: Why,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Let items, and all that was made out of them, only be quoted until somebody promotes them."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, Roots, operator, quarantine_memory

        order = Order(by=operator(platform), reason=reason)
        roots = Roots(source=source, ids=tuple(ids or ()))
        done = quarantine_memory(platform, roots, order, tenant=tenant)
        _say_settled(screen, done, "quarantined")


def promote(
    ids: ItemIds,
    *,
    reason: Why,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Endorse items: from now on they are trusted. What was made out of them is not, by this."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, operator, promote_memory

        order = Order(by=operator(platform), reason=reason)
        _say_settled(screen, promote_memory(platform, ids, order, tenant=tenant), "promoted")


def forget(
    ids: ItemIds,
    *,
    reason: Why,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Take items back: the same is not remembered of their subjects again. They stay on record."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, forget_memory, operator

        order = Order(by=operator(platform), reason=reason)
        _say_settled(screen, forget_memory(platform, ids, order, tenant=tenant), "forgotten")


def retract(  # noqa: PLR0913 - each is an option of the command line
    *,
    source: Source = "",
    ids: OneId = None,
    release: OfRelease = "",
    dry_run: DryRun = False,
    reason: WhyDone = "",
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Take back all that came from somewhere, and all that was made out of it.

    It prints how far that reached: the items, the runs that got them, and those that wrote them.
    """
    if not dry_run and not reason.strip():
        raise typer.BadParameter("say why, in words", param_hint="--reason")
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, Roots, operator, retract_memory

        order = Order(by=operator(platform), reason=reason)
        roots = Roots(source=source, ids=tuple(ids or ()), release=release)
        done = retract_memory(platform, roots, order, dry_run=dry_run, tenant=tenant)
        if screen.as_json:
            screen.json({**asdict(done), "dry_run": dry_run})
        else:
            from fairlead.entrypoints.cli.views.memory import retraction_view

            screen.show(*retraction_view(done, dry_run=dry_run))


def embed(
    *,
    most: EmbedMost = 1_000_000,
    tenant: Tenant = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Embed what has no vector of the active release's embedding model.

    For the day when a release changes its model. It may be stopped, and goes on when it is given
    again. Documents have no vectors: they are found by their words.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import embed_memory, operator

        def tell(items: int) -> None:
            if not screen.as_json:
                screen.line(f"{items:,} embedded")

        done = embed_memory(platform, operator(platform), tenant=tenant, most=most, tell=tell)
        if screen.as_json:
            screen.json(asdict(done))
            return
        what = "1 item has a vector" if done.items == 1 else f"{done.items:,} items have vectors"
        screen.line(f"{what} of {done.embedder} now, in tenant {done.tenant}")
        if done.left:
            screen.line("There are more. Next: the same again")


def _say_written(screen: Screen, written: Written) -> None:
    if screen.as_json:
        screen.json(asdict(written))
    elif written.merged:
        screen.line(f"item {written.id} says the same already; nothing new was written")
    else:
        instead = f", in place of {written.superseded}" if written.superseded else ""
        screen.line(f"item {written.id} is {written.state}{instead}")


def _say_imported(screen: Screen, done: Imported) -> None:
    if screen.as_json:
        screen.json(asdict(done))
        return
    screen.line(f"{done.lines:,} lines: {done.written:,} new items of {done.source}")
    if done.quarantined:
        screen.line(f"{done.quarantined:,} of them are quarantined until somebody promotes them")
    if done.merged:
        screen.line(f"{done.merged:,} say what was remembered before")
    if done.refused:
        screen.line(f"{done.refused:,} were refused: by a rule, or taken back or erased before")
    if done.left_out:
        screen.line(f"{done.left_out:,} were left out: taken back where the file was made")


def _say_settled(screen: Screen, done: Settled, word: str) -> None:
    if screen.as_json:
        screen.json(asdict(done))
        return
    screen.line(f"{word}: {len(done.changed):,} of {len(done.items):,} items")
    if len(done.changed) < len(done.items):
        screen.line(f"the others were {word} before, or are not current any more")
