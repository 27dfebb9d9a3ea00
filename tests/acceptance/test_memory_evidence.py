"""What is believed rests on something that is kept: it is found, and goes when that goes."""

from __future__ import annotations

import pytest

from fairlead.core.memory import Reader
from fairlead.core.prompting import parse
from fairlead.ports.memory import Roots
from tests.acceptance.support.memory_app import Desk

pytestmark = pytest.mark.acceptance

READER = Reader(tenant="a", app="memory")
MAIL = "the customer pays in gold\nthe customer lives in Ghent\nthe customer owns a xq7zk4-boat"


def sources(place: Desk, id: str) -> set[str]:
    """Follow an item back to what it was made of."""
    item = place.item(id)
    if not item.provenance.derived_from:
        return {id}
    return {one for parent in item.provenance.derived_from for one in sources(place, parent)}


def heard(place: Desk) -> tuple[str, ...]:
    """Return the ids of the items that stand in the model's prompts."""
    found = []
    for line in (place.folder / "prompts.txt").read_text().splitlines():
        _, said = eval(line)
        for text in said:
            _, given = parse(text) or ("", ())
            found += [source.passage.document for source in given]
    return tuple(found)


def extract(place: Desk, text: str, name: str = "mail.txt") -> list[str]:
    (place.folder / "mails" / name).write_text(text)
    return [one["id"] for one in place.run("extract", {"mail": name})]


def test_every_claim_that_reaches_a_prompt_resolves_to_its_source(place: Desk) -> None:
    extract(place, MAIL)
    place.run("learn", {"texts": ["the customer drinks tea", "the customer sings"]})
    place.derived()
    for question in ("what does the customer own?", "in short, what of the customer?"):
        place.outcome("hear", question)
    claims = heard(place)
    assert len(claims) >= 2
    for claim in claims:
        for source in sources(place, claim):
            item = place.item(source)
            assert item.provenance.run_id
            assert item.provenance.source in ("tool:read_mail", "user:ann")
            assert place.platform.runs.get(item.provenance.run_id).state == "succeeded"
    assert any(sources(place, claim) != {claim} for claim in claims)


def test_what_a_source_is_taken_back_for_reaches_all_that_was_made_of_it(place: Desk) -> None:
    facts = extract(place, MAIL)
    others = extract(place, "the supplier sits in Bruges", "other.txt")
    (raw,) = {one for fact in facts for one in sources(place, fact)}
    reach = place.platform.memory.reach(READER, Roots(ids=(raw,)))
    assert set(reach.items) == {raw, *facts}
    readers = place.ask("what does the customer own?")
    assert readers
    assert len(place.platform.memory.reach(READER, Roots(ids=(raw,))).readers) == 1
    assert set(place.settle("retracted", *reach.items)) == {raw, *facts}
    # Each kind of what was derived: the raw event, the facts, and what is recalled.
    assert {place.item(one).state for one in (raw, *facts)} == {"retracted"}
    said = place.ask("what does the customer own, pay or live in?", top_k=10)
    assert not [text for text in said if "customer" in text]
    # What comes of another source stays.
    assert {place.item(one).state for one in others} == {"quarantined"}
    assert place.ask("where does the supplier sit?") == ["the supplier sits in Bruges"] * 2
    # Nor is it made anew of what was taken back.
    ended = place.outcome("note", {"text": "in short: gold", "derived_from": [facts[0]]})
    assert (ended.state, ended.code) == ("failed", "FL-802")


def test_what_is_found_is_found_again_when_the_index_is_made_anew(place: Desk) -> None:
    tokens = [f"zq{number}xv{number * 37}k" for number in range(5)]
    for token in tokens:
        place.note(f"the boat has the registration {token}")
    before = place.run("ask", {"question": "which registration has the boat?", "top_k": 10})
    place.reindex()
    assert place.run("ask", {"question": "which registration has the boat?", "top_k": 10}) == before
    for token in tokens:
        assert any(token in text for text in place.ask(f"registration {token}"))
    place.outcome("hear", f"registration {tokens[3]}")
    assert tokens[3] in (place.folder / "prompts.txt").read_text()
