"""An export is read by whoever got it, and it may come from anybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.ed25519.keys import load_verifier
from fairlead.adapters.sql.database import Database
from fairlead.core.digests import canonical_json
from fairlead.ports.audit import ExportScope
from fairlead.runtime.export import Exporter, ExportReader
from tests.unit.adapters.sql.test_audit import Office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("export")
    made = Office(Database(f"sqlite:///{folder}/fairlead.db", synchronous="normal"), folder)
    made.happen("a", "b", "a")
    made.auditing.checkpoint()
    made.database.close()
    return made


@pytest.fixture(scope="module")
def lines(office: Office) -> list[str]:
    found: list[str] = []
    Exporter(store=office.store, signer=office.signer, write=found.append).export(ExportScope())
    return found


def findings(office: Office, lines: Sequence[str]) -> list[str]:
    verifier = load_verifier(Path(office.file.where).with_name("audit.key.pub"))
    return [finding.what for finding in ExportReader(verifier=verifier).findings(lines)]


@pytest.mark.parametrize("line", ["[" * 50_000, '{"event":' * 50_000, "\x00\ud800", "1" * 5000])
def test_a_line_that_is_none_is_a_finding(office: Office, lines: list[str], line: str) -> None:
    assert findings(office, lines) == []
    for place in range(len(lines) + 1):
        assert findings(office, [*lines[:place], f"{line}\n", *lines[place:]]) != []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([10**400, -1, "a", ""])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=json_values)
def test_whatever_stands_in_the_place_of_a_value_is_a_finding(
    office: Office, lines: list[str], data: st.DataObject, value: object
) -> None:
    number = data.draw(st.integers(0, len(lines) - 1))
    line: Any = json.loads(lines[number])
    *path, last = data.draw(st.sampled_from(places(line)[1:]))
    within = line
    for key in path:
        within = within[key]
    before, within[last] = within[last], value
    try:
        changed = f"{canonical_json(line)}\n"
    except ValueError:
        return  # half a character, which is no text
    found = findings(office, [*lines[:number], changed, *lines[number + 1 :]])
    assert (found == []) == (repr(before) == repr(value))
