"""A release changes its embedding model: recall meanwhile, and embedding anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.core.errors import FairleadError
from fairlead.core.memory import MEMORY_KINDS, MemoryQuery
from fairlead.operations import (
    create_release,
    embed_memory,
    load_settings,
    open_platform,
    search_memory,
)
from fairlead.operations import memory_embedding as verb
from fairlead.testing import ProviderServer, Reply
from tests.acceptance.support.memory_app import Desk, desk
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

SMALL, LARGE = "openai:text-embedding-3-small", "openai:text-embedding-3-large"
CARD = "the customer pays by card"


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as made:
        yield made


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server: ProviderServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    """An app whose memory is embedded by a provider."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.play([Reply()])
    toml = f'[memory]\nembedder = "{SMALL}"\n'
    with (
        address(request.param, request, tmp_path) as url,
        desk(tmp_path / "app", url, toml=toml) as made,
    ):
        yield made


def change_model(place: Desk, model: str) -> None:
    """Activate a release that names another model."""
    file = place.folder / "fairlead.toml"
    text = file.read_text()
    (line,) = (one for one in text.splitlines() if one.startswith("embedder"))
    file.write_text(text.replace(line, f'embedder = "{model}"'))
    with open_platform(load_settings(place.folder)) as other:
        release, _ = create_release(other)
        other.releases.activate(release.digest, by="test", override="for the test")


def embedders(place: Desk) -> set[str]:
    """Return by which models a tenant's items are embedded."""
    return {one.embedder for one in place.items()}


def parts(place: Desk, question: str) -> list[tuple[str, bool]]:
    """Return what an operator finds, each with whether a vector spoke for it."""
    asked = MemoryQuery(text=question, kinds=MEMORY_KINDS)
    found = search_memory(place.platform, asked, tenant="a").items
    return [(one.item.text, "similarity" in one.parts) for one in found]


@pytest.mark.both
def test_a_release_with_another_model_embeds_anew(
    place: Desk, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "BATCH_ITEMS", 2)
    texts = [CARD, *(f"parcel {number} is late" for number in range(4))]
    for text in texts:
        place.note(text)
    assert embedders(place) == {SMALL}
    assert parts(place, "the card of the customer") == [(CARD, True)]
    change_model(place, LARGE)
    # Meanwhile it is found by its words: vectors of two models are never compared.
    assert parts(place, "the card of the customer") == [(CARD, False)]
    told: list[int] = []
    server.play([Reply()])
    first = embed_memory(place.platform, "ada", tenant="a", most=3, tell=told.append)
    assert (first.items, first.left, told) == (3, True, [2, 3])
    assert {one.model for one in server.asked} == {"text-embedding-3-large"}
    assert [len(one.body["input"]) for one in server.asked] == [2, 1]
    assert embedders(place) == {SMALL, LARGE}
    # A model that fails costs its own batch alone, and the order goes on when it is given again.
    server.play([Reply(status=400)])
    with pytest.raises(FairleadError, match="FL-852"):
        embed_memory(place.platform, "ada", tenant="a")
    assert [one.embedder for one in place.items()].count(LARGE) == 3
    server.play([Reply()])
    rest = embed_memory(place.platform, "ada", tenant="a")
    assert (rest.items, rest.left, rest.embedder) == (2, False, LARGE)
    assert embedders(place) == {LARGE}
    assert parts(place, "the card of the customer") == [(CARD, True)]
    # With nothing left it asks nobody and records nothing.
    server.play([Reply()])
    assert embed_memory(place.platform, "ada", tenant="a").items == 0
    assert server.asked == []
    made = place.platform.events.list(chain="memory:a")
    assert [one.data for one in made if one.type == "memory.embedded"] == [
        {"by": "ada", "embedder": LARGE, "items": items} for items in (2, 1, 2)
    ]


def test_a_release_without_a_model_embeds_nothing(place: Desk) -> None:
    place.note(CARD)
    change_model(place, "none")
    with pytest.raises(FairleadError, match="FL-859"):
        embed_memory(place.platform, "ada", tenant="a")
    # Its vectors are passed over, and it is found by its words.
    assert parts(place, "the card of the customer") == [(CARD, False)]
    assert embedders(place) == {SMALL}
