"""Writes events for an auditor, with what proves them; checks such a file without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache

from fairlead.core.audit import Anchor, Checkpoint, Finding, checkpoint_from_json
from fairlead.core.audit_export import (
    VERSION,
    ChainOfExport,
    Teller,
    event_from_json,
    event_line,
    proof_line,
)
from fairlead.core.digests import NESTED_MAX, Json, canonical_json, read_canonical
from fairlead.ports.audit import AuditStore, AuditView, ExportScope, Signer, Verifier
from fairlead.runtime.verify import Tally, unsigned

LINE_CHARS_MAX = 10_000_000
"""Most characters of one line of an export."""

_PURPOSE = b"fairlead export 1\n"
_TREES_MAX = 16


@dataclass(kw_only=True)
class Exporter:
    """Writes one export.

    Attributes:
        store: Where the events are.
        signer: Signs the whole.
        write: Takes one line.
        tally: What was written so far.
    """

    store: AuditStore
    signer: Signer
    write: Callable[[str], object]
    tally: Tally = field(default_factory=Tally)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def export(self, wanted: ExportScope) -> None:
        """Write all chains that are wanted, each from its first event.

        Args:
            wanted: Which.
        """
        self._line({"export": {"version": VERSION, **asdict(wanted)}})
        teller, written = Teller(), set[int]()
        with self.store.view() as view:
            leaves = lru_cache(_TREES_MAX)(lambda number: _leaves(view, number))
            for chain, rows in view.chains(wanted):
                self.tally.chains += 1
                anchor: Anchor | None = None
                for event, anchored in rows:
                    anchor = anchored or anchor
                    self._line(event_line(event, teller.tell(event)))
                    self.tally.events += 1
                if anchor is None:
                    self._line(proof_line(chain, None, ()))
                    continue
                self.tally.covered += anchor.head.sequence
                if anchor.checkpoint not in written:
                    written.add(anchor.checkpoint)
                    for checkpoint in self.store.after(anchor.checkpoint - 1, 1):
                        self._line({"checkpoint": asdict(checkpoint)})
                self._line(proof_line(chain, anchor, leaves(anchor.checkpoint)))
        self.tally.checkpoints = len(written)
        digest = self._digest.hexdigest()
        signature = self.signer.sign(_PURPOSE + digest.encode())
        end = {"chains": self.tally.chains, "events": self.tally.events, "digest": digest}
        self._line({"end": {**end, "key": self.signer.key, "signature": signature}})

    def _line(self, data: Json) -> None:
        line = f"{canonical_json(data)}\n"
        self._digest.update(line.encode())
        self.write(line)


def _leaves(view: AuditView, number: int) -> list[bytes]:
    return [head.leaf for _, head in view.heads(number)]


@dataclass(kw_only=True)
class ExportReader:
    """Checks one export; it holds one chain in memory at a time.

    Attributes:
        verifier: Has the public keys.
        tally: What was read so far.
    """

    verifier: Verifier
    tally: Tally = field(default_factory=Tally)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    _chain: ChainOfExport = field(default_factory=ChainOfExport)
    _teller: Teller = field(default_factory=Teller)
    _ended: bool = False

    def findings(self, lines: Iterable[str]) -> Iterator[Finding]:
        """Yield what does not hold.

        Args:
            lines: The file's lines, each with its end.
        """
        for number, line in enumerate(lines, 1):
            if self._ended:
                yield Finding(what=f"line {number} stands below the end of the export")
                return
            before = self._digest.hexdigest()
            self._digest.update(line.encode(errors="replace"))
            try:
                # An event's facts stand three levels below the line.
                data = read_canonical(line.removesuffix("\n"), nested=NESTED_MAX + 3)
                if not isinstance(data, dict):
                    raise ValueError("it is no object")
                yield from self._line(data, number, before)
            except (ValueError, TypeError, OverflowError) as error:
                yield Finding(what=f"line {number} is no line of an export: {error}")
        if not self._ended:
            yield Finding(what="the export has no end: lines were cut off")

    def _line(self, data: dict[str, Json], number: int, before: str) -> Iterator[Finding]:
        if (number == 1) != ("export" in data):
            yield Finding(what=f"line {number} is not what stands there in an export")
        elif "event" in data:
            event = event_from_json(data["event"])
            self._chain.events.append(event)
            self.tally.events += 1
            if data != event_line(event, self._teller.tell(event)):
                what = f"line {number} says of event {event.sequence} of {event.chain} what the"
                yield Finding(
                    what=f"{what} events before it do not",
                    chain=event.chain,
                    sequence=event.sequence,
                )
        elif "checkpoint" in data:
            checkpoint = checkpoint_from_json(data["checkpoint"])
            yield from unsigned(self.verifier, checkpoint)
            self._checkpoints[checkpoint.number] = checkpoint
            self.tally.checkpoints += 1
        elif "proof" in data:
            yield from self._chain.findings(data["proof"], self._checkpoints)
            self.tally.chains += 1
            self.tally.covered += self._chain.covered
            self._chain = ChainOfExport()
        elif "end" in data:
            self._ended = True
            yield from self._end(data["end"], before)
        elif "export" not in data:
            yield Finding(what=f"line {number} is no line of an export")

    def _end(self, end: Json, before: str) -> Iterator[Finding]:
        if not isinstance(end, dict):
            raise ValueError("its end is no object")
        counted = (end.get("chains"), end.get("events"))
        if end.get("digest") != before or counted != (self.tally.chains, self.tally.events):
            yield Finding(what="lines of the export were changed, added or removed")
        key, signature = str(end.get("key")), str(end.get("signature"))
        message = _PURPOSE + str(end.get("digest")).encode()
        if not self.verifier.verifies(key, message, signature):
            yield Finding(what="the export is not signed with a key that is trusted")
        if self._chain.events:
            yield Finding(what="the last chain of the export has no proof")
