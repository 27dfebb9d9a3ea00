"""Baselines on SQL: a version once, one series in force, and the log says all of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.baselines import SqlBaselineStore
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.core.baseline import Baseline, ContractRules
from fairlead.core.errors import BaselineVersionTaken, StoreCorrupt, UnknownBaseline
from fairlead.core.event import verify_chain
from fairlead.testing import FakeClock

FIRST = Baseline(
    name="acme",
    version="1",
    limits={"steps": 5, "cost_usd": 0.5, "wall_time_s": 1.0},
    guardrails=("grounded",),
    contracts=ContractRules(forbidden_effects=("once",)),
    policies={"policies/p.cedar": "forbid(principal, action, resource);"},
)
SECOND = replace(FIRST, version="2", limits={})


def store_of(database: Database) -> tuple[SqlBaselineStore, SqlEventLog]:
    clock = FakeClock()
    return SqlBaselineStore(database, clock), SqlEventLog(database, clock)


def test_a_version_is_stored_once_with_its_event(database: Database) -> None:
    store, log = store_of(database)
    assert store.publish(FIRST, "ann") is True
    assert store.publish(FIRST, "bob") is False
    with pytest.raises(BaselineVersionTaken):
        store.publish(replace(FIRST, limits={}), "bob")
    assert store.publish(SECOND, "bob") is True
    found = store.get("1")
    assert (found.baseline, found.digest, found.by) == (FIRST, FIRST.digest, "ann")
    assert store.get(SECOND.digest[:8]).baseline == SECOND
    assert {one.baseline.version for one in store.list()} == {"1", "2"}
    events = log.list(chain="baselines")
    assert [event.type for event in events] == ["baseline.published"] * 2
    assert events[0].data == {
        "baseline": FIRST.digest, "name": "acme", "version": "1", "by": "ann",
    }  # fmt: skip
    assert log.gaps() == []


@pytest.mark.parametrize("name", ["", "3", FIRST.digest[:7], "%", "acme"])
def test_a_mistyped_version_names_nothing(database: Database, name: str) -> None:
    store, _ = store_of(database)
    store.publish(FIRST, "ann")
    with pytest.raises(UnknownBaseline):
        store.get(name)


def test_what_is_in_force_is_the_newest_of_a_series(database: Database) -> None:
    store, log = store_of(database)
    assert store.standing().current is None
    assert store.standing().accepts(None)
    store.publish(FIRST, "ann")
    store.publish(SECOND, "ann")
    store.enforce(FIRST.digest, 0.0, "ann")
    assert not store.standing().accepts(None)
    store.enforce(SECOND.digest, 3600.0, "bob")
    standing = store.standing()
    assert standing.current == SECOND.digest
    assert standing.accepts(FIRST.digest)
    assert [one.window_s for one in standing.enforcements] == [0.0, 3600.0]
    last = standing.enforcements[-1]
    assert last.time <= standing.now <= database.clock()
    chain = log.list(chain="baselines")
    assert verify_chain(chain) is None
    assert chain[-1].data == {
        "number": 2, "baseline": SECOND.digest, "window_s": 3600.0, "by": "bob",
    }  # fmt: skip
    assert log.gaps() == []


def test_enforcements_at_the_same_moment_stand_in_one_order(database: Database) -> None:
    store, log = store_of(database)
    with ThreadPoolExecutor(4) as pool:
        made = [
            pool.submit(store.enforce, one.digest, 1.0, "ann")
            for one in (FIRST, SECOND, FIRST, SECOND)
        ]
        for one in made:
            one.result()
    assert len(store.standing().enforcements) == 4
    assert verify_chain(log.list(chain="baselines")) is None
    assert log.gaps() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE enforcements SET window_s = 9", "enforcement 1 of a baseline is not as"),
        ("UPDATE enforcements SET baseline = 'x'", "enforcement 1 of a baseline is not as"),
        ("DELETE FROM enforcements", "says that one was enforced, and it is not on record"),
        ("UPDATE baselines SET version = '9'", "no event says that it was published"),
    ],
)
def test_what_was_changed_behind_the_log_is_found(
    database: Database, change: str, said: str
) -> None:
    store, log = store_of(database)
    store.publish(FIRST, "ann")
    store.enforce(FIRST.digest, 5.0, "ann")
    with database.transaction() as connection:
        connection.execute(sa.text(change))
    assert any(said in gap for gap in log.gaps())


def test_a_baseline_that_was_changed_is_not_used(database: Database) -> None:
    store, _ = store_of(database)
    store.publish(FIRST, "ann")
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE baselines SET content = replace(content, '5', '6')"))
    with pytest.raises(StoreCorrupt):
        store.get("1")
