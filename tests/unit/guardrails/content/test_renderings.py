"""The forms in which a known value comes back, and what is left alone."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlead.guardrails.content import without
from fairlead.guardrails.content.renderings import LINE_CHARS_MIN, renderings

LEFT = "[redacted:KEY]"
AWKWARD = "p\"a's\\n\nß €/+?\U0001f511&<é>=9xQz"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nabc\n-----END"


def _escaped(write: Callable[..., str], start: int, **options: Any) -> Callable[[str], str]:
    return lambda value: write(value, **options)[start:-1]


TEXTUAL: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": _escaped(json.dumps, 1),
    "json in UTF-8": _escaped(json.dumps, 1, ensure_ascii=False),
    "repr": _escaped(repr, 1),
    "repr beside a quote": lambda value: repr("it's " + value).split(" ", 1)[1][:-1],
    "repr beside both": lambda value: repr("it's\" " + value).split(" ", 1)[1][:-1],
    "ascii": _escaped(ascii, 1),
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
    "quote": quote,
    "quote all": lambda value: quote(value, safe=""),
    "quote less": lambda value: quote(value, safe="/:?&=+$,"),
    "quote plus": quote_plus,
    "quote in small letters": lambda value: quote(value, safe="").replace("%2F", "%2f"),
    "form": lambda value: urlencode({"a": value})[2:],
    "html": html.escape,
    "solidus": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
}
CODED: dict[str, Callable[[str], str]] = {
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 without padding": lambda value: base64.b64encode(value.encode()).decode().rstrip("="),
    "base64 for a URL": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic": lambda value: "Basic " + base64.b64encode(f"user:{value}".encode()).decode(),
    "basic, one more": lambda value: base64.b64encode(f"user1:{value}x".encode()).decode(),
    "basic, two more": lambda value: base64.b64encode(f"user12:{value}xy".encode()).decode(),
    "base64 in a URL": lambda value: quote(base64.b64encode(value.encode()).decode(), safe=""),
    "hexadecimal": lambda value: value.encode().hex(),
    "hexadecimal, upper": lambda value: value.encode().hex().upper(),
}
SECRETS = st.text(min_size=8, max_size=60).filter(lambda text: len(text.strip()) >= 8)
ESCAPED = ("json", "json in UTF-8", "repr", "repr beside a quote", "repr of bytes", "ascii")
ESCAPES = st.sampled_from(ESCAPED)


def left(text: Any, secret: str) -> Any:
    """Return what is left of a value."""
    return without(text, [("KEY", secret)])


@pytest.mark.parametrize("way", TEXTUAL)
@pytest.mark.parametrize("secret", [AWKWARD, "Zq9kP3mX7vLw2RtY", "a b c d e f", "\\\\\\\"'\\n\\"])
def test_a_value_is_found_in_every_textual_way(way: str, secret: str) -> None:
    assert left(f"<{TEXTUAL[way](secret)}>", secret) == f"<{LEFT}>"


@pytest.mark.parametrize("way", CODED)
@pytest.mark.parametrize("secret", [AWKWARD, "Zq9kP3mX7vLw2RtY", "~~~???>>>~~~", "Zq9kP3mX7v"])
def test_a_value_is_found_where_it_is_encoded(way: str, secret: str) -> None:
    seen = left(f"<{CODED[way](secret)}>", secret)
    assert LEFT in seen
    # What stands around it may lose a character, and no more.
    assert len(seen) <= len("<Basic dXNlcjEy" + LEFT + "xxxx>")


@given(SECRETS, st.lists(ESCAPES, max_size=2), st.sampled_from(sorted(TEXTUAL)))
def test_a_value_is_found_however_often_it_was_escaped(
    secret: str, inner: list[str], outer: str
) -> None:
    secret = secret.strip()
    text = secret
    for way in (*inner, outer):
        text = TEXTUAL[way](text)
    assert left(f"<{text}>", secret) == f"<{LEFT}>"


@given(SECRETS, st.sampled_from(sorted(CODED)))
def test_any_value_is_found_where_it_is_encoded(secret: str, way: str) -> None:
    assert LEFT in left(CODED[way](secret.strip()), secret)


@given(st.text(max_size=200))
def test_another_text_is_left_alone(text: str) -> None:
    assume("Zq9" not in text)
    assert left({"a": [text]}, "Zq9kP3mX7vLw2RtY") == {"a": [text]}


def test_the_blanks_at_the_ends_are_no_part_of_a_value() -> None:
    assert left("x Zq9kP3mX7v y", " Zq9kP3mX7v\n") == f"x {LEFT} y"
    # Too little is left of this one: the whole of it is looked for.
    assert left("x a y", "  a     ") == "x a y"


def test_a_long_line_of_a_value_is_found_alone_and_a_short_one_is_not() -> None:
    assert left("hkiG9w0BAQEFAASC and abc", PEM) == f"{LEFT} and abc"
    assert left(PEM.replace("\n", "\r\n"), PEM).count(LEFT) == 2
    assert len("abc") < LINE_CHARS_MIN


def test_the_first_line_of_every_private_key_is_none_of_a_value() -> None:
    other = "-----BEGIN PRIVATE KEY-----\nabcd\n-----END PRIVATE KEY-----"
    assert left(other, PEM) == other


def test_a_value_that_is_no_utf8_and_a_long_one_are_found() -> None:
    odd = b"caf\xe9 caf\xe9 \xff".decode(errors="surrogateescape")
    assert left(f"<{odd}>{quote(odd, errors='surrogateescape')}", odd) == f"<{LEFT}>{LEFT}"
    assert left("\ud800 and more", "\ud800 and more") == LEFT
    long = "".join(f'{place}:{place * place}"' for place in range(2_000))
    assert set(left(json.dumps(long), long).split(LEFT)) == {'"', ""}


def test_a_value_that_holds_another_goes_first() -> None:
    known = [("INNER", "Zq9kP3mX7v"), ("OUTER", "Zq9kP3mX7vLw2RtY")]
    assert without("a Zq9kP3mX7vLw2RtY b", known) == "a [redacted:OUTER] b"


@pytest.mark.parametrize("given_number", [4917_3310_2255, 491733102255.0])
def test_a_value_that_comes_back_as_a_number_is_found(given_number: float) -> None:
    assert left({"pin": given_number, "n": 12}, "491733102255") == {"pin": LEFT, "n": 12}


def test_nothing_is_looked_for_when_nothing_is_known() -> None:
    value = {"a": ["b"]}
    assert without(value, []) is value
    assert renderings("Zq9kP3mX7v") is renderings("Zq9kP3mX7v")


@pytest.mark.parametrize(
    "secret", ["\\" * 40 + "a", '\\"' * 20, "a" + "\\\n" * 30 + "b", '\n"' * 9]
)
def test_what_is_made_to_hurt_is_read_in_one_go(secret: str) -> None:
    # What is quadratic, or worse, takes minutes here.
    begun = time.monotonic()
    for text in ("\\" * 20_000, secret[:-1] * 1_000, json.dumps(secret[:-1] * 500), "a" * 100_000):
        left(text + "a", secret)
    assert time.monotonic() - begun < 20
