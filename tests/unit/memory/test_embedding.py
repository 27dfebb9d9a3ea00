"""The guard around an embedder: all vectors and right, or an error."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import (
    EmbedderFailed,
    EmbedderTimedOut,
    FairleadError,
    ProviderBusy,
    TextsExcessive,
    VectorNotFinite,
    VectorNotNormalised,
    VectorSizeWrong,
    VectorsMiscounted,
)
from fairlead.core.vectors import Vector, unit
from fairlead.memory.embedding import TEXT_CHARS_MAX, EmbeddingBounds, checked
from fairlead.ports.embedder import Purpose
from fairlead.testing import FaultyEmbedder, HashEmbedder
from fairlead.testing.embedding import EmbedderFault

SMALL = EmbeddingBounds(texts=10, batch_texts=3, batch_chars=20_000, timeout_s=5.0)


class Recorder:
    """Remembers what it was given."""

    id = "recorder"
    dimensions: int | None = None

    def __init__(self, error: Exception | None = None) -> None:
        self.given: list[list[str]] = []
        self.purposes: set[str] = set()
        self.error = error

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:
        self.given.append(list(texts))
        self.purposes.add(purpose)
        if self.error is not None:
            raise self.error
        return [unit([float(len(text)), 1.0]) for text in texts]

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("nan", VectorNotFinite),
        ("infinite", VectorNotFinite),
        ("zero", VectorNotNormalised),
        ("unnormalised", VectorNotNormalised),
        ("empty", VectorSizeWrong),
        ("resized", VectorSizeWrong),
        ("missing", VectorsMiscounted),
        ("extra", VectorsMiscounted),
        ("raise", EmbedderFailed),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_each_fault_is_an_error_of_its_own(
    fault: EmbedderFault, error: type[FairleadError], after: int
) -> None:
    inner = FaultyEmbedder(fault, HashEmbedder(8), after=after)
    guarded = checked(inner, bounds=SMALL)
    with pytest.raises(error) as raised:
        guarded.embed(["one", "two", "three", "four", "five"], purpose="document")
    assert type(raised.value) is error
    assert raised.value.ids == {"embedder": "hash-8"}
    assert len(inner.given) == after + 1
    # A call that failed half-way has taught it nothing.
    assert guarded.dimensions is None


def test_a_good_embedder_passes() -> None:
    inner = FaultyEmbedder("raise", HashEmbedder(8), after=10)
    guarded = checked(inner, bounds=SMALL)
    texts = ["one", "two", "three", "four"]
    assert guarded.embed(texts, purpose="query") == HashEmbedder(8).embed(texts, purpose="query")
    assert (guarded.id, guarded.dimensions) == ("hash-8", 8)
    assert inner.given == [("one", "two", "three"), ("four",)]
    assert guarded.embed([], purpose="query") == []


def test_dimensions_are_those_that_are_stored() -> None:
    with pytest.raises(VectorSizeWrong, match="8 dimensions; 16 are expected"):
        checked(HashEmbedder(8), stored=16)
    silent = FaultyEmbedder("raise", HashEmbedder(8), after=9)
    with pytest.raises(VectorSizeWrong, match="8 dimensions; 16 are expected"):
        checked(silent, stored=16).embed(["one"], purpose="document")
    assert checked(silent, stored=8).embed(["one"], purpose="document")


def test_dimensions_are_those_of_the_first_call() -> None:
    class Growing(Recorder):
        def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:
            super().embed(texts, purpose=purpose)
            return [unit([1.0] * len(self.given)) for _ in texts]

    guarded = checked(Growing())
    guarded.embed(["one"], purpose="document")
    with pytest.raises(VectorSizeWrong):
        guarded.embed(["one"], purpose="document")


@given(st.lists(st.text(max_size=12), max_size=30), st.integers(1, 5), st.integers(1, 20))
def test_batches_hold_all_texts_in_order(texts: list[str], count: int, chars: int) -> None:
    inner = Recorder()
    bounds = EmbeddingBounds(batch_texts=count, batch_chars=chars)
    checked(inner, bounds=bounds).embed(texts, purpose="document")
    assert [text for batch in inner.given for text in batch] == texts
    for batch in inner.given:
        assert 1 <= len(batch) <= count
        assert len(batch) == 1 or sum(map(len, batch)) <= chars
    assert inner.purposes <= {"document"}


def test_a_long_text_is_cut_and_half_characters_are_replaced() -> None:
    inner = Recorder()
    checked(inner).embed(["x" * 10_000_000, "a\ud800b"], purpose="query")
    assert inner.given == [["x" * TEXT_CHARS_MAX, "a?b"]]


def test_too_many_texts_are_refused_before_the_embedder_is_asked() -> None:
    inner = Recorder()
    with pytest.raises(TextsExcessive, match="11 texts; at most 10"):
        checked(inner, bounds=SMALL).embed(["a"] * 11, purpose="document")
    assert inner.given == []


def test_an_error_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ProviderBusy):
        checked(Recorder(ProviderBusy("busy"))).embed(["a"], purpose="query")


def test_a_hang_is_given_up_and_hangs_are_bounded() -> None:
    inner = FaultyEmbedder("hang", HashEmbedder(8))
    guarded = checked(inner, bounds=EmbeddingBounds(timeout_s=0.02, at_once=2))
    try:
        for _ in range(2):
            with pytest.raises(EmbedderTimedOut, match="no vectors for 1 texts"):
                guarded.embed(["a"], purpose="query")
        with pytest.raises(EmbedderTimedOut, match="2 batches before"):
            guarded.embed(["a"], purpose="query")
        assert len(inner.given) == 2
    finally:
        guarded.close()
    assert inner.closed == 1
