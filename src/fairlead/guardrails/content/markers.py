"""Words that try to steer a model. A signal, and no more: no list of words finds them all.

So a marker changes no label and no right; what a call may do is decided by contracts and policies.
"""

from __future__ import annotations

import re
import unicodedata

CHARS_MAX = 200_000
"""Characters of one text that are looked at; an instruction that counts stands early."""

_SPACE = re.compile(r"\s+")
_ORDER = "(?:ignore|disregard|forget|override|bypass)"
_RULES = "(?:instructions?|rules?|prompts?|guidelines?|directions?|policies)"
_MARKERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "override",
        re.compile(
            rf"\b{_ORDER}(?: \w{{1,12}}){{0,4}} (?:previous|prior|above|earlier|all|any|your|these)"
            rf"(?: \w{{1,12}}){{0,3}} {_RULES}\b"
        ),
    ),
    (
        "new-role",
        re.compile(r"\byou are (?:now|no longer) \w|\bact as (?:the )?(?:system|root|admin)"),
    ),
    ("new-orders", re.compile(r"\b(?:new|updated|real) (?:system )?instructions? ?:")),
    (
        "prompt-theft",
        re.compile(r"\b(?:reveal|print|show|repeat|output)(?: \w{1,12}){0,3} system prompt"),
    ),
    (
        "secrecy",
        re.compile(r"\b(?:do not|don't|never) (?:tell|inform|mention|show)(?: \w{1,12}){0,3} user"),
    ),
    (
        "chat-markup",
        re.compile(r"<\|(?:im_start|im_end|system|endoftext)\|>|\[/?inst\]|<</?sys>>|</?system>"),
    ),
    ("jailbreak", re.compile(r"\b(?:developer|dan|god|jailbreak) mode\b")),
)
_TAGS = re.compile("[\U000e0000-\U000e007f]|[\u200b-\u200f\u202a-\u202e\u2060-\u2064]{3,}")


def markers(text: str) -> tuple[str, ...]:
    """Return the names of the markers that stand in a text.

    Args:
        text: Any text; its first `CHARS_MAX` characters are read.
    """
    text = text[:CHARS_MAX]
    hidden = ("hidden-text",) if _TAGS.search(text) else ()
    plain = _SPACE.sub(" ", unicodedata.normalize("NFKC", text).lower())
    return hidden + tuple(name for name, pattern in _MARKERS if pattern.search(plain))
