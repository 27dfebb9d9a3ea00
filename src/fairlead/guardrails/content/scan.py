"""One look at one text, as it is written and as it reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fairlead.guardrails.content.keys import keys
from fairlead.guardrails.content.kinds import KINDS, PERSONAL_DATA, SECRETS, Finding
from fairlead.guardrails.content.names import Under, named, under
from fairlead.guardrails.content.numbers import cards, emails, ibans, plain
from fairlead.guardrails.jsontext import (
    TEXTS_MAX,
    Part,
    Reading,
    behind_escape,
    inner,
    opens_json,
    parts,
    unescaped,
)

SHORTEST = 6
"""Nothing that is looked for is shorter."""

_BY_FORM = frozenset(SECRETS) - {"named-secret"}
_BY_CHECK = frozenset(PERSONAL_DATA)


def findings(text: str, kinds: Collection[str] = KINDS) -> tuple[Finding, ...]:
    r"""Find what a text holds, in order and without overlap.

    Escapes hide nothing: `\n`, `\u005f` and `%0A` are looked at as what they stand for too. In a
    text that begins as JSON, a value is also judged whole and by its name.

    Args:
        text: Any text.
        kinds: What is looked for.

    Returns:
        One finding for each stretch. Where two kinds overlap, the stretch is as long as both and
        has the kind of the one that begins first.
    """
    if len(text) < SHORTEST:
        return ()
    found = sorted(_all(text, kinds), key=lambda one: (one.start, -one.end))
    merged: list[Finding] = []
    for one in found:
        if merged and one.start < merged[-1].end:
            if one.end > merged[-1].end:
                merged[-1] = merged[-1]._replace(end=one.end)
        else:
            merged.append(one)
    return tuple(merged)


def _all(text: str, kinds: Collection[str]) -> Iterator[Finding]:
    yield from _readings(text, kinds)
    if "named-secret" in kinds and opens_json(text):
        yield from _members(text, level=1)


def _readings(text: str, kinds: Collection[str]) -> Iterator[Finding]:
    """Yield what stands in a text as it is written, and what stands in it once it is read."""
    above: list[Reading] = []
    for level in range(TEXTS_MAX + 1):
        reading = unescaped(text, urls=True) if level < TEXTS_MAX else None
        for one in _plain(text, kinds):
            # Half an escape would break the JSON around it.
            start = one.start if reading is None else behind_escape(text, one.start)
            found = one._replace(start=start) if start < one.end else one
            for last in reversed(above):
                found = _written(found, last)
            yield found
        if reading is None:
            return
        above.append(reading)
        text = reading.text


def _written(found: Finding, reading: Reading) -> Finding:
    return Finding(found.kind, *reading.span(found.start, found.end))


def _members(text: str, *, level: int) -> Iterator[Finding]:
    """Yield the texts in a JSON text that are secrets by their name, as in any object."""
    for part in parts(text):
        span = inner(text, part)
        if span is None:
            continue
        held = _held(part)
        written = text[slice(*span)]
        if held is None and "\\" not in written:
            continue
        reading = unescaped(written)
        said = written if reading is None else reading.text
        if held is not None and held.holds(said):
            yield Finding("named-secret", *span)
        elif reading is not None and level < TEXTS_MAX and opens_json(said):
            for one in _members(said, level=level + 1):
                found = _written(one, reading)
                yield Finding(found.kind, span[0] + found.start, span[0] + found.end)


def _held(part: Part) -> Under | None:
    """Return under which name of a secret a text in a JSON text stands; None for none."""
    if part.name is None and not part.item:
        # It is a name itself.
        return None
    above: Under | None = None
    for name in part.around:
        if name is not None:
            above = under(name, [], above)
    return above if part.name is None else under(part.name, "", above)


def _plain(text: str, kinds: Collection[str]) -> Iterator[Finding]:
    if not _BY_FORM.isdisjoint(kinds):
        yield from (one for one in keys(text) if one.kind in kinds)
    if "named-secret" in kinds:
        yield from named(text)
    if _BY_CHECK.isdisjoint(kinds):
        return
    text = plain(text)
    if "card" in kinds:
        yield from cards(text)
    if "iban" in kinds:
        yield from ibans(text)
    if "email" in kinds and "@" in text:
        yield from emails(text)
