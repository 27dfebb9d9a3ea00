"""What the library's embedding model is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai.embeddings import EmbeddingResult, EmbeddingSettings, TestEmbeddingModel

from fairlead.adapters.pydantic_ai.embedding import PydanticEmbedder
from fairlead.ports.embedder import Purpose


class Recording(TestEmbeddingModel):
    """Remembers what texts are embedded for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    async def embed(
        self,
        inputs: str | Sequence[str],
        *,
        input_type: Any,
        settings: EmbeddingSettings | None = None,
    ) -> EmbeddingResult:
        self.asked.append(input_type)
        return await super().embed(inputs, input_type=input_type, settings=settings)


@pytest.mark.parametrize("purpose", ["document", "query"])
def test_the_purpose_reaches_the_model(purpose: Purpose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-a-test")
    embedder = PydanticEmbedder("openai:any")
    model = embedder._model = Recording()
    try:
        [vector] = embedder.embed(["a"], purpose=purpose)
    finally:
        embedder.close()
    assert (model.asked, len(vector)) == ([purpose], 4 * 8)
