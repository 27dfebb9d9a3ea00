"""Corrections hold: recall says what is so now, and what was said before stays on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fairlead.ports.memory import Roots
from tests.acceptance.support.memory_app import Desk

pytestmark = pytest.mark.acceptance

PAYS = {"subject": "customer:42", "predicate": "pays"}


def test_a_value_is_replaced(place: Desk) -> None:
    first = place.note("the customer pays by card", **PAYS)
    second = place.note("the customer pays by transfer", **PAYS)
    assert second["superseded"] == first["id"]
    place.reindex()
    assert place.ask("how does the customer pay?") == ["the customer pays by transfer"]
    assert place.run("change", {"history": "customer:42"}) == [
        ["the customer pays by card", "superseded"],
        ["the customer pays by transfer", "active"],
    ]


def test_a_value_turns_into_its_opposite(place: Desk) -> None:
    likes = {"subject": "customer:42", "predicate": "likes mail"}
    first = place.note("the customer wants mail", **likes)["id"]
    after = place.run("change", {"supersede": first, "text": "the customer wants no mail"})
    assert after["superseded"] == first
    place.reindex()
    assert place.ask("does the customer want mail?") == ["the customer wants no mail"]
    assert place.item(first).state == "superseded"


def test_a_value_is_taken_back(place: Desk) -> None:
    first = place.note("the customer has a dog", subject="customer:42")["id"]
    place.note("the customer has a cat", subject="customer:42")
    place.run("change", {"forget": [first]})
    place.reindex()
    assert place.ask("which animal has the customer?") == ["the customer has a cat"]
    assert ["the customer has a dog", "forgotten"] in place.run(
        "change", {"history": "customer:42"}
    )


def test_a_part_is_replaced_and_the_rest_stays(place: Desk) -> None:
    place.note("the customer lives in Ghent", subject="customer:42", predicate="lives")
    place.note("the customer pays by card", **PAYS)
    place.note("the customer pays by transfer", **PAYS)
    place.reindex()
    said = place.ask("how does the customer pay and where does the customer live?", top_k=10)
    assert set(said) == {"the customer pays by transfer", "the customer lives in Ghent"}


def test_a_value_holds_for_a_time(place: Desk) -> None:
    now = datetime.now(tz=UTC)
    ended, began = now - timedelta(days=10), now - timedelta(days=40)
    place.note(
        "the customer is on holiday",
        subject="customer:42",
        valid_from=began.isoformat(),
        valid_to=ended.isoformat(),
    )
    place.note("the customer is at work", subject="customer:42", valid_from=ended.isoformat())
    place.reindex()
    assert place.ask("is the customer at work or on holiday?") == ["the customer is at work"]
    then = (now - timedelta(days=20)).isoformat()
    assert place.ask("is the customer at work or on holiday?", valid_at=then) == [
        "the customer is on holiday"
    ]


def test_what_was_made_of_a_corrected_value_is_known_by_it(place: Desk) -> None:
    """A derived item agrees with its source, or is found by it and taken back with it."""
    first = place.note("the customer pays by card", **PAYS)["id"]
    summary = place.note("in short: card", subject="customer:42", derived_from=[first])["id"]
    place.run("change", {"supersede": first, "text": "the customer pays by transfer"})
    reach = place.platform.memory.reach(place.reader(), Roots(ids=(first,)))
    assert set(reach.items) == {first, summary}
    place.settle("retracted", summary)
    assert place.ask("in short: card?") == []
