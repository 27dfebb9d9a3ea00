"""Cuts a document into passages along its headings, paragraphs and sentences.

A passage is what a search finds and what an answer quotes, so it has to make sense by itself:
it stays inside one section, keeps paragraphs, lists and code whole where they fit, and otherwise
ends where a sentence ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt

from fairlead.core.text import sentences

# No passage is longer. Measured on labelled questions at an equal amount of text found: smaller
# passages lose the words around an answer, larger ones bring words that nobody asked for.
PASSAGE_CHARS_MAX = 800

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?:(?!---|\.\.\.)[^\n]*\n){0,200}(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?([^\n]*?)[\"']?[ \t]*$", re.MULTILINE)
_INLINE = MarkdownIt("commonmark")
_TITLE_CHARS_MAX = 100
_HEADING_CHARS_MAX = 300


@dataclass(frozen=True, kw_only=True)
class Block:
    """A heading, a paragraph, a list, a table or a piece of code.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        level: 1 to 6 for a heading, 0 for anything else.
        heading: A heading's text without marks.
    """

    start: int
    end: int
    level: int = 0
    heading: str = ""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where a passage stands, under the headings above it, joined by " > "."""

    start: int
    end: int
    title: str


def title_of(blocks: Iterable[Block]) -> str:
    """Return the first heading, or an empty string."""
    return next((block.heading for block in blocks if block.heading), "")


def cut(text: str, title: str, blocks: Iterable[Block]) -> list[Cut]:
    """Cut a document into passages.

    Args:
        text: The document's text.
        title: Its title; first in the trail of headings.
        blocks: Its blocks, in order and without overlap.

    Returns:
        The passages, in order and without overlap, none longer than `PASSAGE_CHARS_MAX`.
        Together they hold everything in the blocks but white space.
    """
    cuts: list[Cut] = []
    for trail, spans in _sections(title, blocks):
        cuts += [Cut(start=start, end=end, title=trail) for start, end in _packed(text, spans)]
    return cuts


def _sections(title: str, blocks: Iterable[Block]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each stretch under one heading; a heading without text goes with the next one."""
    above: list[tuple[int, str]] = []
    spans: list[tuple[int, int]] = []
    bare = True  # the open section holds headings only
    trail = title
    for block in blocks:
        if block.level:
            if not bare:
                yield trail, spans
                spans, bare = [], True
            above = [one for one in above if one[0] < block.level]
            above.append((block.level, block.heading))
            names = [name for _, name in above if name]
            trail = " > ".join(names if names[:1] == [title] else [title, *names])
        else:
            bare = False
        spans.append((block.start, block.end))
    if spans:
        yield trail, spans


def _packed(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join neighbours as long as they fit; what does not fit by itself is cut further."""
    begin, end = -1, -1
    for left, right in _small(text, spans):
        if begin >= 0 and right - begin > PASSAGE_CHARS_MAX:
            yield begin, end
            begin = -1
        if begin < 0:
            begin = left
        end = right
    if begin >= 0:
        yield begin, end


def _small(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans that fit, in order: whole blocks, else sentences, else pieces of a sentence."""
    for start, end in spans:
        if end - start <= PASSAGE_CHARS_MAX:
            yield from _trimmed(text, start, end)
            continue
        marks = [start]
        for left, right in sentences(text[start:end]):
            if start + right - marks[-1] > PASSAGE_CHARS_MAX:
                marks.append(start + left)
            marks.append(start + right)
        marks[-1 if len(marks) > 1 else len(marks) :] = [end]
        for left, right in pairwise(marks):
            yield from _pieces(text, left, right)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut at the last line end that fits, else at the last space, else anywhere."""
    while end - start > PASSAGE_CHARS_MAX:
        limit = start + PASSAGE_CHARS_MAX
        at = max(text.rfind("\n", start + 1, limit), start)
        if at == start:
            at = max(text.rfind(" ", start + 1, limit), start)
        if at == start:
            at = limit
        yield from _trimmed(text, start, at)
        start = at
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    if part.strip():
        yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())


# ---------------------------------------------------------------------------------------------
# Blocks of a plain text and of Markdown


def plain_blocks(text: str) -> list[Block]:
    """Find the paragraphs of a plain text; a short first line by itself is taken for a heading."""
    blocks: list[Block] = []
    begin, end = -1, 0
    for start, stop in _lines(text):
        blank = not text[start:stop].strip()
        if blank and begin >= 0:
            blocks.append(Block(start=begin, end=end))
            begin = -1
        elif not blank:
            begin, end = (start if begin < 0 else begin), stop
    if begin >= 0:
        blocks.append(Block(start=begin, end=end))
    if len(blocks) > 1:
        first = text[blocks[0].start : blocks[0].end].strip()
        if len(first) <= _TITLE_CHARS_MAX and "\n" not in first and first[-1] not in ".!?;:,":
            heading = Block(start=blocks[0].start, end=blocks[0].end, level=1, heading=first)
            return [heading, *blocks[1:]]
    return blocks


def markdown_blocks(text: str) -> list[Block]:
    """Find the blocks of a Markdown text by CommonMark's rules, with tables and front matter.

    Args:
        text: The text, with line feeds as line ends.

    Returns:
        The blocks in order, without overlap; together they hold all but white space. What stands
        between two blocks, such as a link's definition, belongs to the one before.
    """
    matter = _FRONT_MATTER.match(text)
    offset = matter.end() if matter else 0
    starts = [start + offset for start, _ in _lines(text[offset:])]
    # Only headings are read word by word: for other text that costs time and yields nothing.
    tokens = MarkdownIt("commonmark").enable("table").disable("inline").parse(text[offset:])
    found: list[Block] = []
    if matter:
        named = _FRONT_TITLE.search(matter.group())
        # Level 7 stands below every heading, so it is in the trail until the first one comes.
        found.append(Block(start=0, end=offset, level=7, heading=named.group(1) if named else ""))
    for index, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        start = starts[token.map[0]] if found else 0
        level = int(token.tag[1]) if token.type == "heading_open" else 0
        heading = _visible(tokens[index + 1].content) if level else ""
        found.append(Block(start=start, end=len(text), level=level, heading=heading))
    if not found:
        return [Block(start=0, end=len(text))] if text.strip() else []
    ends = [block.start for block in found[1:]] + [len(text)]
    return [
        Block(start=block.start, end=end, level=block.level, heading=block.heading)
        for block, end in zip(found, ends, strict=True)
    ]


def _visible(heading: str) -> str:
    """Return a heading's words as a reader sees them, on one line and at most so long."""
    tokens = _INLINE.parseInline(heading[:_HEADING_CHARS_MAX])
    children = [child for token in tokens for child in token.children or []]
    shown = (one.content for one in children if one.type in ("text", "code_inline"))
    return " ".join("".join(shown).split())


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each line without its break."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1
