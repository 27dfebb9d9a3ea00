"""Secrets that are told by their name: `api_key = "..."`, with a value that nobody made up."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fairlead.core.digests import Json
from fairlead.guardrails.content.kinds import Finding

LENGTH_MIN = 16
"""Shortest value of a key or a token."""
PASSWORD_LENGTH_MIN = 8
"""Shortest password that is told from a word."""
ENTROPY_MIN = 3.0
"""Bits for each character, below which a value is text or a placeholder."""
_NAME_CHARS_MAX = 64

_ROOTS = ("key", "token", "secret", "passw", "passphrase", "pwd", "credential", "bearer", "authori")
_PASSWORDS = frozenset(("password", "passwd", "pwd", "passphrase"))
_ALONE = _PASSWORDS | {
    "secret", "token", "credential", "credentials", "bearer", "authorization", "apikey",
    "secretkey", "privatekey", "accesskey", "authtoken", "accesstoken", "clientsecret",
}  # fmt: skip
_BEFORE_KEY = frozenset(
    (
        "access", "account", "api", "app", "auth", "client", "consumer", "encryption", "master",
        "private", "secret", "service", "signing", "storage", "subscription", "webhook",
    )
)  # fmt: skip
_OTHER_TOKENS = frozenset(
    (
        "completion", "continuation", "cursor", "idempotency", "input", "max", "next", "output",
        "page", "prompt", "sync", "usage",
    )
)  # fmt: skip
_NO_VALUE = frozenset(
    (
        "at", "count", "digest", "endpoint", "expires", "expiry", "hash", "hint", "id", "kind",
        "length", "limit", "name", "policy", "ref", "reset", "scope", "type", "uri", "url",
        "version",
    )
)  # fmt: skip
# What stands beside a secret in an object of its name, or says in a JSON Schema what it may be.
_ABOUT = _NO_VALUE | {
    "account", "const", "default", "definitions", "defs", "description", "email", "enum", "example",
    "examples", "format", "items", "login", "of", "pattern", "properties", "title", "user",
    "username",
}  # fmt: skip
_PLURALS = ("keys", "passphrases", "passwords", "secrets", "tokens")
_VARIABLE = re.compile(r"(?<![A-Z0-9_])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PATH = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z]+|[0-9]{1,4})(?:[-_/.:](?:[A-Za-z]+|[vV]?[0-9]{1,4}))+"
)
# Code that reads the environment: a password may begin with the same letters.
_ENVIRONMENT = re.compile(r"(?:os\.)?environ(?:(?![^\[(])|\.get\b)")
_PLACEHOLDER = re.compile(r"\[redacted:[^\]]*\]?")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME = re.compile(r"[A-Za-z0-9_.\-]*")
_BEFORE_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
# Between name and value: quotes and backslashes (JSON inside of JSON), then = or :, then the same.
_VALUE = re.compile(
    r"[\"'\\]{0,4}\s{0,4}(?:=>|:=|[:=]|\s)\s{0,4}[\"'\\]{0,4}(?:[Bb]earer |[Bb]asic |[Tt]oken )?"
    r"([^\s\"'\\,;&<>(){}\[\]]{8,})"
)
_SYMBOL = re.compile(r"[!#$%&*+=?@^~]")
_DIGIT, _LETTER = re.compile("[0-9]"), re.compile("[A-Za-z]")


class Under(NamedTuple):
    """Under which name of a secret a value stands.

    Attributes:
        name: The name, with the names above that it has its sense from.
        part: Whether the value is one of several: an item of a list, a field of an object.
    """

    name: str
    part: bool = False

    def holds(self, value: str) -> bool:
        """Say whether a text is a secret; of several, some only tell about it."""
        if self.part and (_DATE.match(value) or any(map(str.isspace, value))):
            return False
        if self.part and _VARIABLE.fullmatch(value):
            return False
        # A passphrase is made of words; a key is not.
        wordy = self.part and not _PASSWORDS.intersection(_words(self.name))
        if wordy and _PATH.fullmatch(value):
            return False
        return is_secret_value(value, self.name)


def under(name: str, item: Json, above: Under | None = None) -> Under | None:
    """Return under which name of a secret a field's value stands; None for no such name.

    Args:
        name: The field's name.
        item: Its value: a list or an object holds the secret in its parts.
        above: The name that the field's object stands under.
    """
    part = isinstance(item, dict | list | tuple)
    if part and name.lower().endswith(_PLURALS):
        name = name[:-1]
    if is_secret_name(name):
        return Under(name, part)
    if above is None or _ABOUT.intersection(_words(name)[-1:]):
        return None
    return Under(f"{above.name[-_NAME_CHARS_MAX:]}.{name}", part=True)


def is_secret_name(name: str) -> bool:
    """Say whether a field of this name holds a secret: `apiKey`, `DB_PASSWORD`, `client-secret`."""
    # The same names come again and again, and few of them are long.
    return _names_secret(name) if len(name) <= _NAME_CHARS_MAX else _holds_secret(_words(name))


@lru_cache(maxsize=4096)
def _names_secret(name: str) -> bool:
    return _holds_secret(_words(name))


def _holds_secret(words: list[str]) -> bool:
    if not words or words[-1] in _NO_VALUE:
        return False
    for place, word in enumerate(words):
        if word == "token" and _OTHER_TOKENS.intersection(words):
            continue
        if word in _ALONE or (word == "key" and place and words[place - 1] in _BEFORE_KEY):
            return True
    return False


def is_secret_value(value: str, name: str) -> bool:
    """Say whether a value is one that nobody made up, and no placeholder.

    Args:
        value: What stands under the name.
        name: The name: a password may be shorter than a key.
    """
    value = _PLACEHOLDER.sub("", value)
    if value.startswith(("${", "http://", "https://")) or _ENVIRONMENT.match(value):
        return False
    if _LETTER.search(value) is None:
        return False
    digit = _DIGIT.search(value) is not None
    if _PASSWORDS.intersection(_words(name)):
        varied = digit or _SYMBOL.search(value) is not None
        return len(value) >= PASSWORD_LENGTH_MIN and varied and len(set(value)) >= 4
    return len(value) >= LENGTH_MIN and digit and entropy(value) >= ENTROPY_MIN


def _words(name: str) -> list[str]:
    """Return the last words of a name; what stands in place of a secret is none of them."""
    plain = _PLACEHOLDER.sub("", name)[-_NAME_CHARS_MAX:]
    return [word.lower() for word in _WORDS.findall(plain)]


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters, in bits for each; at most 1 kB is read."""
    text = text[:1024]
    length = len(text)
    return -sum(n / length * math.log2(n / length) for n in Counter(text).values())


def named(text: str) -> Iterator[Finding]:
    """Yield the values in a text that stand under the name of a secret."""
    low = _lower(text)
    for root in _ROOTS:
        place = low.find(root)
        while place >= 0:
            place, found = _at(text, place, root)
            if found is not None:
                yield found
            place = low.find(root, place)


def _at(text: str, place: int, root: str) -> tuple[int, Finding | None]:
    """Return where to look on, and the secret behind the name at a place."""
    before = text[max(place - _NAME_CHARS_MAX, 0) : place]
    head = before[len(before.rstrip(_BEFORE_NAME)) :]
    rest = _NAME.match(text, place, place + _NAME_CHARS_MAX)
    end = rest.end() if rest and rest.group() else place + len(root)
    name = head + text[place:end]
    # The name first: a value is only read once, and what is looked for next stands behind it.
    value = _VALUE.match(text, end) if is_secret_name(name) else None
    if value is None:
        return end, None
    between = text[end : value.start(1)]
    # Only the word `bearer` may stand before its value without a sign.
    if ":" not in between and "=" not in between and name.lower() != "bearer":
        return end, None
    real = is_secret_value(value.group(1), name)
    return value.end(1), Finding("named-secret", *value.span(1)) if real else None


def _lower(text: str) -> str:
    """Return a text in lower case, of the same length."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
