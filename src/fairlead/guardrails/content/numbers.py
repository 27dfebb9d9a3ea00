"""Numbers that carry their own checksum: payment cards and bank accounts; and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.guardrails.content.kinds import Finding

NUMBER_DIGITS_MIN = 12
"""A number of fewer digits is no card."""
_DIGITS_MAX = 64
"""A longer number is no card either, and no secret that anybody wrote as a number."""

# Full-width forms and blanks that do not break, each as the one character that it stands for.
_PLAIN_CHARS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | dict.fromkeys(
    (0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), 0x20
) | dict.fromkeys((0xAD, *range(0x2010, 0x2016), 0x2212), 0x2D)  # fmt: skip
_NOT_PLAIN = re.compile(f"[{''.join(map(chr, _PLAIN_CHARS))}]")

_RUN = re.compile(r"[0-9](?:[ .-]?[0-9]){12,}")
_GROUP = re.compile("[0-9]+")
_SEPARATOR = re.compile("[ .-]")
_GROUPS_MAX = 5
"""A card's number is written in at most so many groups."""

_CARDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4000, 4999, frozenset((13, 16, 19))),
    (5100, 5599, frozenset((16,))),
    (2221, 2720, frozenset((16,))),
    (3400, 3499, frozenset((15,))),
    (3700, 3799, frozenset((15,))),
    (3000, 3059, frozenset((14, 16))),
    (3600, 3699, frozenset((14, 16))),
    (3800, 3999, frozenset((14, 16))),
    (3528, 3589, frozenset(range(16, 20))),
    (6011, 6011, frozenset((16, 19))),
    (6440, 6599, frozenset((16, 19))),
    (6200, 6299, frozenset(range(16, 20))),
    (2200, 2204, frozenset(range(16, 20))),
    (5000, 5099, frozenset(range(16, 20))),
    (5600, 5899, frozenset(range(16, 20))),
    (6300, 6399, frozenset(range(16, 20))),
    (6700, 6799, frozenset(range(16, 20))),
)
"""First four digits, from and to, and the lengths that go with them."""

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?=[ .-]?[A-Z0-9])")
_IBAN_LENGTHS = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FO GL NL"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HU LB PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU"),
        (31, "MT SC"),
        (32, "LC"),
    )
    for country in countries.split()
}

_LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+'-"
_DOMAIN = re.compile(
    r"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}(?![A-Za-z0-9])"
)


def luhn(digits: str) -> bool:
    """Say whether a card number's check digit is right."""
    total = sum(map(int, digits[-1::-2]))
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Say whether digits are a card's number: prefix, length and check digit."""
    prefix, length = int(digits[:4]), len(digits)
    known = any(low <= prefix <= high and length in lengths for low, high, lengths in _CARDS)
    return known and luhn(digits)


def plain(text: str) -> str:
    """Return a text of the same length with ASCII digits, letters, blanks and hyphens."""
    if text.isascii() or _NOT_PLAIN.search(text) is None:
        return text
    return text.translate(_PLAIN_CHARS)


def digits_of(value: object, least: int) -> str:
    """Return a whole number as text; empty for any other value, and for one of fewer digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    # Infinity and what is no number are not between the two.
    if not 10 ** (least - 1) <= abs(value) < 10**_DIGITS_MAX or value != int(value):
        return ""
    return str(abs(int(value)))


def cards(text: str) -> Iterator[Finding]:
    """Yield card numbers, written in one or in groups."""
    for match in _RUN.finditer(text):
        run, at = match.group(), match.start()
        groups = [group.span() for group in _GROUP.finditer(run)]
        place = 0
        while place < len(groups):
            last = _card_at(run, groups, place)
            if last is None:
                place += 1
                continue
            yield Finding("card", at + groups[place][0], at + groups[last][1])
            place = last + 1


def _card_at(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Return the last group of a card's number that begins with a group; None for none."""
    digits = ""
    for place in range(first, min(first + _GROUPS_MAX, len(groups))):
        start, end = groups[place]
        if len(digits) + end - start > 19:
            return None
        digits += run[start:end]
        if len(digits) >= 13 and is_card(digits) and not _decimal(run, groups[first : place + 1]):
            return place
    return None


def _decimal(run: str, groups: list[tuple[int, int]]) -> bool:
    """Say whether dots stand as in a decimal number or between thousands, not between groups."""
    lengths = [end - start for start, end in groups]
    return "." in run[groups[0][0] : groups[-1][1]] and min(lengths[:-1]) < 4


def is_iban(compact: str) -> bool:
    """Say whether letters and digits without spaces are an IBAN: its length and the rest of 97."""
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    number = "".join(str(int(one, 36)) for one in compact[4:] + compact[:4])
    return int(number) % 97 == 1


def ibans(text: str) -> Iterator[Finding]:
    """Yield account numbers, written in one or in groups."""
    for match in _IBAN.finditer(text):
        start = match.start()
        length = _IBAN_LENGTHS.get(text[start : start + 2])
        end = None if length is None else _stretch(text, start, length)
        if end is not None and is_iban(_SEPARATOR.sub("", text[start:end])):
            yield Finding("iban", start, end)


def _stretch(text: str, start: int, length: int) -> int | None:
    """Return where so many letters and digits end, with single spaces between them."""
    place, seen = start, 0
    while seen < length:
        if place < len(text) and text[place] in " .-" and seen:
            place += 1
        if place >= len(text) or not (text[place].isascii() and text[place].isalnum()):
            return None
        place, seen = place + 1, seen + 1
    ends = place == len(text) or not text[place].isalnum()
    return place if ends and text[start:place].upper() == text[start:place] else None


def emails(text: str) -> Iterator[Finding]:
    """Yield e-mail addresses."""
    at = text.find("@")
    while at >= 0:
        before = text[max(at - 64, 0) : at]
        local = len(before) - len(before.rstrip(_LOCAL))
        domain = _DOMAIN.match(text, at) if local else None
        if domain is not None:
            yield Finding("email", at - local, domain.end())
        at = text.find("@", at + 1)
