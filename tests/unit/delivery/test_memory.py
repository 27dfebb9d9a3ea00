"""What `fairlead.toml` says of memory: read whole, or refused with the key that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import InvalidConfig
from fairlead.core.memory_terms import AdmitRule, MemoryTerms, RememberTerms
from fairlead.delivery.memory import RULES_MAX, memory_of, remember_of
from fairlead.delivery.resolve import bundle_digest, resolve
from tests.unit.runtime.bench import FILES, SLO_OF_TESTS

DECLARED = fl.Remember(["semantic"], top_k=3, min_score=0.2)


@fl.workflow(
    intent="Note",
    owner="group:default/tests",
    input=str,
    output=str,
    slo=SLO_OF_TESTS,
    memory=fl.Memory(remember=DECLARED),
)
async def note(_: fl.Run[str], text: str) -> str:
    """Note."""
    return text


SHAPE = {
    "properties": {
        "customer": {"type": "string"},
        "order": {"type": "integer"},
        "amount": {"type": "number"},
        "region": {"type": "string"},
    },
    "required": ["customer", "order", "amount"],
}


def test_the_subject_of_an_answer_is_a_field_of_the_input() -> None:
    declared = fl.Remember(["semantic"], grounding=True, subject="customer:{customer}")
    made = remember_of(declared, {}, "workflow.note", SHAPE)
    assert made is not None
    assert made.subject == "customer:{customer}"
    made = remember_of(declared, {"subject": "order:{order}"}, "workflow.note", SHAPE)
    assert made is not None
    assert made.subject == "order:{order}"
    for subject in ("{amount}", "{region}", "{tenant}", "{customer} {nobody}"):
        with pytest.raises(InvalidConfig, match="subject names"):
            remember_of(declared, {"subject": subject}, "workflow.note", SHAPE)
    with pytest.raises(InvalidConfig, match="needs grounding"):
        remember_of(declared, {"grounding": False}, "workflow.note", SHAPE)
    with pytest.raises(InvalidConfig, match="subject must be text"):
        remember_of(declared, {"subject": 7}, "workflow.note", SHAPE)


def test_without_a_table_the_defaults_hold() -> None:
    assert memory_of({}) == MemoryTerms()
    assert remember_of(DECLARED, {}, "workflow.note", {}) == RememberTerms(
        kinds=("semantic",), top_k=3, min_score=0.2
    )
    assert remember_of(None, {}, "workflow.note", {}) is None


def test_all_of_it_is_read() -> None:
    rule = {"source": "tool:read_*", "admit": "refused", "kinds": ["semantic"]}
    table = {"schema": 2, "reads": [1, 3], "embedder": "minilm", "admit": [rule]}
    assert memory_of(table) == MemoryTerms(
        schema=2,
        reads=(1, 3),
        embedder="minilm",
        admit=(AdmitRule(source="tool:read_*", admit="refused", kinds=("semantic",)),),
    )
    # Who names a schema alone reads that one alone.
    assert memory_of({"schema": 2}).reads == (2, 2)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "memory must be a table"),
        ({"scheme": 1}, "memory has an unknown key 'scheme'"),
        ({"schema": "1"}, "memory.schema must be a number"),
        ({"schema": True}, "memory.schema must be a number"),
        ({"schema": 0}, "reads must be two versions from 1"),
        ({"schema": 3, "reads": [1, 2]}, "schema 3 must be among those that are read"),
        ({"reads": [2, 1]}, "the older one first"),
        ({"reads": 1}, "memory.reads the oldest and the newest"),
        ({"reads": [1, 2, 3]}, "memory.reads the oldest and the newest"),
        ({"embedder": ""}, "memory.embedder must be text"),
        ({"embedder": 7}, "memory.embedder must be text"),
        ({"admit": {}}, f"memory.admit must be a list of at most {RULES_MAX} rules"),
        ({"admit": [{}] * (RULES_MAX + 1)}, "memory.admit must be a list of at most"),
        ({"admit": [7]}, "memory.admit[0] must be a table"),
        ({"admit": [{"source": "a", "admit": "active", "kind": 1}]}, "unknown key 'kind'"),
        ({"admit": [{"source": "", "admit": "active"}]}, "source must name an origin"),
        ({"admit": [{"source": 7, "admit": "active"}]}, "memory.admit[0]: source must be text"),
        ({"admit": [{"source": "a"}]}, "admit is active, quarantined or refused, not ''"),
        ({"admit": [{"source": "a", "admit": ["active"]}]}, "admit is active, quarantined or"),
        ({"admit": [{"source": "a", "admit": "active", "kinds": "x"}]}, "kinds a list"),
        ({"admit": [{"source": "a", "admit": "active", "kinds": ["x"]}]}, "of kind 'x'"),
        ({"admit": [{"source": "a", "admit": "active", "kinds": [{}]}]}, "memory.admit[0]"),
    ],
)
def test_a_value_that_is_not_understood_is_refused(table: Any, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        memory_of(table)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (7, "workflow.note.remember must be a table"),
        ({"kind": []}, "unknown key 'kind'"),
        ({"derive": "other"}, "unknown key 'derive'"),
        ({"kinds": []}, "at least one kind"),
        ({"kinds": "semantic"}, "kinds must be a list"),
        ({"kinds": ["facts"]}, "no memory of kind 'facts'; there are: working"),
        ({"top_k": 0}, "top_k must be from 1 to 100"),
        ({"top_k": 101}, "top_k must be from 1 to 100"),
        ({"top_k": "5"}, "workflow.note.remember"),
        ({"top_k": 2.5}, "top_k must be a whole number"),
        ({"top_k": True}, "top_k must be a whole number"),
        ({"min_score": 1.5}, "min_score must be from 0.0 to 1.0"),
        ({"min_score": float("nan")}, "min_score must be from 0.0 to 1.0"),
        ({"grounding": "yes"}, "grounding true or false"),
    ],
)
def test_a_value_of_a_workflow_that_is_not_understood_is_refused(table: Any, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        remember_of(DECLARED, table, "workflow.note", {})
    assert said in caught.value.message
    assert "workflow.note.remember" in caught.value.message


def test_a_workflow_that_declares_no_memory_gets_none_from_a_file() -> None:
    with pytest.raises(InvalidConfig, match="declares no memory of its own"):
        remember_of(None, {"top_k": 3}, "workflow.note", {})


def test_it_is_part_of_the_release() -> None:
    app = fl.App("notes", workflows=[note])
    plain = resolve(app, FILES, {})
    config = {"memory": {"schema": 2}, "workflow": {"note": {"remember": {"top_k": 7}}}}
    other = resolve(app, FILES, config)
    assert (other.memory.schema, other.workflows["note"].remember.top_k) == (2, 7)  # type: ignore[union-attr]
    assert plain.workflows["note"].remember.top_k == 3  # type: ignore[union-attr]
    assert bundle_digest(FILES, config) != bundle_digest(FILES, {})
