"""Checks the event log against its checkpoints, and those against their signatures and copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fairlead.core.audit import (
    Anchor,
    Checkpoint,
    Finding,
    Tree,
    chain_findings,
    follows,
    same,
)
from fairlead.core.event import Event
from fairlead.ports.audit import AuditStore, AuditView, CheckpointFile, Line, Verifier


@dataclass(kw_only=True)
class Tally:
    """What was looked at.

    Attributes:
        chains: Chains.
        events: Events.
        checkpoints: Checkpoints of the database.
        copied: Checkpoints of the file.
        covered: Events that the checkpoints cover.
        newest: When the newest checkpoint was made, in seconds since 1970, UTC; None without one.
    """

    chains: int = 0
    events: int = 0
    checkpoints: int = 0
    copied: int = 0
    covered: int = 0
    newest: float | None = None


@dataclass(kw_only=True)
class Examination:
    """One look through everything; it holds a few rows in memory at a time.

    Attributes:
        store: The database.
        verifier: Has the public keys.
        file: The copy; None looks at the database alone.
        tally: What was looked at so far.
    """

    store: AuditStore
    verifier: Verifier
    file: CheckpointFile | None
    tally: Tally = field(default_factory=Tally)

    def findings(self) -> Iterator[Finding]:
        """Yield what does not hold."""
        # What the file has now, the view has too: the database is written first.
        had = 0 if self.file is None else self.file.size()
        with self.store.view() as view:
            copies = _Copies(self.file, view, had)
            yield from copies.begin()
            last: Checkpoint | None = None
            for checkpoint in view.checkpoints():
                yield from self._checkpoint(view, last, checkpoint)
                yield from copies.next(checkpoint)
                last = checkpoint
                self.tally.checkpoints += 1
            yield from copies.end(self.verifier)
            self.tally.copied = copies.seen
            if last is None:
                yield Finding(what="there is no checkpoint, so nothing is proven")
            else:
                self.tally.newest, self.tally.covered = last.time, last.events
            yield from self._events(view, last)

    def _checkpoint(
        self, view: AuditView, before: Checkpoint | None, checkpoint: Checkpoint
    ) -> Iterator[Finding]:
        broken = follows(before, checkpoint)
        if broken is not None:
            yield Finding(what=broken, checkpoint=checkpoint.number)
        yield from unsigned(self.verifier, checkpoint)
        tree, moved = Tree(), False
        for position, head in view.heads(checkpoint.number):
            moved = moved or position != tree.size
            tree.add(head.leaf)
        if moved or tree.size != checkpoint.heads or not same(tree.root, checkpoint.root):
            what = f"the heads of checkpoint {checkpoint.number} are not those that were signed"
            counted = f"{tree.size} of {checkpoint.heads} are there"
            yield Finding(what=f"{what}: {counted}", checkpoint=checkpoint.number)

    def _events(self, view: AuditView, last: Checkpoint | None) -> Iterator[Finding]:
        horizon = float("-inf") if last is None else last.horizon
        for _, rows in view.chains():
            self.tally.chains += 1
            counted_rows = self._counted(rows)
            yield from chain_findings(counted_rows, horizon)
            for _ in counted_rows:
                pass  # what stands below a break is counted all the same
        for anchor in view.missing():
            head = anchor.head
            what = f"event {head.sequence} of {head.chain} is gone; checkpoint"
            yield Finding(
                what=f"{what} {anchor.checkpoint} names it",
                chain=head.chain,
                sequence=head.sequence,
                checkpoint=anchor.checkpoint,
            )
        if last is not None and (
            self.tally.chains < last.chains or self.tally.events < last.events
        ):
            counted = f"{last.events} events in {last.chains} chains"
            there = f"{self.tally.events} in {self.tally.chains} are there"
            what = f"checkpoint {last.number} counted {counted}, and {there}"
            yield Finding(what=what, checkpoint=last.number)

    def _counted(
        self, rows: Iterable[tuple[Event, Anchor | None]]
    ) -> Iterator[tuple[Event, Anchor | None]]:
        for row in rows:
            self.tally.events += 1
            yield row


def unsigned(verifier: Verifier, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield what is wrong with a checkpoint's signature.

    Args:
        verifier: Has the public keys.
        checkpoint: The checkpoint.
    """
    if verifier.verifies(checkpoint.key, checkpoint.message, checkpoint.signature):
        return
    what = f"checkpoint {checkpoint.number} is not signed with a key that is trusted"
    if checkpoint.key in verifier.keys:
        what = f"checkpoint {checkpoint.number} was changed after it was signed"
    yield Finding(what=what, checkpoint=checkpoint.number)


class _Copies:
    """Walks through the file beside the database's checkpoints."""

    def __init__(self, file: CheckpointFile | None, view: AuditView, had: int) -> None:
        self._file = file
        self._had = had
        self._known = 0
        self._view = view
        self._lines: Iterator[Line] = iter(())
        self._line: Line | None = None
        self._number = 0
        self.seen = 0

    def begin(self) -> Iterator[Finding]:
        file = self._file
        if file is None:
            return
        file_id = file.id()
        if file_id is None:
            yield Finding(what=f"there is no checkpoint file {file.where}")
            return
        known = self._view.written(file_id)
        if known is None:
            yield Finding(what=f"the database does not know the checkpoint file {file.where}")
        self._known = known or 0
        # Read now: what the view says that the file has was written before it said so.
        self._lines = file.lines(file.size())
        self._advance()

    def next(self, checkpoint: Checkpoint) -> Iterator[Finding]:
        """Yield what is wrong up to the line of a checkpoint of the database."""
        number = self._number = checkpoint.number
        while (line := self._line) is not None and (
            line.checkpoint is None or line.checkpoint.number < number
        ):
            yield self._out_of_place(line)
            self._advance()
        if line is not None and line.checkpoint is not None and line.checkpoint.number == number:
            if line.checkpoint != checkpoint:
                what = f"line {line.number} of the file is another checkpoint {number} than the"
                yield Finding(what=f"{what} database has", checkpoint=number)
            self._advance()
        elif line is not None or number <= self._known:
            yield Finding(what=f"the file has no checkpoint {number}", checkpoint=number)

    def end(self, verifier: Verifier) -> Iterator[Finding]:
        """Yield what is wrong below the last checkpoint of the database."""
        while (line := self._line) is not None:
            found = line.checkpoint
            # What came while the view was open is none of it.
            if line.end <= self._had or found is None:
                signed = found is not None and not list(unsigned(verifier, found))
                if found is not None and found.number > self._number and signed:
                    what = f"the file has checkpoint {found.number}, and the database has not"
                    yield Finding(what=what, checkpoint=found.number)
                else:
                    yield self._out_of_place(line)
            self._advance()

    def _out_of_place(self, line: Line) -> Finding:
        if line.checkpoint is None:
            return Finding(what=f"line {line.number} of the file is no checkpoint")
        number = line.checkpoint.number
        what = f"line {line.number} of the file has checkpoint {number} in the wrong place"
        return Finding(what=what, checkpoint=number)

    def _advance(self) -> None:
        self._line = next(self._lines, None)
        self.seen += self._line is not None
