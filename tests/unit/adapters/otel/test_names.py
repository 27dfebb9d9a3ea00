"""The names of models become the names of the conventions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead import Context, Principal
from fairlead.adapters.otel import names
from fairlead.core.calls import Call


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai:gpt-5", ("openai", "gpt-5")),
        ("google:g", ("gcp.gemini", "g")),
        ("fairlead:extractive", ("fairlead", "extractive")),
        ("ollama:llama3:8b", ("ollama", "llama3:8b")),
        ("test", ("_OTHER", "test")),
    ],
)
def test_provider_and_model(name: str, expected: tuple[str, str]) -> None:
    assert names.provider_and_model(name) == expected


def test_the_spans_of_a_conversation_name_it() -> None:
    context = Context(run_id="r", workflow="w", release="d", principal=Principal())
    assert names.CONVERSATION_ID not in names.run_attributes(context)
    talking = replace(context, conversation="desk-7")
    assert names.run_attributes(talking)["gen_ai.conversation.id"] == "desk-7"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("recall", "search_memory recall"),
        ("get", "search_memory get"),
        ("history", "search_memory history"),
        ("remember", "upsert_memory remember"),
        ("supersede", "update_memory supersede"),
        ("forget", "delete_memory forget"),
    ],
)
def test_a_span_of_memory_is_named_by_what_it_does(name: str, expected: str) -> None:
    call = Call(
        run_id="r",
        number=1,
        kind="memory",
        name=name,
        arguments={},
        effect="read",
        lineage="l",
    )
    assert names.span_name("memory", names.call_attributes(call)) == expected
