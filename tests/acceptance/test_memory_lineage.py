"""Memory in a fork, in a family of runs and in a conversation."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.operations import Order
from tests.acceptance.support.memory_app import Desk

pytestmark = pytest.mark.acceptance

TEXTS = ["the customer pays by card", "the customer lives in Ghent", "the customer drinks tea"]


@pytest.mark.parametrize("before", [1, 2, 4])
def test_invariant_02_a_fork_remembers_nothing_twice(place: Desk, before: int) -> None:
    """Its calls have the keys of its lineage: what is known under one is not done again."""
    made = place.run("learn", {"texts": TEXTS})
    (summary,) = place.derived()
    (origin,) = place.platform.runs.list(workflow="learn")
    order = Order(by="ann", reason="what if")
    fork = place.platform.control.fork(origin.id, before, order)
    ended = asyncio.run(place.platform.admission.wait(fork.id, 30))
    assert (ended.state, ended.outcome["answer"]) == ("succeeded", made)
    while place.platform.runs.list(state="queued") or place.platform.runs.list(state="running"):
        asyncio.run(asyncio.sleep(0.02))
    assert [item.id for item in place.items()] == [*made, summary.id]
    assert {item.provenance.run_id for item in place.items() if item.id in made} == {origin.id}


def test_a_family_shares_its_working_memory_and_nobody_else_has_it(place: Desk) -> None:
    found = place.run("family", {"text": "the parcel is on its way"})
    texts = {"the parcel is on its way", "from a child: the parcel is on its way"}
    assert {one["text"] for one in found} == texts
    assert place.ask("the parcel is on its way", kinds=["working"]) == []
    root, _, _ = sorted(place.platform.runs.list(), key=lambda run: run.id)[:3]
    assert {item.audience for item in place.items()} == {f"run:{root.id}"}


def test_invariant_05_what_a_turn_recalled_counts_in_the_next_one(place: Desk) -> None:
    place.mail("the customer pays in gold")
    unknown = {"question": "zzz", "to": "C-1"}
    place.outcome("ask", {"question": "how does the customer pay?"}, conversation="c1")
    ended = place.outcome("act", unknown, conversation="c1")
    assert (ended.state, "outsiders-pay-nobody" in ended.reason) == ("denied", True)
    # A conversation that has recalled nothing of the kind goes on.
    place.outcome("ask", {"question": "zzz"}, conversation="c2")
    assert place.outcome("act", unknown, conversation="c2").state == "succeeded"
