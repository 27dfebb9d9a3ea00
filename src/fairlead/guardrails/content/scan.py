"""One look at one text."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fairlead.guardrails.content.keys import keys
from fairlead.guardrails.content.kinds import KINDS, PERSONAL_DATA, SECRETS, Finding
from fairlead.guardrails.content.names import named
from fairlead.guardrails.content.numbers import cards, emails, ibans, plain

SHORTEST = 6
"""Nothing that is looked for is shorter."""

_BY_FORM = frozenset(SECRETS) - {"named-secret"}
_BY_CHECK = frozenset(PERSONAL_DATA)


def findings(text: str, kinds: Collection[str] = KINDS) -> tuple[Finding, ...]:
    """Find what a text holds, in order and without overlap.

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
