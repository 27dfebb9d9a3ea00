"""Admission: the strictest verdict counts, and a label is only raised by a rule that names it."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.label import Label
from fairlead.core.memory import MEMORY_KINDS, QUARANTINED, MemoryKind
from fairlead.core.memory_terms import (
    AdmitRule,
    MemoryTerms,
    RememberTerms,
    admission_of,
)

ORIGINS = ["user:ada", "step:look", "tool:read_mail", "tool:crm", "model:m", "import:x", "memory:m"]
SOURCES = [*ORIGINS, "tool:*", "*", "model:*", "user:bob"]
STRICT = ("active", "quarantined", "refused")

rules = st.lists(
    st.builds(
        AdmitRule,
        source=st.sampled_from(SOURCES),
        admit=st.sampled_from(STRICT),
        kinds=st.lists(st.sampled_from(MEMORY_KINDS), max_size=2).map(tuple),
    ),
    max_size=5,
)
kinds = st.sampled_from(MEMORY_KINDS)
labels = st.builds(
    Label,
    integrity=st.sampled_from(["trusted", "untrusted"]),
    readers=st.sampled_from([None, (), ("tenant:acme",)]),
    origins=st.lists(st.sampled_from(ORIGINS), max_size=4).map(tuple),
)


def first(given_rules: list[AdmitRule], origin: str, kind: MemoryKind) -> AdmitRule | None:
    """Return the rule that counts for an origin, found in another way."""
    for rule in given_rules:
        if fnmatchcase(origin, rule.source) and (rule.kinds == () or kind in rule.kinds):
            return rule
    return None


@given(rules, labels, kinds)
def test_the_strictest_verdict_of_all_origins_counts(
    given_rules: list[AdmitRule], label: Label, kind: MemoryKind
) -> None:
    admission = admission_of(given_rules, label, kind)
    for origin in label.origins:
        rule = first(given_rules, origin, kind)
        if rule is not None:
            assert STRICT.index(admission.admit) >= STRICT.index(rule.admit)
        elif origin.startswith("model:"):
            assert admission.admit != "active"
    assert bool(admission.reason) == (admission.admit == "refused")


@given(rules, labels, kinds)
def test_a_label_is_never_weakened_but_by_a_rule_that_names_an_origin(
    given_rules: list[AdmitRule], label: Label, kind: MemoryKind
) -> None:
    admission = admission_of(given_rules, label, kind)
    assert admission.label.readers == label.readers
    assert admission.label.origins == label.origins
    if admission.label.integrity == label.integrity:
        assert not admission.endorsed_by
        return
    assert (label.integrity, admission.admit) == ("untrusted", "active")
    named = [first(given_rules, origin, kind) for origin in label.origins or ("",)]
    endorsing = {rule.source for rule in named if rule is not None and rule.admit == "active"}
    assert set(admission.endorsed_by) == endorsing != set()


@given(rules, labels, kinds)
def test_what_is_untrusted_is_active_only_by_an_endorsement(
    given_rules: list[AdmitRule], label: Label, kind: MemoryKind
) -> None:
    admission = admission_of(given_rules, label, kind)
    if admission.admit == "active":
        assert admission.label.integrity == "trusted"


@given(rules, labels)
def test_how_something_is_done_is_never_learned_from_outside(
    given_rules: list[AdmitRule], label: Label
) -> None:
    if label.integrity == "untrusted":
        assert admission_of(given_rules, label, "procedural").admit == "refused"


outside = st.lists(st.sampled_from(["tool:crm", "model:m", "import:x"]), min_size=1, max_size=3)


@given(rules, outside, outside, kinds, st.sampled_from(["trusted", "untrusted"]))
def test_what_rests_on_more_is_admitted_no_more_easily(
    given_rules: list[AdmitRule], one: list[str], other: list[str], kind: MemoryKind, integrity: Any
) -> None:
    alone, beside = (Label(integrity=integrity, origins=tuple(names)) for names in (one, other))
    both = admission_of(given_rules, alone.join(beside), kind).admit
    assert STRICT.index(both) >= STRICT.index(admission_of(given_rules, alone, kind).admit)


@pytest.mark.parametrize(
    ("label", "admit"),
    [
        (Label(origins=("user:ada",)), "active"),
        (Label(origins=("tool:crm",)), "active"),
        (Label(origins=("user:ada", "model:m")), "quarantined"),
        (Label(integrity="untrusted", origins=("tool:read_mail",)), "quarantined"),
        (Label(integrity="untrusted", origins=("user:ada",)), "quarantined"),
        (Label(integrity="untrusted"), "quarantined"),
        (Label(), "active"),
    ],
)
def test_without_a_rule_what_comes_from_outside_is_quoted(label: Label, admit: str) -> None:
    assert admission_of([], label, "semantic").admit == admit


def test_the_first_rule_that_speaks_of_an_origin_counts() -> None:
    label = Label(integrity="untrusted", origins=("tool:crm",))
    refuse, believe = (AdmitRule(source="tool:*", admit=one) for one in ("refused", "active"))
    assert admission_of([refuse, believe], label, "semantic").admit == "refused"
    admission = admission_of([believe, refuse], label, "semantic")
    assert (admission.admit, admission.endorsed_by) == ("active", ("tool:*",))
    other = AdmitRule(source="tool:*", admit="refused", kinds=("episodic",))
    assert admission_of([other, believe], label, "semantic").admit == "active"


def test_origins_without_a_name_are_judged_as_the_worst_that_they_may_be() -> None:
    """Whoever pads a label with origins hides nothing behind them."""
    padded = tuple(f"child:{number:03}" for number in range(70))
    label = Label(integrity="untrusted", origins=(*padded, "tool:crm"))
    assert "tool:crm" not in label.origins
    believe = AdmitRule(source="*", admit="active")
    refuse = AdmitRule(source="tool:crm", admit="refused", kinds=("semantic",))
    assert admission_of([refuse, believe], label, "semantic").admit == "refused"
    assert admission_of([refuse, believe], label, "episodic").admit == "quarantined"
    assert (
        admission_of([believe], replace(label, integrity="trusted"), "semantic").admit == "active"
    )


def test_no_rule_believes_what_rests_on_something_in_quarantine() -> None:
    label = Label(integrity="untrusted", origins=("user:ada", QUARANTINED))
    rules = [AdmitRule(source=one, admit="active") for one in ("*", QUARANTINED)]
    assert admission_of(rules, label, "semantic").admit == "quarantined"


@pytest.mark.parametrize(
    "make",
    [
        lambda: AdmitRule(source="", admit="active"),
        lambda: AdmitRule(source="x", admit="maybe"),  # type: ignore[arg-type]
        lambda: AdmitRule(source="x", admit="active", kinds=("other",)),  # type: ignore[arg-type]
        lambda: MemoryTerms(reads=(0, 1)),
        lambda: MemoryTerms(reads=(3, 2), schema=2),
        lambda: MemoryTerms(reads=(1, 2), schema=3),
        lambda: RememberTerms(kinds=()),
        lambda: RememberTerms(kinds=("other",)),  # type: ignore[arg-type]
        lambda: RememberTerms(kinds=("semantic",), top_k=0),
        lambda: RememberTerms(kinds=("semantic",), top_k=101),
        lambda: RememberTerms(kinds=("semantic",), min_score=1.5),
    ],
)
def test_terms_that_cannot_be_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()


def test_terms_name_the_versions_that_they_do_not_read() -> None:
    terms = MemoryTerms(schema=3, reads=(2, 4))
    assert terms.outside([1, 2, 3, 4, 5]) == (1, 5)
    assert terms.outside([]) == ()


@pytest.mark.parametrize("subject", ["{", "}", "customer:{", "{}", "{{a}}", "{a}}", "x" * 501])
def test_a_subject_that_is_not_understood_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        RememberTerms(kinds=("semantic",), grounding=True, subject=subject)


def test_a_subject_takes_its_fields_from_the_input() -> None:
    terms = RememberTerms(kinds=("semantic",), grounding=True, subject="{kind}:{id}/{id}")
    assert terms.subject_fields == ("kind", "id")
    assert terms.subject_in({"kind": "customer", "id": 42}) == "customer:42/42"
    # What a field holds is a value, and names no further field.
    assert terms.subject_in({"kind": "{id}", "id": 0}) == "{id}:0/0"
    for said in (
        {},
        {"kind": "a"},
        {"kind": " ", "id": 1},
        {"kind": "a", "id": None},
        "a",
        [],
        {"kind": "a", "id": True},
        {"kind": "a", "id": 1.5},
    ):
        with pytest.raises(ValueError, match="names no subject"):
            terms.subject_in(said)
    assert RememberTerms(kinds=("semantic",)).subject_in("a") is None
    fixed = RememberTerms(kinds=("semantic",), grounding=True, subject="shop")
    assert fixed.subject_in("a") == "shop"
