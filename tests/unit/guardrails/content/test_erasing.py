"""Values are found in every form, and what is left is still what it was: text or JSON."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.erasure import ERASED
from fairlead.guardrails.content import erasing
from fairlead.guardrails.content.erasing import Eraser

CORE = "kX7vQ2mZ9tR4wB8n"
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.builds(lambda before, after: f"{before}{CORE}{after}", ANY, ANY)
SIBLING = "hJ5sD1fL6gP3yC0a"


@given(value=VALUES, around=ANY)
def test_a_value_is_taken_out_of_texts_and_json_and_a_sibling_stays(
    value: str, around: str
) -> None:
    eraser = Eraser([value])
    held: Any = {"a": [f"{around}{value}{around}", {"b": value}], "c": SIBLING, value: 1}
    for text in (
        f"{SIBLING} {value} {SIBLING}",
        json.dumps(held),
        json.dumps(held, ensure_ascii=False),
        json.dumps({"inner": json.dumps(held)}),
        json.dumps(json.dumps({"inner": json.dumps(held)})),
    ):
        left = eraser.text(text)
        assert CORE not in left
        assert SIBLING in left
        assert eraser.count(left) == 0
        assert eraser.count(text) >= 1
        assert eraser.text(left) is left
        if text.startswith(("{", '"')):
            json.loads(left)


@given(value=VALUES, at=st.integers(0, 200))
def test_a_file_is_searched_across_its_pieces(value: str, at: int) -> None:
    eraser = Eraser([value])
    data = b"x" * 100 + value.encode() + b"y" * 100
    cut = min(at, len(data))
    assert eraser.count_raw([data[:cut], data[cut:]]) >= 1
    assert eraser.count_raw([data[:100], SIBLING.encode(), data[-100:]]) == 0


def test_half_of_a_long_value_is_found_where_a_page_ends_in_it() -> None:
    value = "a long sentence that somebody wrote about herself, in two halves of some length"
    eraser = Eraser([value])
    torn = value[: len(value) - 5].encode() + b"\x00" * 50 + value[-5:].encode()
    assert eraser.count(torn) == 0
    assert eraser.count_raw([torn]) >= 1


@pytest.mark.parametrize("form", [str.upper, str.lower, str.swapcase])
def test_letter_case_does_not_count(form: Any) -> None:
    assert Eraser([f"Ada {CORE}"]).text(form(f"ada {CORE}")) == ERASED


def test_numbers_names_and_base64_count() -> None:
    eraser = Eraser(["4471982", f"Ada {CORE}"])
    assert json.loads(eraser.text('{"n":4471982,"m":44719820}')) == {"n": ERASED, "m": 44719820}
    coded = base64.b64encode(f"see Ada {CORE}.".encode()).decode()
    assert ERASED in eraser.text(f"token {coded}")


@given(value=VALUES, around=ANY, data=st.data())
def test_of_many_values_each_is_found_as_it_is_alone(
    value: str, around: str, data: st.DataObject
) -> None:
    many = [f"fact number {place} about her is {place * 7919}" for place in range(100)]
    eraser = Eraser([*many, value, "Ärger für Zoë", "日本語のテキスト", "a b\nc d e"])
    one = data.draw(st.sampled_from((value, many[7], "ärger für zoë", "日本語のテキスト")))
    for text in (
        f"{around}{one}{around}",
        json.dumps({"a": [one, around]}),
        base64.b64encode(one.encode()).decode(),
    ):
        assert eraser.count(text) >= 1
        assert eraser.count(eraser.text(text)) == 0
    assert eraser.count(f"{SIBLING} fact number 100 about her is 1") == 0


def test_a_thousand_values_are_no_thousand_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    eraser = Eraser(f"fact number {place} about her is {place * 7919}" for place in range(1_000))
    compiled = re.compile

    def compile_(text: str, *flags: int) -> re.Pattern[str]:
        made.append(text)
        return compiled(text, *flags)

    monkeypatch.setattr(erasing.re, "compile", compile_)
    assert eraser.count("a fact number 7 about her is of no interest") == 0
    # Those whose numbers are too short to be told apart by.
    assert len(made) <= 20


def test_words_of_the_record_itself_stay() -> None:
    outcome = {
        "state": "succeeded",
        "grounded_sources": [],
        "label": {"integrity": "untrusted"},
        "answer": "it succeeded, says an untrusted reason",
    }
    values = ["succeeded", "untrusted", "grounded_sources", "answer", "reason"]
    left = json.loads(Eraser(values).text(json.dumps(outcome)))
    assert left.pop("answer") == f"it {ERASED}, says an {ERASED} {ERASED}"
    assert left == {name: value for name, value in outcome.items() if name != "answer"}


def test_two_names_that_become_one_are_told_apart() -> None:
    left = json.loads(Eraser(["value-1", "value-2"]).text('{"value-1":1,"value-2":2,"x":3}'))
    assert sorted(left.values()) == [1, 2, 3]


def test_what_keeps_its_places_is_as_long_as_it_was() -> None:
    text = f"one {CORE} two"
    left = Eraser([CORE]).text(text, "*")
    assert len(left) == len(text)
    assert (left.index("two"), CORE in left) == (text.index("two"), False)


def test_a_line_of_a_value_is_no_value() -> None:
    eraser = Eraser(["Dear Ada,\nwith the kindest regards\nBob and all the others"])
    assert eraser.text("with the kindest regards") == "with the kindest regards"


def test_what_only_looks_like_json_is_a_text() -> None:
    assert Eraser([CORE]).text(f"{{ {CORE} ]") == f"{{ {ERASED} ]"
    assert ERASED in Eraser([CORE]).text(f'{{"a":NaN,"b":"{CORE}"}}')
