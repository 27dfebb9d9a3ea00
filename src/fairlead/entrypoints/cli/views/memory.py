"""What is remembered: what was found, one item, a history, and how far something reached.

Whatever an item says came from somewhere: it is shown without what a terminal would obey.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.memory import Item, MemoryState, Recalled
from fairlead.entrypoints.cli.texts import moment, one_line
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import fit, heading, indented, plain
from fairlead.operations import MemoryFound, MemoryItem, Retraction

_STYLES: dict[MemoryState, str] = {
    "active": "green",
    "quarantined": "yellow",
    "superseded": "bright_black",
    "retracted": "red",
    "forgotten": "bright_black",
}
_IDS_SHOWN = 10
_INDENT = 7


def found_view(found: MemoryFound, width: int) -> list[RenderableType]:
    """Return what answers a question: items first, then passages of documents.

    Args:
        found: What was found.
        width: The screen's width.
    """
    if not found.items and not found.passages:
        return [Text("nothing is near; `fairlead memory stats` counts what is kept")]
    parts: list[RenderableType] = []
    if found.items:
        columns = [Column(name="score", right=True), Column(name="state")]
        columns += [Column(name="id", most=60), Column(name="about")]
        rows = [
            (f"{one.score:.2f}", _state(one.item), one.item.id, _about(one.item))
            for one in found.items
        ]
        lines = rows_view(columns, rows, width)
        parts.append(lines[0])
        for one, line in zip(found.items, lines[1:], strict=True):
            parts += [line, _facts(one, width), _quote(one.item, width)]
    if found.passages:
        parts += [Text()] if parts else []
        columns = [Column(name="score", right=True), Column(name="document", most=40)]
        hits = [
            (
                f"{hit.score:.2f}",
                f"{hit.passage.collection}/{hit.passage.document}",
                one_line(hit.passage.text),
            )
            for hit in found.passages
        ]
        parts += rows_view([*columns, Column(name="passage")], hits, width)
    return parts


def item_view(found: MemoryItem, width: int) -> list[RenderableType]:
    """Return all that is known of an item.

    Args:
        found: The item with what surrounds it.
        width: The screen's width.
    """
    item = found.item
    title = Text.assemble("item ", (item.id, "bold"), "  ", item.kind, "  ", _state(item))
    said = indented(plain(f"quoted: {item.text}" if item.quoted else item.text))
    parts: list[RenderableType] = [title, said, Text()]
    parts += [
        Text.assemble((f"{name:<13}", "dim"), one_line(value))
        for name, value in _known(item)
        if value
    ]
    for name, ids in (
        ("derived from", item.provenance.derived_from),
        ("made of it", found.derived),
        ("read by runs", found.readers),
    ):
        parts += _ids(name, ids)
    if found.history:
        parts += [Text(), heading("history of its subject and predicate")]
        parts += history_view(found.history, width)
    return parts


def history_view(found: Sequence[Item], width: int) -> list[Text]:
    """Return items as a table with both of their times.

    Args:
        found: The items, oldest record first.
        width: The screen's width.
    """
    if not found:
        return [Text("nothing was said of it")]
    columns = [Column(name="recorded (UTC)"), Column(name="state"), Column(name="id")]
    rows = [(moment(one.recorded_at), _state(one), one.id) for one in found]
    lines = rows_view(columns, rows, width)
    parts = [lines[0]]
    for one, line in zip(found, lines[1:], strict=True):
        said = f"{_about(one)}, so {_span(one)}"
        parts += [line, _line(said, width, "dim"), _quote(one, width)]
    return parts


def retraction_view(done: Retraction, *, dry_run: bool) -> list[RenderableType]:
    """Return how far something reached, and what was taken back of it.

    Args:
        done: What.
        dry_run: Whether nothing was changed.
    """
    reach = done.reach
    unsure = _ids("may be of it", reach.unsure, "item")
    if unsure:
        said = "have more origins than their labels name: look at them, and name them by --id"
        unsure.append(Text(f"{len(reach.unsure):,} items {said}", "yellow"))
    if not reach.items:
        return (
            [Text("nothing is known to have come from it"), *unsure]
            if unsure
            else [Text("nothing came from it")]
        )
    word, number = ("would retract ", done.current) if dry_run else ("retracted ", done.changed)
    parts: list[RenderableType] = [
        Text.assemble(
            word, (f"{number:,} of {len(reach.items):,}", "bold"), " items of this origin"
        )
    ]
    parts += _ids("read by", reach.readers, "run")
    parts += _ids("written by", reach.writers, "run")
    parts += unsure
    if dry_run:
        return [*parts, Text("Next: the same without --dry-run, with --reason")]
    if reach.readers:
        parts.append(Text("Next: fairlead runs show ID says what a run did with it"))
    return parts


def _ids(name: str, ids: Sequence[str], what: str = "") -> list[RenderableType]:
    if not ids:
        return []
    more = f" and {len(ids) - _IDS_SHOWN:,} more; --json has all" * (len(ids) > _IDS_SHOWN)
    number = f"{len(ids):,} {what}{'s' * (len(ids) > 1)}: " if what else ""
    listed = ", ".join(one_line(one) for one in ids[:_IDS_SHOWN])
    return [Text.assemble((f"{name:<13}", "dim"), number, listed, more)]


def _known(item: Item) -> Iterator[tuple[str, str]]:
    made, label = item.provenance, item.label
    yield "about", _about(item)
    yield "value", "" if item.value is None else json.dumps(item.value, ensure_ascii=False)
    yield "said by", item.actor
    yield "thread", f"{item.thread}, place {item.place}" if item.thread else ""
    yield "so", f"{_span(item)} UTC"
    yield "recorded", f"{moment(item.recorded_at)} UTC"
    yield "retired", f"{moment(item.retired_at)} UTC" if item.retired_at is not None else ""
    yield "kept until", f"{moment(item.expires_at)} UTC"
    yield "recalled by", _WHO.get(item.audience, item.audience)
    readers = "everyone" if label.readers is None else ", ".join(label.readers) or "nobody"
    yield "label", f"{label.integrity}; readers {readers}"
    yield "origins", ", ".join(label.origins)
    yield "source", made.source
    yield "written by", made.by
    yield "run", f"{made.run_id}, call {made.call}" if made.run_id else ""
    yield "release", made.release[:12]
    yield "derivation", made.derivation
    yield "supersedes", item.supersedes
    yield "seen", f"{item.seen} times" if item.seen > 1 else ""
    yield "schema", str(item.schema)
    yield "on trial", f"release {item.overlay[:12]}" if item.overlay else ""
    yield "embedder", item.embedder


_WHO = {"*": "the whole tenant", "-": "nobody"}


def _state(item: Item) -> Text:
    return Text(item.state, style=_STYLES.get(item.state, ""))


def _about(item: Item) -> str:
    return " ".join(filter(None, (item.subject, item.predicate))) or "-"


def _span(item: Item) -> str:
    until = "" if item.valid_to is None else f" to {moment(item.valid_to)}"
    return f"from {moment(item.valid_from)}{until}"


def _facts(one: Recalled, width: int) -> Text:
    parts = ", ".join(f"{name} {value:.2f}" for name, value in one.parts.items())
    source = one.item.provenance.source or "nowhere"
    return _line(f"{one.item.kind}, from {source}; {parts}", width, "dim")


def _quote(item: Item, width: int) -> Text:
    return _line(f"quoted: {item.text}" if item.quoted else item.text, width)


def _line(text: str, width: int, style: str = "") -> Text:
    said = fit(one_line(text), max(width - _INDENT, 20)).rstrip()
    return Text(" " * _INDENT + said, style=style, no_wrap=True, overflow="ignore")
