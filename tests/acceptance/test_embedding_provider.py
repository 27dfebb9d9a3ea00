"""The way to a provider's embedding model: real HTTP, and everything that it can do wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fairlead.adapters.pydantic_ai.embedding import PydanticEmbedder
from fairlead.bootstrap import open_embedder
from fairlead.core.errors import FairleadError
from fairlead.core.vectors import unit
from fairlead.memory.embedding import EmbeddingBounds
from fairlead.ports.embedder import Embedder
from fairlead.testing import HashEmbedder, ProviderServer, Reply

pytestmark = pytest.mark.acceptance

NAME = "openai:text-embedding-3-small"
TEXTS = ["The parcel is late.", "Where is my order?"]
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as made:
        yield made


@pytest.fixture
def embedder(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedder]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.play([Reply()])
    made = open_embedder(NAME, bounds=EmbeddingBounds(timeout_s=10.0))
    assert made is not None
    yield made
    made.close()


def test_a_provider_embeds(server: ProviderServer, embedder: Embedder) -> None:
    assert (embedder.id, embedder.dimensions) == (NAME, None)
    for purpose in ("document", "query"):
        # The second request goes over the connection of the first.
        made = embedder.embed(TEXTS, purpose=purpose)  # type: ignore[arg-type]
        assert made == HashEmbedder().embed(TEXTS, purpose="document")
    assert embedder.dimensions == 64
    [first, _] = server.asked
    assert first.path == "/v1/embeddings"
    assert first.model == "text-embedding-3-small"
    assert first.body["input"] == TEXTS


def test_vectors_are_brought_to_length_1(server: ProviderServer, embedder: Embedder) -> None:
    server.play([Reply(vectors=[[3.0, 4.0], [0.0, -2.0]])])
    assert embedder.embed(TEXTS, purpose="document") == [unit([0.6, 0.8]), unit([0.0, -1.0])]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(vectors=[[1.0, NAN], [1.0, 0.0]]), "FL-856"),
        (Reply(vectors=[[1.0, INFINITE], [1.0, 0.0]]), "FL-856"),
        (Reply(vectors=[[1.0, None], [1.0, 0.0]]), "FL-856"),
        (Reply(vectors=[[0.0, 0.0], [1.0, 0.0]]), "FL-857"),
        (Reply(vectors=[[1.0, 0.0]]), "FL-854"),
        (Reply(vectors=[[1.0, 0.0]] * 3), "FL-854"),
        (Reply(vectors=[[1.0, 0.0], [1.0, 0.0, 0.0]]), "FL-855"),
        (Reply(vectors=[[], []]), "FL-855"),
        (Reply(status=429), "FL-613"),
        (Reply(status=429, code="insufficient_quota"), "FL-615"),
        (Reply(status=500), "FL-614"),
        (Reply(status=401), "FL-616"),
        (Reply(status=400), "FL-852"),
        (Reply(status=404, code="model_not_found"), "FL-852"),
        (Reply(raw=b"<html>"), "FL-609"),
        (Reply(raw=b'{"object": "list"}'), "FL-852"),
        (Reply(raw=b'{"data": null, "model": "x", "usage": null}'), "FL-852"),
        (Reply(cut=0.5), "FL-608"),
    ],
)
def test_what_a_provider_does_wrong_is_an_error(
    server: ProviderServer, embedder: Embedder, reply: Reply, code: str
) -> None:
    server.play([reply, Reply()])
    with pytest.raises(FairleadError) as raised:
        embedder.embed(TEXTS, purpose="document")
    assert (raised.value.code, raised.value.ids) == (code, {"embedder": NAME})
    # One try is one request, and the next call is unharmed.
    assert len(server.asked) == 1
    assert len(embedder.embed(TEXTS, purpose="document")) == 2


def test_a_second_batch_of_another_size_fails_the_call(
    server: ProviderServer, embedder: Embedder
) -> None:
    server.play([Reply(vectors=[[1.0, 0.0]] * 256), Reply(vectors=[[1.0]])])
    with pytest.raises(FairleadError, match="FL-855"):
        embedder.embed(["a"] * 257, purpose="document")


@pytest.mark.parametrize("reply", [Reply(pause_s=30.0), Reply(slice_bytes=1, pause_s=0.2)])
def test_a_provider_that_hangs_is_given_up(
    server: ProviderServer, embedder: Embedder, reply: Reply
) -> None:
    server.play([reply, Reply()])
    # Without the guard, which would leave the request under way.
    hasty = PydanticEmbedder(NAME, timeout_s=0.5)
    began = time.monotonic()
    with pytest.raises(FairleadError, match="FL-853"):
        hasty.embed(TEXTS, purpose="document")
    assert time.monotonic() - began < 5
    assert len(hasty.embed(TEXTS, purpose="document")) == 2
    hasty.close()


def test_a_closed_embedder_keeps_no_connection_and_opens_again(
    server: ProviderServer, embedder: Embedder
) -> None:
    embedder.close()
    for _ in range(2):
        assert len(embedder.embed(TEXTS, purpose="document")) == 2
        embedder.close()
    server.play([Reply(pause_s=30.0)])
    failures: list[FairleadError] = []

    def ask() -> None:
        try:
            embedder.embed(TEXTS, purpose="document")
        except FairleadError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not server.asked:
        time.sleep(0.01)
    embedder.close()
    asking.join(timeout=5)
    assert [error.code for error in failures] == ["FL-852"]


def test_a_damaged_key_is_not_in_the_message(server: ProviderServer, embedder: Embedder) -> None:
    server.play([Reply(status=401, raw=b'{"error": {"message": "bad key key-of-a-test"}}')])
    with pytest.raises(FairleadError) as raised:
        embedder.embed(TEXTS, purpose="document")
    assert "key-of-a-test" not in str(raised.value)
