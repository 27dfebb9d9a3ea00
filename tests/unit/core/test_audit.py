"""Checkpoints: the tree over heads, how checkpoints follow each other, and chains held to them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.audit import (
    LATE_S,
    Anchor,
    Checkpoint,
    Head,
    Tree,
    chain_findings,
    checkpoint_from_json,
    checkpoint_json,
    follows,
    path_of,
    root_by_path,
)
from fairlead.core.event import GENESIS, Event, Fact, seal

leaves = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def root_of(items: list[bytes]) -> bytes:
    """The tree as RFC 6962 defines it."""
    if len(items) == 1:
        return items[0]
    split = 1
    while split * 2 < len(items):
        split *= 2
    return hashlib.sha256(b"\x01" + root_of(items[:split]) + root_of(items[split:])).digest()


def tree_of(items: list[bytes]) -> Tree:
    tree = Tree()
    for item in items:
        tree.add(item)
    return tree


@given(leaves)
def test_leaves_that_come_one_by_one_give_the_tree_of_the_rfc(items: list[bytes]) -> None:
    tree = tree_of(items)
    assert (tree.root, tree.size) == (root_of(items).hex(), len(items))


def test_a_tree_of_nothing_has_a_root() -> None:
    assert Tree().root == hashlib.sha256(b"").hexdigest()


@given(leaves, st.data())
def test_every_leaf_is_proven_in_its_place_and_no_other_one_is(
    items: list[bytes], data: st.DataObject
) -> None:
    root = tree_of(items).root
    for place, leaf in enumerate(items):
        path = path_of(items, place)
        assert root_by_path(leaf, place, len(items), path) == root
        other = bytes([leaf[0] ^ 1]) + leaf[1:]
        assert root_by_path(other, place, len(items), path) != root
        for step in range(len(path)):
            bent = [*path[:step], "00" * 32, *path[step + 1 :]]
            assert bent == path or root_by_path(leaf, place, len(items), bent) != root
        assert root_by_path(leaf, place, len(items), [*path, "00" * 32]) is None
    assert root_by_path(items[0], len(items), len(items), []) is None
    if len(items) > 1:
        wrong = data.draw(st.sampled_from(["x" * 64, "0", ""]))
        path = [wrong, *path_of(items, 0)[1:]]
        assert root_by_path(items[0], 0, len(items), path) in (
            None,
            root_by_path(items[0], 0, len(items), path),
        )
        assert root_by_path(items[0], 0, len(items), path) != root


@given(leaves, leaves)
def test_other_leaves_give_another_root(some: list[bytes], others: list[bytes]) -> None:
    assert (tree_of(some).root == tree_of(others).root) == (some == others)


CHECKPOINT = Checkpoint(
    number=1,
    time=1000.0,
    since=0.0,
    whole=True,
    heads=1,
    root="r",
    chains=1,
    events=1,
    previous=GENESIS,
    key="k",
    signature="s",
)
NEXT = replace(CHECKPOINT, number=2, time=2000.0, since=700.0, previous=CHECKPOINT.digest)


def test_checkpoints_follow_each_other() -> None:
    assert follows(None, CHECKPOINT) is None
    assert follows(CHECKPOINT, NEXT) is None
    assert (CHECKPOINT.horizon, LATE_S) == (700.0, 300.0)
    # One that had no room for all heads leaves its successor to look as far back as it did.
    partial = replace(CHECKPOINT, whole=False)
    assert follows(partial, replace(NEXT, since=0.0, previous=partial.digest)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": 3}, "is missing"),
        ({"previous": GENESIS}, "does not follow"),
        ({"time": 999.0}, "is older"),
        ({"since": 701.0}, "did not look"),
    ],
)
def test_a_checkpoint_that_does_not_follow_is_found(change: dict[str, Any], said: str) -> None:
    assert said in str(follows(CHECKPOINT, replace(NEXT, **change)))


@pytest.mark.parametrize("name", [name for name in asdict(CHECKPOINT) if name != "signature"])
def test_all_of_a_checkpoint_but_its_signature_is_signed_and_all_of_it_named(name: str) -> None:
    value = getattr(CHECKPOINT, name)
    other: Any = replace(CHECKPOINT, **{name: f"{value}x" if isinstance(value, str) else not value})
    assert other.message != CHECKPOINT.message
    assert other.digest != CHECKPOINT.digest
    signed = replace(CHECKPOINT, signature="t")
    assert (signed.message, signed.digest == CHECKPOINT.digest) == (CHECKPOINT.message, False)


def test_a_checkpoint_goes_through_json() -> None:
    assert checkpoint_from_json(json.loads(checkpoint_json(NEXT))) == NEXT


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {**asdict(NEXT), "more": 1},
        {**asdict(NEXT), "number": "2"},
        {**asdict(NEXT), "number": True},
        {**asdict(NEXT), "whole": 1},
        {**asdict(NEXT), "root": None},
    ],
)
def test_what_is_no_checkpoint_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        checkpoint_from_json(data)


def chain(*times: float) -> list[Event]:
    """Return a chain with an event at each time."""
    found: list[Event] = []
    for number, time in enumerate(times, 1):
        previous = found[-1].hash if found else GENESIS
        fact = Fact(chain="run:r", type="run.started", data={"n": number})
        found.append(seal(fact, sequence=number, id=f"e{number}", time=time, previous=previous))
    return found


def placed(events: list[Event], **since: float) -> list[tuple[Event, Anchor | None]]:
    """Return a chain whose events stand in checkpoints that looked back to the given times."""

    def anchor(event: Event) -> Anchor | None:
        if event.id not in since:
            return None
        head = Head(chain=event.chain, sequence=event.sequence, hash=event.hash)
        return Anchor(head=head, checkpoint=7, position=0, since=since[event.id])

    return [(event, anchor(event)) for event in events]


def said(rows: list[tuple[Event, Anchor | None]], horizon: float) -> list[str]:
    return [finding.what for finding in chain_findings(rows, horizon)]


def test_a_chain_that_is_covered_holds() -> None:
    rows = placed(chain(10.0, 20.0, 30.0, 40.0), e2=5.0, e3=25.0)
    assert said(rows, 39.0) == []
    assert said(rows, 41.0) == [
        "event 4 of run:r is older than the newest checkpoint, and no checkpoint has it"
    ]


def test_an_event_that_is_older_than_the_checkpoint_before_its_own_was_put_in() -> None:
    rows = placed(chain(10.0, 20.0, 11.0, 40.0), e2=5.0, e4=25.0)
    (finding,) = chain_findings(rows, 0.0)
    assert (finding.sequence, finding.checkpoint) == (3, 7)
    assert "is older than the checkpoint before number 7" in finding.what


def test_a_head_that_was_signed_with_another_hash_is_found() -> None:
    (first, anchor), *rest = placed(chain(10.0, 20.0), e1=0.0)
    assert anchor is not None
    head = replace(anchor.head, hash="other")
    (finding,) = chain_findings([(first, replace(anchor, head=head)), *rest], 0.0)
    assert (finding.chain, finding.sequence, finding.checkpoint) == ("run:r", 1, 7)
    gone = [(first, replace(anchor, since=None)), *rest]
    assert said(gone, 0.0) == ["checkpoint 7, which has event 1 of run:r, is gone"]


@given(st.integers(1, 6), st.integers(0, 5))
def test_a_broken_chain_names_where(length: int, at: int) -> None:
    events = chain(*[float(n) for n in range(length)])
    place = at % length
    events[place] = replace(events[place], data={"n": "other"})
    (finding,) = chain_findings(placed(events), float("-inf"))
    assert finding.sequence == place + 1
