"""Embedders by their names."""

from __future__ import annotations

import pytest

from fairlead.bootstrap import open_embedder
from fairlead.core.errors import EmbedderUnknown, ModelKeyMissing, TextsExcessive, VectorSizeWrong
from fairlead.memory.embedding import EmbeddingBounds


def test_none_is_none() -> None:
    assert open_embedder("none") is None


def test_minilm_is_local_and_guarded() -> None:
    made = open_embedder("minilm", stored=384, bounds=EmbeddingBounds(texts=1))
    assert made is not None
    assert (made.id, made.dimensions) == ("minilm-l6-v2", 384)
    with pytest.raises(TextsExcessive):
        made.embed(["a", "b"], purpose="query")
    with pytest.raises(VectorSizeWrong, match="384 dimensions; 256 are expected"):
        open_embedder("minilm", stored=256)


@pytest.mark.parametrize("name", ["", "bert", ":", "openai:", ":x", "nowhere:model"])
def test_an_unknown_name_is_said(name: str) -> None:
    with pytest.raises(EmbedderUnknown, match="is not known") as raised:
        open_embedder(name)
    assert raised.value.ids == {"embedder": name}


def test_a_provider_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelKeyMissing):
        open_embedder("openai:text-embedding-3-small")
