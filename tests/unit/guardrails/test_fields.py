"""Named fields are taken out of a value, wherever they stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails.fields import REDACTED, without_fields
from fairlead.guardrails.jsontext import TEXTS_MAX

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=12,
)


def fields_of(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        inner = [pair for item in value.values() for pair in fields_of(item)]
        return [*value.items(), *inner]
    if isinstance(value, list):
        return [pair for item in value for pair in fields_of(item)]
    return []


@given(values)
def test_nothing_is_left_of_a_field_and_all_of_the_rest(value: Any) -> None:
    cleaned = without_fields(value, {"a", "b"})
    found = fields_of(cleaned)
    assert all(item in (REDACTED, None) for name, item in found if name in "ab")
    assert without_fields(cleaned, {"a", "b"}) == cleaned
    assert without_fields(value, ()) == value


@given(values, st.booleans())
def test_a_json_text_is_redacted_as_what_it_says(value: Any, twice: bool) -> None:
    text = json.dumps(value, indent=1)
    if not text.startswith(("{", "[")):
        return
    given = json.dumps({"text": text}) if twice else text
    left = without_fields({"said": given}, {"A", "b"})["said"]
    if twice:
        assert list(json.loads(left)) == ["text"]
        left = json.loads(left)["text"]
    assert json.loads(left) == without_fields(value, {"a", "B"})
    if json.loads(left) == value:
        assert left == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        # Upper and lower case are the same, and a name may be written with escapes.
        ('{"SSN": "1", "s\\u0073n": 2}', '{"SSN": "[redacted]", "s\\u0073n": null}'),
        # The second of two counts too; numbers of any size and spaces stay.
        (
            '{"ssn": 1, "ssn":  [2], "n": 1e999}  ',
            '{"ssn": null, "ssn":  null, "n": 1e999}  ',
        ),
        # What is cut off is read as far as it goes.
        ('{"a": [{"ssn": "12', '{"a": [{"ssn": "[redacted]"'),
        # Lines of JSON, and a text in a list.
        ('{"ssn": 1}\n{"ssn": 2}', '{"ssn": null}\n{"ssn": null}'),
        ('["{\\"ssn\\": 1}"]', '["{\\"ssn\\": null}"]'),
        # No JSON.
        ("the ssn: 12", "the ssn: 12"),
        ("[note] the ssn is 12", "[note] the ssn is 12"),
    ],
)
def test_json_in_a_text_is_looked_through(text: str, left: str) -> None:
    assert without_fields([text], {"Ssn"}) == [left]


def test_nesting_has_no_bound_and_texts_in_texts_have_one() -> None:
    deep = '{"a":' * 1000 + '{"ssn":1}' + "}" * 1000
    assert without_fields(deep, {"ssn"}) == deep.replace("1", "null")
    assert without_fields(deep, {"b"}) is deep
    text = '{"ssn": "078-05-1120"}'
    for _ in range(TEXTS_MAX + 2):
        text = json.dumps([text])
        assert "1120" not in without_fields(text, {"ssn"})
    # Too deep to be looked through, so it is left out whole.
    assert "ssn" not in without_fields(text, {"ssn"})


def test_upper_and_lower_case_of_a_field_are_the_same() -> None:
    assert without_fields({"SSN": "1", "a": {"Ssn": 2}}, {"ssn"}) == {
        "SSN": REDACTED,
        "a": {"Ssn": None},
    }
