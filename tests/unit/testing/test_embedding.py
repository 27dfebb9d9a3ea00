"""The embedders for tests."""

from __future__ import annotations

from fairlead.core.vectors import Vector, length_of, unpack
from fairlead.testing import HashEmbedder


def near(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(unpack(left), unpack(right), strict=True))


def test_texts_of_the_same_words_are_near() -> None:
    embedder = HashEmbedder()
    asked, same, other = embedder.embed(
        ["late parcels", "The parcel is late.", "A kettle boils."], purpose="document"
    )
    assert near(asked, same) > 0.99
    assert near(asked, other) < 0.1


def test_it_is_deterministic_and_every_text_has_a_vector() -> None:
    first = HashEmbedder(16).embed(["order A-17"], purpose="document")
    assert first == HashEmbedder(16).embed(["order A-17"], purpose="query")
    for vector in HashEmbedder(16).embed(["", "?!", "the and of"], purpose="document"):
        assert len(vector) == 64
        assert abs(length_of(unpack(vector)) - 1) < 1e-6
