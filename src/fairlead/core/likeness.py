"""What makes two texts the same memory, however they are written.

A duplicate is merged and an erased value is refused by this likeness, so it looks through what
does not change what is said: case, width, accents, invisible characters, letters of another script
that look the same, punctuation, articles and endings. It keeps the order of words, numbers with
their signs, negations, and symbols such as currencies, because those change it. A paraphrase has
another likeness.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator

from fairlead.core.text import stem

# Letters of other scripts that are drawn as a Latin one: Cyrillic first, then Greek, then the rest.
# The selection follows Unicode Technical Standard 39, "Unicode Security Mechanisms".
_LOOK_ALIKES = str.maketrans(
    "абвеԁһіјкӏмнопԛрѕстугхԝ" "αβγεηικμνορτυχωϲ" "ıɡɑℓ" "‐‒–−",  # noqa: RUF001
    "a6bedhijklmhonqpsctyrxw" "abyenikuvoptuxwc" "igal" "----",
)  # fmt: skip
# Marks that make another letter of one, and are no accents: vowels and tones of the scripts of
# South and South-East Asia without their full stops, the voicing of kana, the stroke of "unequal".
_MARKS = "\u0900-\u0963\u0966-\u1a7f\u3099\u309a\u0338"
_MARK = re.compile(f"[{_MARKS}]")
# A minus or a point before a number, the sharp of C#, "!=", operators, the dollar, per cent; a plus
# before a number says nothing, as in "+49". Of other characters the symbols count, see `_counts`.
_SIGN = r"(?<![^\W_])[-.](?=\d)|(?<=[^\W_])[#+]|!(?==)|[<=>~$%]|\+(?!\d)"
_PART = re.compile(rf"(?:[^\W_]|[{_MARKS}])+|{_SIGN}|[^\x00-\x7f\w\s]")
_FRACTION = "\u2044"
_WORD = re.compile(r"\S+")
_ARTICLES = frozenset(("a", "an", "the"))


def skeleton(text: str) -> str:
    """Return a text as it looks: folded case, width and accents, and no invisible characters.

    Args:
        text: Any text.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    seen = (char for char in unicodedata.normalize("NFKD", decomposed) if _shows(char))
    return "".join(seen).translate(_LOOK_ALIKES)


def _shows(char: str) -> bool:
    """Say whether a character changes how a text looks; an accent counts as if it did not."""
    hidden = unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Cc", "Mn")
    return char.isspace() or not hidden or _MARK.match(char) is not None


def _counts(part: str) -> bool:
    """Say whether a part of a text changes what it says: a word, a sign, a symbol."""
    if part in _ARTICLES or part == _FRACTION:
        return False
    first = part[0]
    return first.isascii() or first.isalnum() or unicodedata.category(first)[0] in "MS"


def likeness(text: str) -> str:
    """Return what two texts share when they say the same in the same words.

    Args:
        text: Any text.

    Returns:
        The stems of its words and its symbols in order, with one space between; the folded text
        itself when it has none.
    """
    looks = skeleton(text)
    kept = _kept(looks)
    return " ".join(kept) if kept else looks.strip()


def extent(text: str) -> int:
    """Return how many words and symbols make a text's likeness; 0 when it has none."""
    return len(_kept(skeleton(text)))


def blanked(text: str, extents: Collection[int], known: Callable[[str], bool]) -> str:
    """Blank out of a text each stretch of it that says something known.

    Args:
        text: Any text.
        extents: How many words and symbols a stretch may have.
        known: Says of a likeness whether it is known.

    Returns:
        The text with `*` in place of each character of such a stretch; every other one keeps its
        place. A stretch that begins or ends within a word in another script takes all of it.
    """
    places = list(_places(text))
    stems = [part for part, _, _ in places]
    found = [
        (places[at][1], places[at + extent - 1][2])
        for extent in sorted(extents)
        for at in range(len(stems) - extent + 1)
        if known(" ".join(stems[at : at + extent]))
    ]
    kept, done = [], 0
    for start, end in sorted(found):
        if end > done:
            start = max(start, done)
            kept += [text[done:start], "*" * (end - start)]
            done = end
    return "".join(kept) + text[done:]


def _places(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield what makes a text's likeness, each with where it starts and ends."""
    for word in _WORD.finditer(text):
        looks = skeleton(word[0])
        if word[0].isascii():
            for part in _PART.finditer(looks):
                if part[0] not in _ARTICLES:
                    yield stem(part[0]), word.start() + part.start(), word.start() + part.end()
        else:
            # What is folded may be longer or shorter than it was.
            yield from ((part, *word.span()) for part in _kept(looks))


def _kept(looks: str) -> list[str]:
    parts = _PART.findall(looks)
    if looks.isascii():
        return [stem(part) for part in parts if part not in _ARTICLES]
    return [stem(part) for part in parts if _counts(part)]


def keyed(key: bytes, *parts: str) -> str:
    """Return a digest that only who has the key can compare with a guess.

    Args:
        key: The store's key.
        parts: What is digested; their order counts.

    Returns:
        32 hexadecimal digits of a BLAKE2b with a key (RFC 7693).
    """
    # The lengths stand before the parts, so that no two series of parts are written alike.
    said = ",".join(map(str, map(len, parts))) + "\n" + "\n".join(parts)
    data = said.encode(errors="surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=16).hexdigest()
