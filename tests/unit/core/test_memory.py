"""Items, readers and audiences."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.identity import Principal
from fairlead.core.label import Label
from fairlead.core.memory import (
    EVERYONE,
    MEMORY_KINDS,
    NOBODY,
    RETENTION_S,
    Item,
    Provenance,
    Reader,
    Recalled,
    Written,
    audience_of,
    item_from_json,
    item_to_json,
    reader_of,
    recalled_from_json,
    recalled_to_json,
)

ITEM = Item(
    id="m-1",
    tenant="acme",
    app="desk",
    kind="semantic",
    text="The lamp is red",
    subject="lamp",
    predicate="colour",
    value={"colour": ["red", 1, None]},
    label=Label(integrity="untrusted", readers=("tenant:acme",), origins=("tool:mail",)),
    state="active",
    audience="*",
    provenance=Provenance(run_id="r1", call=2, derivation="x@1", derived_from=("m-0", "m-9")),
    valid_from=1.5,
    valid_to=None,
    recorded_at=2.5,
    retired_at=None,
    expires_at=9.5,
    actor="Ada",
    thread="t",
    place=3,
    supersedes="m-0",
)


def test_an_item_comes_back_from_json() -> None:
    assert item_from_json(json.loads(json.dumps(item_to_json(ITEM)))) == ITEM


def test_what_was_recalled_comes_back_from_json() -> None:
    recalled = Recalled(item=ITEM, score=0.5, parts={"words": 0.5}, quoted=True, allowed_by=("p",))
    assert recalled_from_json(json.loads(json.dumps(recalled_to_json(recalled)))) == recalled


@pytest.mark.parametrize(
    ("state", "integrity", "quoted"),
    [
        ("active", "trusted", False),
        ("active", "untrusted", True),
        ("quarantined", "trusted", True),
        ("quarantined", "untrusted", True),
    ],
)
def test_only_what_is_trusted_and_active_is_more_than_quoted(
    state: str, integrity: str, quoted: bool
) -> None:
    item = replace(ITEM, state=state, label=Label(integrity=integrity))  # type: ignore[arg-type]
    assert item.quoted is quoted


def test_each_kind_has_a_retention() -> None:
    assert set(RETENTION_S) == set(MEMORY_KINDS)


def test_a_note_without_an_item_was_refused() -> None:
    assert Written(id="", state="retracted").refused
    assert not Written(id="m-1", state="active").refused


@pytest.mark.parametrize(
    ("readers", "audience"),
    [
        (None, EVERYONE),
        (("tenant:acme",), EVERYONE),
        (("tenant:acme", "tenant:acme/user:ada"), EVERYONE),
        (("tenant:acme/user:ada",), "user:ada"),
        (("tenant:acme/user:ada", "tenant:umbra/user:eve"), "user:ada"),
        (("tenant:acme/user:ada", "tenant:acme/user:bob"), NOBODY),
        (("tenant:umbra",), NOBODY),
        (("tenant:umbra/user:ada",), NOBODY),
        ((), NOBODY),
    ],
)
def test_an_audience_is_no_more_than_the_readers(
    readers: tuple[str, ...] | None, audience: str
) -> None:
    assert audience_of(Label(readers=readers), "acme") == audience


PEOPLE = st.sampled_from(["acme", "acme/x", "umbra"]), st.sampled_from(["ada", "bob", "*", "-"])
READERS = st.lists(
    st.one_of(
        PEOPLE[0].map(lambda tenant: f"tenant:{tenant}"),
        st.tuples(*PEOPLE).map(lambda who: f"tenant:{who[0]}/user:{who[1]}"),
    ),
    max_size=4,
).map(tuple)


@given(READERS, *PEOPLE)
def test_who_is_in_an_audience_may_read_the_label(
    readers: tuple[str, ...], tenant: str, user: str
) -> None:
    reader = reader_of(Principal(tenant=tenant, user=user), "desk")
    if audience_of(Label(readers=readers), tenant) in (reader.audiences or ()):
        assert {f"tenant:{tenant}", f"tenant:{tenant}/user:{user}"} & set(readers)


def test_a_reader_has_its_own_audiences_and_an_operator_all() -> None:
    ada = Reader(tenant="acme", app="desk", user="ada")
    assert ada.audiences == ("*", "user:ada")
    assert replace(ada, run_root="r1").audiences == ("*", "user:ada", "run:r1")
    assert replace(ada, user="").audiences is None
    assert replace(ada, user="", run_root="r1").audiences is None


def test_a_run_reads_as_its_principal() -> None:
    reader = reader_of(Principal(tenant="t", user="u"), "desk", run_root="r", overlay="d")
    assert reader == Reader(tenant="t", app="desk", user="u", run_root="r", overlay="d")
