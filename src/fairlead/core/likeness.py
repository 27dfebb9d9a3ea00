"""What makes two texts the same memory, however they are written.

A duplicate is merged and an erased value is refused by this likeness, so it looks through what
does not change what is said: case, width, accents, invisible characters, letters of another script
that look the same, punctuation, articles and endings. It keeps the order of words, numbers and
negations, because those change it. A paraphrase has another likeness.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from fairlead.core.text import stem

# Letters of other scripts that are drawn as a Latin one: Cyrillic first, then Greek, then the rest.
# The selection follows Unicode Technical Standard 39, "Unicode Security Mechanisms".
_LOOK_ALIKES = str.maketrans(
    "абвеԁһіјкӏмнопԛрѕстугхԝ" "αβγεηικμνορτυχωϲ" "ıɡɑℓ",  # noqa: RUF001
    "a6bedhijklmhonqpsctyrxw" "abyenikuvoptuxwc" "igal",
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
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
    return char.isspace() or not hidden


def likeness(text: str) -> str:
    """Return what two texts share when they say the same in the same words.

    Args:
        text: Any text.

    Returns:
        The stems of its words in order, with one space between; the folded text itself when it
        has no words.
    """
    looks = skeleton(text)
    kept = [stem(word) for word in _WORD.findall(looks) if word not in _ARTICLES]
    return " ".join(kept) if kept else looks.strip()


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
