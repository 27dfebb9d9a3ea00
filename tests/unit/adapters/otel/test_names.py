"""The names of models become the names of the conventions."""

from __future__ import annotations

import pytest

from fairlead.adapters.otel import names


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
