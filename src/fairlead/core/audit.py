"""Checkpoints: the heads of all chains, anchored together and signed.

A chain proves that nothing in it was changed. It cannot prove that its newest events, or the whole
chain, were not taken away. A checkpoint names the head of every chain that grew since the
checkpoint before, by the root of a Merkle tree; it names the checkpoint before as well, and is
signed. So whoever knows one checkpoint knows all that was on record when it was made.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fairlead.core.digests import Json, canonical_json, digest
from fairlead.core.event import GENESIS, Event, verify_chain

LATE_S = 300.0
"""So much older than the checkpoint before it an event may be when a checkpoint first covers it: a
transaction may take a while, and clocks differ a little. What is older was put in afterwards."""

HEADS_MAX = 10_000
"""Most heads of one checkpoint; when there are more, the next one follows at once."""

NUMBER_MAX = 2**31 - 1
"""Largest number of a checkpoint that the databases keep; at one a second it takes 68 years."""

_PURPOSE = b"fairlead checkpoint 1\n"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest event of a chain when a checkpoint was made.

    Attributes:
        chain: The chain.
        sequence: The event's position.
        hash: The event's hash.
    """

    chain: str
    sequence: int
    hash: str

    @property
    def leaf(self) -> bytes:
        """What stands for it in the tree."""
        text = canonical_json([self.chain, self.sequence, self.hash])
        return hashlib.sha256(b"\x00" + text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What the log held at a time, signed.

    Attributes:
        number: Its place among the checkpoints, from 1.
        time: When it was made by the database's clock, in seconds since 1970, UTC.
        since: Chains with an event that is not older than this were looked at.
        whole: Whether all of their heads are in it; False when there was no room.
        heads: How many heads it has.
        root: Root of the tree over its heads, in 64 hex digits.
        chains: How many chains are covered by it and all before it.
        events: How many events are covered by it and all before it.
        previous: Digest of the checkpoint before it, or GENESIS.
        key: Which key it is signed with.
        signature: By that key, over all of the above.
    """

    number: int
    time: float
    since: float
    whole: bool
    heads: int
    root: str
    chains: int
    events: int
    previous: str
    key: str
    signature: str = ""

    @property
    def message(self) -> bytes:
        """What is signed."""
        body = asdict(self)
        del body["signature"]
        return _PURPOSE + canonical_json(body).encode()

    @property
    def digest(self) -> str:
        """Its name: the next checkpoint bears it."""
        return digest(asdict(self))

    @property
    def horizon(self) -> float:
        """Older than this no event can be that it does not cover; seconds since 1970, UTC."""
        return self.time - LATE_S if self.whole else self.since


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A head in its place.

    Attributes:
        head: The head.
        checkpoint: Number of the checkpoint that has it.
        position: Its place among the heads of that checkpoint, from 0.
        since: What that checkpoint says of the oldest event that it may cover first; None when
            there is no such checkpoint.
    """

    head: Head
    checkpoint: int
    position: int
    since: float | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that does not hold.

    Attributes:
        what: In words.
        chain: In which chain; empty when it is none's.
        sequence: At which event; 0 when it is none's.
        checkpoint: At which checkpoint; 0 when it is none's.
    """

    what: str
    chain: str = ""
    sequence: int = 0
    checkpoint: int = 0


def checkpoint_json(checkpoint: Checkpoint) -> str:
    """Return a checkpoint as one line of JSON."""
    return canonical_json(asdict(checkpoint))


def checkpoint_from_json(data: Json) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ValueError: It is none.
    """
    kinds: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
    names = {item.name: kinds[str(item.type)] for item in fields(Checkpoint)}
    if not isinstance(data, dict) or data.keys() != names.keys():
        raise ValueError("it is no checkpoint")
    for name, kind in names.items():
        value = data[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{name} of a checkpoint is not {value!r}")
    if not 1 <= data["number"] <= NUMBER_MAX:
        raise ValueError(f"number of a checkpoint is not {data['number']}")
    return Checkpoint(**data)


def horizon_after(before: Checkpoint | None) -> float:
    """Return from which time on the next checkpoint must look at events."""
    return 0.0 if before is None else before.horizon


def follows(before: Checkpoint | None, checkpoint: Checkpoint) -> str | None:
    """Check that a checkpoint goes on where the one before it ended.

    Args:
        before: The checkpoint before it; None when it must be the first one.
        checkpoint: The checkpoint.

    Returns:
        What is wrong; None when nothing is.
    """
    number = 1 if before is None else before.number + 1
    if checkpoint.number != number:
        return f"checkpoint {number} is missing"
    if checkpoint.previous != (GENESIS if before is None else before.digest):
        return f"checkpoint {number} does not follow the one before it"
    if before is not None and checkpoint.time < before.time:
        return f"checkpoint {number} is older than the one before it"
    if checkpoint.since != horizon_after(before):
        return f"checkpoint {number} did not look at all events since the one before it"
    return None


@dataclass
class Tree:
    """The Merkle tree of RFC 6962 over leaves that come one by one, in the space of its height.

    Attributes:
        size: How many leaves it has.
    """

    size: int = 0
    _peaks: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Add the next leaf."""
        self.size += 1
        width = 1
        while self._peaks and self._peaks[-1][0] == width:
            leaf = _node(self._peaks.pop()[1], leaf)
            width *= 2
        self._peaks.append((width, leaf))

    @property
    def root(self) -> str:
        """Its root, in 64 hex digits."""
        if not self._peaks:
            return hashlib.sha256(b"").hexdigest()
        found = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            found = _node(peak, found)
        return found.hex()


def path_of(leaves: Sequence[bytes], position: int) -> list[str]:
    """Return what proves that a leaf is in a tree, from the leaf upwards.

    Args:
        leaves: All leaves.
        position: The leaf, from 0.
    """
    if len(leaves) <= 1:
        return []
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if position < split:
        return [*path_of(left, position), _root(right)]
    return [*path_of(right, position - split), _root(left)]


def root_by_path(leaf: bytes, position: int, size: int, path: Sequence[str]) -> str | None:
    """Return the root of a tree that has a leaf in a place.

    Args:
        leaf: The leaf.
        position: Its place, from 0.
        size: How many leaves the tree has.
        path: What `path_of` returned.

    Returns:
        The root, in 64 hex digits; None when no tree of this size has such a path.
    """
    turns: list[bool] = []
    low, high = 0, size
    if not 0 <= position < size:
        return None
    while high - low > 1:
        middle = low + _split(high - low)
        turns.append(position >= middle)
        low, high = (middle, high) if position >= middle else (low, middle)
    if len(turns) != len(path):
        return None
    found = leaf
    for is_right, other in zip(reversed(turns), path, strict=True):
        try:
            sibling = bytes.fromhex(other)
        except ValueError:
            return None
        found = _node(sibling, found) if is_right else _node(found, sibling)
    return found.hex()


def same(one: str, other: str) -> bool:
    """Whether two digests are the same."""
    return hmac.compare_digest(one.encode(), other.encode())


def chain_findings(
    rows: Iterable[tuple[Event, Anchor | None]], horizon: float
) -> Iterator[Finding]:
    """Check one chain: its hashes, and its events against the heads that were signed.

    Args:
        rows: Its events in order, each with its place in a checkpoint when it was a head.
        horizon: Of the newest checkpoint: older events must be covered by one.
    """
    anchors: list[Finding] = []
    last: Event | None = None
    oldest: Event | None = None

    def events() -> Iterator[Event]:
        nonlocal last, oldest
        for event, anchor in rows:
            last = event
            if oldest is None or event.time < oldest.time:
                oldest = event
            if anchor is not None:
                anchors.extend(_anchor_findings(event, anchor, oldest))
                oldest = None
            yield event

    broken = verify_chain(events())
    if broken is not None and last is not None:
        yield Finding(what=broken, chain=last.chain, sequence=last.sequence)
    yield from anchors
    if broken is None and oldest is not None and oldest.time < horizon:
        what = f"event {oldest.sequence} of {oldest.chain} is older than the newest checkpoint"
        yield Finding(
            what=f"{what}, and no checkpoint has it", chain=oldest.chain, sequence=oldest.sequence
        )


def _anchor_findings(event: Event, anchor: Anchor, oldest: Event) -> Iterator[Finding]:
    number, chain = anchor.checkpoint, event.chain
    if not same(event.hash, anchor.head.hash):
        what = f"event {event.sequence} of {chain} is not the one that checkpoint {number} names"
        yield Finding(what=what, chain=chain, sequence=event.sequence, checkpoint=number)
    if anchor.since is None:
        what = f"checkpoint {number}, which has event {event.sequence} of {chain}, is gone"
        yield Finding(what=what, chain=chain, sequence=event.sequence, checkpoint=number)
    elif oldest.time < anchor.since:
        what = f"event {oldest.sequence} of {chain} is older than the checkpoint before number"
        what = f"{what} {number}, which is the first that has it"
        yield Finding(what=what, chain=chain, sequence=oldest.sequence, checkpoint=number)


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(leaves: Iterable[bytes]) -> str:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
