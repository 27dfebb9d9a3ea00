"""The filter stands before any ranking, and what it holds are parameters, never text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.sql.memory_filter import filter_of, instead_on_trial
from fairlead.adapters.sql.memory_rows import house_of, kind_of, scope_of, subject_of
from fairlead.core.memory import MEMORY_KINDS, MemoryQuery, Reader

NAMES = st.text(min_size=1, max_size=12)
TIMES = st.none() | st.floats(0, 1e9)


@given(NAMES, NAMES, NAMES, NAMES, TIMES, TIMES)
def test_names_are_parameters(
    tenant: str, app: str, user: str, subject: str, known_at: float | None, valid_at: float | None
) -> None:
    """The text is the same for all names, and names each of its parameters."""

    def made(*names: str) -> tuple[str, set[str]]:
        reader = Reader(tenant=names[0], app=names[1], user=names[2], overlay=names[3])
        query = MemoryQuery(
            text="", kinds=("semantic",), subject=names[3], known_at=known_at, valid_at=valid_at
        )
        within = filter_of(reader, query, 5.0)
        return within.sql, set(within.values)

    sql, values = made(tenant, app, user, subject)
    assert (sql, values) == made("t", "a", "u", "s")
    assert set(re.findall(r":(\w+)", sql)) <= values


@pytest.mark.parametrize("user", ["ada", ""])
@pytest.mark.parametrize("overlay", ["d1", ""])
def test_whose_items_they_are_comes_first(user: str, overlay: str) -> None:
    reader = Reader(tenant="acme", app="desk", user=user, overlay=overlay)
    within = filter_of(reader, MemoryQuery(text="", kinds=MEMORY_KINDS), 5.0)
    assert within.sql.startswith(within.house)
    assert within.house.startswith("m.tenant = :tenant AND m.app = :app")
    assert ("m.audience IN" in within.house) is bool(user)
    assert ":overlay" in within.sql or not overlay
    assert "m.overlay = " in within.sql


def test_tags_say_the_same_as_the_condition() -> None:
    ada = Reader(tenant="acme", app="desk", user="ada", run_root="r1")
    query = MemoryQuery(text="", kinds=("semantic", "working"), subject="s")
    assert filter_of(ada, query, 5.0).tags == [
        [scope_of("acme", "desk", one) for one in ("*", "user:ada", "run:r1")],
        [kind_of("semantic"), kind_of("working")],
        [subject_of("s")],
    ]
    operator = filter_of(Reader(tenant="acme", app="desk"), query, 5.0)
    assert operator.tags[0] == [house_of("acme", "desk")]


def test_a_subject_makes_a_filter_narrow() -> None:
    ada = Reader(tenant="acme", app="desk", user="ada")
    for subject in (None, "", "s"):
        query = MemoryQuery(text="", kinds=("semantic",), subject=subject)
        assert filter_of(ada, query, 5.0).narrow is (subject is not None)


def test_a_trials_own_items_are_looked_up_in_their_index() -> None:
    """The index holds what is on trial alone, and is used when the condition says so."""
    for past in (True, False):
        assert "o.overlay <> ''" in instead_on_trial("m", past=past)
