"""What hides in JSON that travels as a text, and behind escapes, is found all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails.content import KINDS, SECRETS, findings, masked, redacted, redacted_text
from fairlead.guardrails.jsontext import TEXTS_MAX
from tests.unit.guardrails.content.test_content import KEYS

NAMED = ("api_key=aa11bb22cc33dd44ee", "password=Hunter2x!99", "token=Zx81kQmN02pLsT5v")
ESCAPES = [
    r"\n",
    r"\r",
    r"\t",
    r"\u00e9",
    r"\u000A",
    r"\x0a",
    r"\0",
    "%0A",
    r"\\n",
    r"\\\\t",
    "%250A",
]
LEAVES = st.sampled_from(
    [*(key for kind, key in KEYS.items() if kind != "private-key"), *NAMED, "a@example.com", "fine"]
)
PIECES = st.lists(LEAVES | st.sampled_from(["\n", "\t", '"', "\\", "é ", "%0A", "%"]), max_size=5)
NAMES = st.sampled_from(["a", "API key", "db\npassword", "note", "clientSecret", "é"])
VALUES = st.recursive(
    PIECES.map("".join) | st.integers(0, 99) | st.just("correct horse 99 battery"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("before", ESCAPES)
@pytest.mark.parametrize("secret", [*KEYS.values(), *NAMED])
def test_an_escape_is_no_letter_before_a_key_or_a_name(before: str, secret: str) -> None:
    for text in (
        f"x{before}{secret}",
        f"[default]{before}{secret}{before}",
        f'{{"a": "x{before}{secret}"}}',
    ):
        value = secret.partition("=")[2] if secret in NAMED else secret
        left, taken = redacted_text(text, SECRETS)
        assert len(taken) == 1
        assert value not in left
        # The escapes around it are left whole, so JSON is JSON still.
        assert "%" in before or before in left
        assert len(masked(text)) == len(text)
        assert value not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        r'{"to": "api\u005fkey=aa11bb22cc33dd44ee"}',
        r'see {"to": "api\u005fkey=aa11bb22cc33dd44ee',
        "api%5Fkey%3Daa11bb22cc33dd44ee",
        r'{"a\u0070i_key": "aa11bb22cc33dd44ee"}',
        r"AK\u0049AIOSFODNN7EXAMPLE",
    ],
)
def test_an_escape_hides_no_name_and_no_key(text: str) -> None:
    left, taken = redacted_text(text, SECRETS)
    assert len(taken) == 1
    assert left.startswith(text[:3]) or left.startswith("[redacted:aws-key]")
    assert "33dd44" not in left
    assert "EXAMPLE" not in left


def test_the_names_in_a_json_text_count_as_those_of_an_object() -> None:
    text = '{"API key": "correct horse 99 battery aa", "n": 1e999, "API key": "q9 w8 e7 r6 t5 y4"}'
    assert redacted_text(text)[0] == (
        '{"API key": "[redacted:named-secret]", "n": 1e999, "API key": "[redacted:named-secret]"}'
    )
    for _ in range(TEXTS_MAX - 1):
        text = json.dumps({"text": text})
        assert redacted_text(text)[1] == ("named-secret", "named-secret")
        assert "horse" not in masked(text)


@given(VALUES, st.booleans(), st.sampled_from([SECRETS, KINDS]))
def test_what_is_left_of_a_json_text_is_json_without_a_finding(
    value: Any, ascii_only: bool, kinds: tuple[str, ...]
) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only)
    left, taken = redacted_text(text, kinds)
    assert redacted_text(left, kinds) == (left, ())
    assert redacted(json.loads(left), kinds)[1] == ()
    assert findings(masked(text, kinds), kinds) == ()
    if not taken:
        assert left is text
        assert redacted([value], kinds)[1] == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 1000 + "1" + "}" * 1000,
        "[" * 100_000,
        '{"n": ' + "9" * 10_000 + ', "x": NaN, "y": -Infinity, "z": 1e999}',
        r'{"a": "\ud800", "b": "\uZZZZ\q", "c": "' + "\\",
        r"C:\new\table\users 100%",
        '{"a": 1,, ]]]}}}} : :',
    ],
)
def test_odd_texts_are_left_as_they_are(text: str) -> None:
    left, found = redacted({"text": text})
    assert found == ()
    assert left["text"] is text


def test_a_list_under_a_secrets_name_hides_nothing_in_a_json_text() -> None:
    text = '{"db password": ["aB3+aB3+x"], "date of password": ["2026-01-02"], "n": ["aB3+aB3+x"]}'
    assert redacted_text(text) == (
        '{"db password": ["[redacted:named-secret]"], "date of password": ["2026-01-02"], '
        '"n": ["aB3+aB3+x"]}',
        ("named-secret",),
    )
    nested = '[{"password": {"of the shop": "aB3+aB3+x", "hint": "aB3+aB3+x"}}]'
    assert redacted(json.loads(nested))[0] == json.loads(redacted_text(nested)[0])
