"""Leases on SQL: one worker buries another one, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.workers import SqlWorkerStore
from fairlead.ports.workers import WorkerRecord
from fairlead.testing import FakeClock

TTL_S = 10.0


class Leases:
    """The leases of one database."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite:///{folder}/workers.db", synchronous="normal")
        self.store = SqlWorkerStore(self.database, self.clock)
        self.events = SqlEventLog(self.database, self.clock)

    def start(self, id: str) -> WorkerRecord:
        """Start a worker now."""
        now = self.clock.now()
        worker = WorkerRecord(
            id=id, code_digest="c", host="h", pid=7, started_at=now, heartbeat_at=now
        )
        self.store.start(worker)
        return worker

    def ids(self) -> tuple[list[str], list[str]]:
        """Return who lives and whose lease has lapsed."""
        living = [worker.id for worker in self.store.living(TTL_S)]
        return living, [worker.id for worker in self.store.lapsed(TTL_S)]

    def types(self, id: str) -> list[str]:
        """Return the types of a worker's events."""
        return [event.type for event in self.events.list(chain=f"worker:{id}")]


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    made = Leases(tmp_path)
    yield made
    made.database.close()


def test_a_lease_lapses_unless_it_is_renewed(leases: Leases) -> None:
    assert leases.start("w1") == leases.store.living(TTL_S)[0]
    leases.clock.time += TTL_S
    assert leases.ids() == (["w1"], [])
    leases.clock.time += 0.5
    assert leases.ids() == ([], ["w1"])
    leases.store.beat("w1")
    assert leases.ids() == (["w1"], [])


def test_a_worker_that_stopped_is_neither_living_nor_dead(leases: Leases) -> None:
    leases.start("w1")
    leases.store.stop("w1")
    assert leases.ids() == ([], [])
    leases.clock.time += TTL_S * 9
    assert leases.ids() == ([], [])
    assert leases.types("w1") == ["worker.started", "worker.stopped"]


def test_only_one_worker_claims_a_lapsed_lease(leases: Leases) -> None:
    leases.start("w1")
    leases.clock.time += TTL_S + 1
    (seen_by_one,), (seen_by_other,) = leases.store.lapsed(TTL_S), leases.store.lapsed(TTL_S)
    assert leases.store.claim(seen_by_one)
    assert not leases.store.claim(seen_by_other)
    leases.store.bury("w1", 3)
    assert leases.types("w1") == ["worker.started", "worker.died"]
    assert leases.events.list(chain="worker:w1")[-1].data == {"adopted": 3}
    assert leases.ids() == ([], [])


def test_who_dies_while_burying_leaves_the_lease_to_lapse_again(leases: Leases) -> None:
    leases.start("w1")
    leases.clock.time += TTL_S + 1
    assert leases.store.claim(leases.store.lapsed(TTL_S)[0])
    leases.clock.time += TTL_S + 1
    assert leases.store.claim(leases.store.lapsed(TTL_S)[0])


def test_a_worker_that_beats_in_time_is_not_claimed(leases: Leases) -> None:
    leases.start("w1")
    leases.clock.time += TTL_S + 1
    (dead,) = leases.store.lapsed(TTL_S)
    leases.store.beat("w1")
    assert not leases.store.claim(dead)


def test_a_worker_that_was_buried_while_it_slept_takes_its_lease_again(leases: Leases) -> None:
    leases.start("w1")
    leases.clock.time += TTL_S + 1
    (slow,) = leases.store.lapsed(TTL_S)
    assert leases.store.claim(slow)
    leases.store.bury("w1", 1)
    leases.store.beat("w1")
    assert leases.ids() == (["w1"], [])
    assert leases.types("w1") == ["worker.started", "worker.died", "worker.returned"]
    leases.clock.time += TTL_S + 1
    assert leases.ids() == ([], ["w1"])
