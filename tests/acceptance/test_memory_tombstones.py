"""What a person took back stays taken back, whatever is said or done after."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fairlead.core.memory import RETENTION_S
from fairlead.ports.clock import SystemClock
from tests.acceptance.support.memory_app import Desk

pytestmark = pytest.mark.acceptance

ABOUT = {"subject": "customer:42", "predicate": "lives"}
WRONG, RIGHT = "the customer lives in Ghent", "the customer lives in Bruges"
BESIDE = "the customer drinks tea"
QUESTION = "where does the customer live?"


def believed(place: Desk) -> set[str]:
    return {item.text for item in place.items() if item.state in ("active", "quarantined")}


@pytest.fixture
def rejected(place: Desk) -> str:
    """The id of what a person took back; something else of the same time stays."""
    made = place.note(WRONG, **ABOUT)["id"]
    place.note(BESIDE, subject="customer:42")
    assert place.settle("retracted", made) == [made]
    return str(made)


def test_it_is_not_laundered_by_another_value_in_between(place: Desk, rejected: str) -> None:
    place.note(RIGHT, **ABOUT)
    for again in (place.note(WRONG, **ABOUT), place.mail(WRONG, **ABOUT)):
        assert (again["id"], again["state"]) == ("", "retracted")
    # Said of the subject without the predicate, or as another kind: it is the same value.
    assert place.note(WRONG, subject="customer:42")["id"] == ""
    assert place.note(WRONG, subject="customer:42", kind="episodic")["id"] == ""
    assert place.item(rejected).state == "retracted"
    assert place.ask(QUESTION)[0] == RIGHT
    assert BESIDE in place.ask("what does the customer drink?")


def test_it_survives_every_expiry(place: Desk, rejected: str) -> None:
    """Aged past all retention: what expires are items, and never the tombstone."""
    place.note("the customer sleeps late", keep=0.01, subject="customer:42")
    store = place.platform.memory
    later = Later(max(RETENTION_S.values()) + timedelta(days=1).total_seconds())
    inner = unwrapped(store)
    was, inner._clock = inner._clock, later
    try:
        assert store.expire() == len([rejected, BESIDE, "the customer sleeps late"])
    finally:
        inner._clock = was
    assert place.items() == []
    place.note(RIGHT, **ABOUT)
    assert place.note(WRONG, **ABOUT)["id"] == ""
    # What was never taken back may be remembered anew.
    assert place.note(BESIDE, subject="customer:42")["id"]
    assert believed(place) == {RIGHT, BESIDE}


class Later:
    """A clock that is late by so many seconds."""

    def __init__(self, by_s: float) -> None:
        import time

        self._now = time.time() + by_s

    def now(self) -> float:
        return self._now

    def id(self) -> str:
        return SystemClock().id()


def unwrapped(store: object) -> object:
    """Return a store without what is around it."""
    while "_clock" not in vars(store):
        (store,) = [one for one in vars(store).values() if hasattr(one, "expire")]
    return store


LOOKALIKES = [
    "The Customer LIVES in ghent",
    "  the customer\tlives \n in   Ghent ",
    "the customer lives in Gh\u0435nt",  # a Cyrillic e
    "the cust\u043emer lives in Ghent",  # a Cyrillic o
    "the customer lives in Gh\u200bent",
    "the customer\u00a0lives in Ghent",
    "\uff54he customer lives in Ghent",
    "the customer lives in Ghent.",
    "the customer lives in G\u00adhent",
]


def test_no_disguise_passes_and_a_paraphrase_does(place: Desk, rejected: str) -> None:
    passed = [text for text in LOOKALIKES if place.note(text, **ABOUT)["id"]]
    assert passed == []
    assert place.item(rejected).state == "retracted"
    # Where the line is: other words for the same are another value.
    assert place.note("the customer's home is the city of Ghent", subject="customer:42")["id"]
    assert place.ask("where is the customer's home?") != []
    assert place.note(WRONG, subject="customer:43")["id"]


def test_an_extraction_does_not_bring_it_back_nor_make_a_second_item(
    place: Desk, rejected: str
) -> None:
    """The write is refused: nothing new is there, and the rejected item is as it was."""
    before = {item.id for item in place.items()}
    item = place.item(rejected)
    (place.folder / "mails" / "new.txt").write_text(f"{WRONG}\nthe customer owns a boat")
    refused, made = place.run("extract", {"mail": "new.txt"})
    assert (refused["id"], refused["state"]) == ("", "retracted")
    assert place.item(made["id"]).text == "the customer owns a boat"
    fresh = [one for one in place.items() if one.id not in before]
    # The raw mail is kept as it came; what is believed of it is the other line.
    assert {one.kind for one in fresh if WRONG in one.text} == {"episodic"}
    assert [one.text for one in fresh if one.kind == "semantic"] == ["the customer owns a boat"]
    assert place.item(rejected) == item
    assert BESIDE in place.ask("what does the customer drink?")


def test_a_retraction_needs_no_newer_fact(place: Desk) -> None:
    """The customer misspoke, and says nothing instead."""
    sister = place.note("the customer has a sister", subject="customer:42")["id"]
    place.note("the customer has a brother", subject="customer:42")
    assert place.run("change", {"forget": [sister]}) == [sister]
    (place.folder / "mails" / "again.txt").write_text("the customer has a sister\nso it rains")
    place.run("extract", {"mail": "again.txt"})
    place.reindex()
    said = place.ask("has the customer a sister or a brother?", kinds=["semantic"])
    assert said[0] == "the customer has a brother"
    assert not [text for text in said if "sister" in text]
    assert place.ask("does it rain?", kinds=["semantic"])[0] == "so it rains"
