"""Leases on SQL, by the database's clock: a worker counts as dead once, and nobody twice."""

from __future__ import annotations

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.core.errors import WorkerIdTaken
from tests.unit.adapters.sql.test_runs import Stores

TTL_S = 10.0


class Leases(Stores):
    """The leases of one database."""

    def ids(self) -> tuple[list[str], list[str]]:
        """Return who lives and whose lease has lapsed."""
        living = [worker.id for worker in self.workers.living(TTL_S)]
        return living, [worker.id for worker in self.workers.lapsed(TTL_S)]

    def said(self, id: str) -> list[str]:
        """Return the types of a worker's events."""
        return [event.type for event in self.events.list(chain=f"worker:{id}")]


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


def test_a_lease_lapses_unless_it_is_renewed(leases: Leases) -> None:
    leases.start_worker("w1")
    (worker,) = leases.workers.living(TTL_S)
    # The database's time, whatever this process believes.
    assert abs(worker.heartbeat_at - leases.database.clock()) < 5.0
    leases.age(TTL_S / 2)
    assert leases.ids() == (["w1"], [])
    leases.age(TTL_S)
    assert leases.ids() == ([], ["w1"])
    assert abs(leases.workers.beat("w1") - leases.database.clock()) < 5.0
    assert leases.ids() == (["w1"], [])


def test_a_worker_that_stopped_is_neither_living_nor_dead(leases: Leases) -> None:
    leases.start_worker("w1")
    leases.start_worker("w2")
    leases.workers.stop("w1")
    leases.workers.stop("w2", stalled=True)
    assert leases.ids() == ([], [])
    leases.age(TTL_S * 9)
    assert leases.ids() == ([], [])
    assert leases.said("w1") == ["worker.started", "worker.stopped"]
    assert leases.said("w2") == ["worker.started", "worker.stalled"]


def test_an_id_belongs_to_one_worker(leases: Leases) -> None:
    leases.start_worker("w1")
    with pytest.raises(WorkerIdTaken, match="lives"):
        leases.start_worker("w1")
    leases.workers.stop("w1")
    with pytest.raises(WorkerIdTaken, match="used before"):
        leases.start_worker("w1")
    assert leases.said("w1") == ["worker.started", "worker.stopped"]


def test_a_lapsed_worker_is_buried_once(leases: Leases) -> None:
    leases.start_worker("w1")
    assert leases.dispatch.take_over("w1", TTL_S, 3) is None
    leases.age(TTL_S + 1)
    assert leases.dispatch.take_over("w1", TTL_S, 3) is not None
    assert leases.dispatch.take_over("w1", TTL_S, 3) is None
    assert leases.said("w1") == ["worker.started", "worker.died"]
    assert leases.ids() == ([], [])


def test_a_worker_that_beats_in_time_is_not_buried(leases: Leases) -> None:
    leases.start_worker("w1")
    leases.age(TTL_S + 1)
    leases.workers.beat("w1")
    assert leases.dispatch.take_over("w1", TTL_S, 3) is None


def test_a_worker_that_was_buried_while_it_slept_takes_its_lease_again(leases: Leases) -> None:
    leases.start_worker("w1")
    leases.age(TTL_S + 1)
    assert leases.dispatch.take_over("w1", TTL_S, 3) is not None
    leases.workers.beat("w1")
    assert leases.ids() == (["w1"], [])
    assert leases.said("w1") == ["worker.started", "worker.died", "worker.returned"]
    leases.age(TTL_S + 1)
    assert leases.ids() == ([], ["w1"])
