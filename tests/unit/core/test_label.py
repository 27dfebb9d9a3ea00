"""Labels: a join allows no more than what it joins, and content never sets one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.identity import Principal
from fairlead.core.label import (
    ORIGINS_MAX,
    OTHERS,
    PUBLIC,
    UNDECLARED,
    Label,
    joined,
    label_from_json,
    label_to_json,
    own_label,
)

ANN = Principal(user="ann", tenant="acme")

names = st.sampled_from(["tenant:acme", "tenant:acme/user:ann", "tenant:other", "x"])
labels = st.builds(
    Label,
    integrity=st.sampled_from(["trusted", "untrusted"]),
    readers=st.none() | st.lists(names, max_size=4).map(tuple),
    origins=st.lists(st.sampled_from([f"o{n}" for n in range(100)]), max_size=90).map(tuple),
)


@given(labels, labels)
def test_invariant_05_a_join_allows_no_more_than_either(one: Label, other: Label) -> None:
    both = one.join(other)
    assert both.allows_no_more_than(one)
    assert both.allows_no_more_than(other)


@given(labels, labels, labels)
def test_a_join_does_not_depend_on_the_order(one: Label, other: Label, third: Label) -> None:
    assert one.join(other) == other.join(one)
    assert one.join(one) == one
    both = (one.join(other).join(third), one.join(other.join(third)))
    # Beyond the bound on origins only the first ones are named, whichever way they came together.
    assert (both[0].integrity, both[0].readers) == (both[1].integrity, both[1].readers)
    assert one.join(PUBLIC) == one


@given(labels)
def test_invariant_05_a_label_survives_the_record(label: Label) -> None:
    assert label_from_json(label_to_json(label)) == label


@pytest.mark.parametrize(
    "data", [None, 1, "trusted", [], {}, {"integrity": "sure", "readers": None, "origins": []}]
)
def test_invariant_12_what_is_no_label_is_the_strictest(data: Any) -> None:
    label = label_from_json(data)
    assert (label.integrity, label.readers) == ("untrusted", ())
    assert label.allows_no_more_than(UNDECLARED)


def test_origins_are_bounded() -> None:
    many = joined(Label(origins=(f"o{n:03}",)) for n in range(ORIGINS_MAX + 5))
    assert len(many.origins) == ORIGINS_MAX + 1
    assert many.origins[-1] == OTHERS
    assert many.join(Label(origins=("a",))).origins[-1] == OTHERS


def test_a_contracts_readers_are_the_principals() -> None:
    found = Label(readers=("tenant",)).resolved(ANN, "tool:look")
    assert found.readers == ("tenant:acme", "tenant:acme/user:ann")
    assert found.origins == ("tool:look",)
    only = Label(readers=("user",)).resolved(ANN, "tool:mail")
    assert only.readers == ("tenant:acme/user:ann",)
    # Who may read both is the user, not nobody.
    assert found.join(only).readers == only.readers
    assert own_label(ANN).integrity == "trusted"
    assert own_label(ANN).origins == ("user:ann",)


def test_a_user_of_another_tenant_is_another_reader() -> None:
    mine = Label(readers=("user",)).resolved(ANN, "o")
    theirs = Label(readers=("user",)).resolved(Principal(user="ann", tenant="other"), "o")
    assert mine.join(theirs).readers == ()


def test_a_label_says_what_integrity_is() -> None:
    with pytest.raises(ValueError, match="integrity is trusted or untrusted"):
        Label(integrity="maybe")  # type: ignore[arg-type]
