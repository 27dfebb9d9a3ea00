"""A backup's manifest: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.backup import (
    Content,
    Heads,
    Manifest,
    Part,
    differences,
    format_of,
    heads_digest,
    manifest_text,
    read_manifest,
)
from fairlead.core.digests import canonical_json

DIGEST = "ab" * 32
NAMES = st.from_regex(r"[a-z_]{1,20}(\.[a-z_]{1,20})?", fullmatch=True)
COUNTS = st.dictionaries(NAMES, st.integers(0, 2**62), max_size=5)
MANIFEST = Manifest(
    fairlead="1.0",
    made_at=1.5,
    content=Content(
        kind="sqlite",
        schema="0010",
        engine=125,
        tables={"runs": 1, "dbos.workflow_status": 2},
        heads=Heads(events=3, chains=2, digest=DIGEST),
    ),
    parts=(Part(name="store.sqlite", bytes=3, digest=DIGEST),),
)


@given(tables=COUNTS, sequences=COUNTS, made_at=st.floats(0, 1e12))
def test_a_manifest_is_read_as_it_was_written(
    tables: dict[str, int], sequences: dict[str, int], made_at: float
) -> None:
    content = replace(MANIFEST.content, tables=tables, sequences=sequences)
    manifest = replace(MANIFEST, content=content, made_at=made_at)
    assert read_manifest(manifest_text(manifest)) == manifest
    assert format_of(manifest_text(manifest)) == 1


BAD: list[tuple[list[Any], Any]] = [
    (["parts", 0, "name"], "../../etc/passwd"),
    (["parts", 0, "name"], "/etc/passwd"),
    (["parts", 0, "bytes"], -1),
    (["parts", 0, "bytes"], True),
    (["parts", 0, "digest"], "x"),
    (["parts"], []),
    (["parts"], [{"name": "a", "bytes": 1, "digest": DIGEST}] * 2),
    (["content", "kind"], "mysql"),
    (["content", "kind"], ["sqlite"]),
    (["content", "tables"], {"a; DROP TABLE runs": 1}),
    (["content", "tables"], {'a"': 1}),
    (["content", "sequences"], {"a": 2**63}),
    (["content", "schema"], ""),
    (["content", "schema"], "0" * 101),
    (["content", "heads"], None),
    (["made_at"], "now"),
    (["fairlead"], 7),
]


@pytest.mark.parametrize(("path", "value"), BAD, ids=str)
def test_a_value_that_cannot_be_is_refused(path: list[Any], value: Any) -> None:
    data = json.loads(manifest_text(MANIFEST))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=r"."):
        read_manifest(canonical_json(data))


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_other_text_is_refused(text: str) -> None:
    for read in (read_manifest, format_of):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_what_differs_is_named() -> None:
    content = MANIFEST.content
    assert differences(content, content) == []
    fewer = replace(content, tables={"runs": 0}, heads=replace(content.heads, events=2))
    assert differences(content, fewer) == [
        "table dbos.workflow_status has no such table, and the backup had 2 rows",
        "table runs has 0 rows, and the backup had 1 rows",
        "the event log has 2 events, and the backup had 3",
    ]
    other = replace(content, schema="0009", heads=replace(content.heads, digest="cd" * 32))
    assert len(differences(content, other)) == 2


def test_the_digest_of_heads_changes_with_each_of_them() -> None:
    heads = [("a", 1, "x"), ("b", 2, "y")]
    found = {
        heads_digest(changed)
        for changed in (heads, heads[:1], [], [("a", 1, "x"), ("b", 3, "y")], heads[::-1])
    }
    assert len(found) == 5
    assert heads_digest(heads)[0] == 2
