"""How checkpoints come about: when they are due, where they go, and what a failure stops."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fairlead.core.audit import Checkpoint
from fairlead.core.errors import AuditKeyMissing, CheckpointFileUnusable, StoreLocked
from fairlead.core.event import GENESIS
from fairlead.runtime.audit import Auditing, Cadence, needed
from fairlead.testing import FakeClock
from fairlead.testing.fakes import FakeTelemetry
from tests.unit.runtime.office import Ticks

FIRST = Checkpoint(
    number=1,
    time=1.5,
    since=0.0,
    whole=True,
    heads=0,
    root="r",
    chains=0,
    events=0,
    previous=GENESIS,
    key="k",
    signature="s",
)


@dataclass
class FakeStore:
    """Makes the checkpoints that it is told to.

    Attributes:
        log: What was asked, in order.
        due: What is made next; an error is raised.
        made: What was made.
    """

    log: list[str]
    due: list[Checkpoint | Exception] = field(default_factory=list)
    made: list[Checkpoint] = field(default_factory=list)

    def checkpoint(self, signer: Any, *, every_s: float, empty: bool) -> Checkpoint | None:
        self.log.append(f"checkpoint {every_s:g}{' empty' if empty else ''}")
        found = self.due.pop(0) if self.due else None
        if isinstance(found, Exception):
            raise found
        if found is not None:
            self.made.append(found)
        return found

    def after(self, number: int, most: int) -> Sequence[Checkpoint]:
        return [one for one in self.made if one.number > number][:most]

    def know(self, file_id: str, where: str) -> None:
        self.log.append(f"know {int(file_id, 16)} {where}")

    def knows(self, file_id: str) -> bool:
        return file_id != "foreign"

    def wrote(self, file_id: str, number: int) -> None:
        self.log.append(f"wrote {file_id} {number}")


@dataclass
class FakeFile:
    """Keeps the numbers of its lines."""

    log: list[str]
    name: str | None = "f"
    where: str = "there"
    numbers: list[int] = field(default_factory=list)

    def id(self) -> str | None:
        return self.name

    def make(self, file_id: str) -> None:
        self.log.append("make")
        self.name = "f"

    def extend(self, after: Callable[[int], Sequence[Checkpoint]]) -> int:
        while more := after(self.numbers[-1] if self.numbers else 0):
            self.numbers += [one.number for one in more]
        return self.numbers[-1] if self.numbers else 0


class Office:
    """What makes checkpoints, in memory."""

    def __init__(self, *due: Checkpoint | Exception) -> None:
        self.log: list[str] = []
        self.store, self.file = FakeStore(self.log, [*due]), FakeFile(self.log)
        self.telemetry, self.clock = FakeTelemetry(), FakeClock()
        parts: Any = {"store": self.store, "signer": None, "file": self.file}
        self.auditing = Auditing(telemetry=self.telemetry, clock=self.clock, **parts)
        self.cadence = Cadence(auditing=self.auditing, every_s=60.0)


def test_a_checkpoint_goes_to_the_file_and_to_the_collector() -> None:
    office = Office(FIRST)
    assert office.auditing.checkpoint(every_s=30) == [FIRST]
    assert office.file.numbers == [1]
    assert office.telemetry.checkpoints == [FIRST]
    assert office.log == ["checkpoint 30", "wrote f 1"]


def test_the_database_knows_a_file_before_it_is_there() -> None:
    office = Office(FIRST)
    office.file.name = None
    office.auditing.checkpoint(empty=True)
    assert office.log == ["checkpoint 0 empty", "know 1 there", "make", "wrote f 1"]


def test_the_file_of_another_database_is_left_alone() -> None:
    office = Office(FIRST)
    office.file.name = "foreign"
    with pytest.raises(CheckpointFileUnusable, match="of another database"):
        office.auditing.checkpoint()
    assert office.file.numbers == []


def test_one_follows_another_until_all_heads_are_covered() -> None:
    parts = [replace(FIRST, number=number, whole=number == 3) for number in (1, 2, 3, 4)]
    office = Office(*parts)
    assert office.auditing.checkpoint(every_s=30, empty=True) == parts[:3]
    assert office.log[:3] == ["checkpoint 30 empty", "checkpoint 0", "checkpoint 0"]


def test_a_file_that_is_behind_is_brought_up_to_date_when_nothing_is_due() -> None:
    office = Office()
    office.store.made = [FIRST]
    assert office.auditing.checkpoint(every_s=30) == []
    assert office.file.numbers == [1]


def test_a_worker_looks_at_its_cadence_and_others_count() -> None:
    office = Office(FIRST)
    ticks: Any = Ticks(office.clock, left=3)
    office.cadence._stopping = ticks
    office.cadence._run()
    assert ticks.waited == [60.0] * 3
    assert office.log[0] == "checkpoint 30"
    assert office.store.made == [FIRST]


def test_what_fails_is_said_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    failure = StoreLocked("the database is busy")
    office = Office(failure, failure, FIRST)
    with caplog.at_level(logging.WARNING, "fairlead.audit"):
        for _ in range(3):
            office.cadence.tick(0.0)
    assert caplog.text.count("the database is busy") == 1
    assert office.file.numbers == [1]


def test_a_cadence_ends_with_a_checkpoint() -> None:
    office = Office(FIRST)
    office.cadence.start()
    office.cadence.stop()
    assert office.log == ["checkpoint 0", "wrote f 1"]


@pytest.mark.parametrize("cadence", [Cadence(), Cadence(auditing=Office().auditing, every_s=0.0)])
def test_without_a_key_or_a_cadence_nothing_is_made(cadence: Cadence) -> None:
    cadence.start()
    cadence.stop()
    assert cadence._thread is None


def test_without_a_key_it_says_where_one_would_be() -> None:
    with pytest.raises(AuditKeyMissing, match=r"no key in audit\.key"):
        needed(None, "audit.key")
