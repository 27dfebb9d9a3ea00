"""No pattern of the packs takes more time than is linear in the length of the text.

Counted and not timed. A pattern that is quadratic is kept here, to see that the count tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from fairlead.guardrails.content import findings
from tests.unit.guardrails.content.steps import Search, sample, tree
from tests.unit.guardrails.content.test_content import KEYS

MODULES = ("content.keys", "content.names", "content.numbers", "content.markers", "jsontext")
SMALL, LARGE = 250, 1000
QUADRATIC = re.compile(
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}"
)


def patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    """Yield the patterns in a value of a module."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from patterns_in(item)
    elif not isinstance(value, type):
        yield from patterns_in(getattr(value, "pattern", ()))


PATTERNS = {
    f"{module}{name}{place or ''}": pattern
    for module in MODULES
    for name, value in vars(import_module(f"fairlead.guardrails.{module}")).items()
    for place, pattern in enumerate(patterns_in(value))
}


def hostile(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield what a pattern begins to match and does not end, to be repeated."""
    whole = sample(tree(pattern))
    # Where the letter or the sign changes, something new begins in the pattern.
    ends = [end for end in range(1, len(whole) + 1) if whole[end - 1 : end] != whole[end : end + 1]]
    for piece in dict.fromkeys(whole[:end] for end in ends):
        for before in ("", "-", " "):
            yield before + piece
    yield from ("a", "A", "0", "0 ", " ", "-", "_", "\\", "a.", '"')


def growth(pattern: re.Pattern[str], piece: str) -> float:
    """Return how many times as many steps four times the text takes."""
    small, large = (Search(pattern, (piece * size)[:size]) for size in (SMALL, LARGE))
    small.spans()
    large.spans()
    return large.steps / max(small.steps, SMALL)


def test_every_pack_has_its_patterns_here() -> None:
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("name", PATTERNS)
def test_four_times_the_text_takes_four_times_the_steps(name: str) -> None:
    pattern = PATTERNS[name]
    worst, piece = max((growth(pattern, piece), piece) for piece in hostile(pattern))
    # What is quadratic takes sixteen times the steps.
    assert worst < 6, piece


def test_the_count_tells_what_is_quadratic() -> None:
    assert max(growth(QUADRATIC, piece) for piece in hostile(QUADRATIC)) > 12


@pytest.mark.parametrize("name", PATTERNS)
def test_the_machine_that_counts_matches_as_the_real_one(name: str) -> None:
    pattern = PATTERNS[name]
    whole = sample(tree(pattern))
    texts = [whole, f"-{whole} {whole}.{whole}", *KEYS.values(), f"x_{KEYS['jwt']}.{KEYS['jwt']}"]
    for text in texts:
        real = [match.span() for match in pattern.finditer(text) if match.group()]
        assert Search(pattern, text).spans() == real


@pytest.mark.parametrize("before", ["", "-", "_", "x-", "a_b-", "eyj-", "a.", "a.eyJ."])
def test_a_token_is_found_whatever_stands_before_it(before: str) -> None:
    [found] = findings(f"{before}{KEYS['jwt']} and more", ["jwt"])
    assert (found.start, found.end) == (len(before), len(before) + len(KEYS["jwt"]))
