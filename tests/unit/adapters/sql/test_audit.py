"""Checkpoints on SQL: what they cover, who makes them, and one view while others write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.adapters.ed25519.keys import load_signer, load_verifier, make_keys, public_of
from fairlead.adapters.files.checkpoints import JsonlCheckpointFile
from fairlead.adapters.sql.audit import SqlAuditStore
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog, append
from fairlead.core.audit import LATE_S, Checkpoint, Finding
from fairlead.core.event import Fact
from fairlead.ports.clock import SystemClock
from fairlead.runtime.audit import Auditing
from fairlead.runtime.verify import Examination
from fairlead.testing import FakeClock
from fairlead.testing.fakes import FakeTelemetry


@dataclass
class Office:
    """A log, its checkpoints and their file; all of it by one clock."""

    database: Database
    folder: Path
    heads_max: int = 3
    clock: FakeClock | SystemClock = field(default_factory=FakeClock)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def __post_init__(self) -> None:
        key = self.folder / "audit.key"
        if not key.exists():
            make_keys(key)
        self.signer, self.verifier = load_signer(key), load_verifier(public_of(key))
        self.events = SqlEventLog(self.database, self.clock)
        self.file = JsonlCheckpointFile(self.folder / "checkpoints.jsonl")
        self.store = SqlAuditStore(self.database, now=self.clock.now, heads_max=self.heads_max)
        self.auditing = Auditing(
            store=self.store,
            signer=self.signer,
            file=self.file,
            telemetry=self.telemetry,
            clock=self.clock,
        )

    def happen(self, *names: str) -> None:
        """Append an event to each chain."""
        for name in names:
            self.events.append([Fact(chain=f"worker:{name}", type="worker.started")])

    def later(self, seconds: float) -> None:
        assert isinstance(self.clock, FakeClock)
        self.clock.time += seconds

    def findings(self) -> list[Finding]:
        examination = Examination(store=self.store, verifier=self.verifier, file=self.file)
        found = list(examination.findings())
        self.tally = examination.tally
        return found

    def heads(self, checkpoint: Checkpoint) -> list[tuple[str, int]]:
        with self.store.view() as view:
            return [(head.chain[7:], head.sequence) for _, head in view.heads(checkpoint.number)]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Iterator[Office]:
    yield Office(database, tmp_path)


def test_a_checkpoint_has_the_heads_of_the_chains_that_grew(office: Office) -> None:
    office.happen("a", "b", "a")
    (first,) = office.auditing.checkpoint()
    assert office.heads(first) == [("a", 2), ("b", 1)]
    assert (first.number, first.heads, first.chains, first.events) == (1, 2, 2, 3)
    assert (first.since, first.whole) == (0.0, True)
    assert office.auditing.checkpoint() == []
    office.later(60)
    office.happen("b", "c")
    (second,) = office.auditing.checkpoint()
    assert office.heads(second) == [("b", 2), ("c", 1)]
    assert (second.number, second.chains, second.events) == (2, 3, 5)
    assert (second.since, second.previous) == (first.time - LATE_S, first.digest)
    assert office.findings() == []
    assert (office.tally.chains, office.tally.events, office.tally.covered) == (3, 5, 5)
    assert (office.tally.checkpoints, office.tally.copied) == (2, 2)
    assert office.telemetry.checkpoints == [first, second]


def test_a_checkpoint_of_nothing_is_made_when_it_is_asked_for(office: Office) -> None:
    assert [finding.what for finding in office.findings()] == [
        f"there is no checkpoint file {office.file.where}",
        "there is no checkpoint, so nothing is proven",
    ]
    assert office.auditing.checkpoint() == []
    (made,) = office.auditing.checkpoint(empty=True)
    assert (made.number, made.heads, made.events) == (1, 0, 0)
    assert office.findings() == []


def test_more_heads_than_one_has_room_for_make_several(office: Office) -> None:
    names = [f"w{number}" for number in range(8)]
    office.happen(*names)
    made = office.auditing.checkpoint()
    assert [(one.number, one.heads, one.whole) for one in made] == [
        (1, 3, False),
        (2, 3, False),
        (3, 2, True),
    ]
    assert {one.since for one in made} == {0.0}
    assert [head for one in made for head in office.heads(one)] == [(name, 1) for name in names]
    assert office.findings() == []
    office.later(1000)
    office.happen("w1")
    (last,) = office.auditing.checkpoint()
    assert (office.heads(last), last.since) == ([("w1", 2)], made[-1].time - LATE_S)


def test_one_is_made_in_each_span_whoever_asks(office: Office) -> None:
    other = Office(office.database, office.folder, clock=office.clock)
    office.happen("a")
    assert len(office.auditing.checkpoint(every_s=60)) == 1
    for asked in (other, office):
        asked.later(29)
        asked.happen("a")
        assert asked.auditing.checkpoint(every_s=60) == []
    office.later(2)
    assert len(other.auditing.checkpoint(every_s=60)) == 1
    assert office.findings() == []


def test_an_event_that_is_committed_late_is_covered_by_the_next_checkpoint(
    office: Office,
) -> None:
    if office.database.engine.dialect.name == "sqlite":
        pytest.skip("nobody else writes while a transaction is open")
    office.happen("a")
    # As another process has it: what one thread reads within its transaction is a part of that.
    with office.database.engine.begin() as connection:
        append(connection, office.clock, Fact(chain="worker:slow", type="worker.started"))
        office.later(LATE_S - 1)
        office.happen("b")
        office.auditing.checkpoint()
        assert office.findings() == []
    office.later(60)
    (second,) = office.auditing.checkpoint()
    assert office.heads(second) == [("slow", 1)]
    assert office.findings() == []


def test_an_old_event_that_is_put_in_later_is_found_before_and_after_it_is_signed(
    office: Office,
) -> None:
    office.happen("a")
    office.later(10_000)
    office.happen("b")
    office.auditing.checkpoint()
    office.later(-5_000)
    office.happen("a", "new")
    assert isinstance(office.clock, FakeClock)
    office.later(5_000)
    unsigned = office.findings()
    assert [(one.chain, one.sequence) for one in unsigned] == [("worker:a", 2), ("worker:new", 1)]
    # The next events of those chains bring them into a checkpoint, and that does not hide them.
    office.later(60)
    office.happen("a", "new")
    office.auditing.checkpoint()
    signed = office.findings()
    assert [(one.chain, one.sequence) for one in signed] == [("worker:a", 2), ("worker:new", 1)]


def test_a_file_of_another_machine_may_be_behind_and_a_cut_one_is_found(
    office: Office, tmp_path: Path
) -> None:
    other = Office(office.database, tmp_path, clock=office.clock)
    other.file = JsonlCheckpointFile(tmp_path / "elsewhere.jsonl")
    other.auditing = Auditing(
        store=other.store,
        signer=other.signer,
        file=other.file,
        telemetry=other.telemetry,
        clock=SystemClock(),
    )
    office.happen("a")
    office.auditing.checkpoint()
    other.auditing.checkpoint()
    office.later(60)
    office.happen("a")
    office.auditing.checkpoint()
    assert other.findings() == []
    assert (other.tally.copied, other.tally.checkpoints) == (1, 2)
    # What is not due there either is brought over all the same.
    other.auditing.checkpoint(every_s=60)
    assert (other.findings(), other.tally.copied) == ([], 2)
    path = Path(other.file.where)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert [one.what for one in other.findings()] == ["the file has no checkpoint 2"]


def test_what_holds_holds_while_others_write_and_sign(database: Database, tmp_path: Path) -> None:
    """Three write events, two make checkpoints, and one looks ten times."""
    office = Office(database, tmp_path, heads_max=2, clock=SystemClock())
    office.auditing.checkpoint(empty=True)
    done = threading.Event()
    failed: list[Exception] = []

    def until_done(work: object, *arguments: str) -> None:
        try:
            while not done.is_set():
                work(*arguments)  # type: ignore[operator]
                done.wait(0.02)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to tell
            failed.append(error)

    threads = [
        threading.Thread(target=until_done, args=(office.happen, *names))
        for names in (("a", "b"), ("b", "c"), ("d", "a", "e"))
    ]
    signing = [Office(database, tmp_path, heads_max=2, clock=SystemClock()) for _ in range(2)]
    threads += [threading.Thread(target=until_done, args=(o.auditing.checkpoint,)) for o in signing]
    for thread in threads:
        thread.start()
    try:
        looks = [office.findings() for _ in range(10)]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert [look for look in looks if look] == []
    office.auditing.checkpoint()
    assert office.findings() == []
    assert office.tally.checkpoints > 3
    assert office.tally.covered == office.tally.events


def test_a_checkpoint_reads_heads_and_no_payload_of_an_event(
    database: Database, tmp_path: Path
) -> None:
    """What the next checkpoint reads are the heads that grew, not the log."""
    office = Office(database, tmp_path, heads_max=10)
    office.happen(*(f"w{number}" for number in range(25)))
    office.auditing.checkpoint()
    office.later(1000)
    office.happen("w3")
    seen: list[str] = []

    def look(connection: object, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", look)
    try:
        (made,) = office.auditing.checkpoint()
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", look)
    assert made.heads == 1
    assert not any("events.data" in statement for statement in seen)
    assert len(seen) < 20


def test_who_is_overtaken_covers_what_the_faster_one_did_not(office: Office) -> None:
    """Between the look and the writing another process makes a checkpoint, and more happens."""
    other = Office(office.database, office.folder, clock=office.clock)

    class Slow:
        """Signs after somebody else did."""

        key = office.signer.key
        left = 1

        def sign(self, message: bytes) -> str:
            if self.left:
                self.left -= 1
                other.auditing.checkpoint()
                other.happen("late")
            return office.signer.sign(message)

    office.happen("a")
    made = office.store.checkpoint(Slow(), every_s=0.0, empty=False)
    assert made is not None
    assert (made.number, office.heads(made)) == (2, [("late", 1)])
    office.auditing.checkpoint()
    assert office.findings() == []
