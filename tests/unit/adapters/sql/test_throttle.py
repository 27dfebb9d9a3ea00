"""The throttle on SQL: the core's rules on one row for all, with events for changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from fairlead.adapters.sql import throttle as sql_throttle
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.schema import buckets
from fairlead.adapters.sql.throttle import SqlThrottle
from fairlead.core.breaker import BreakerTerms
from fairlead.core.event import verify_chain
from fairlead.core.rates import Rate
from fairlead.testing import FakeClock, FakeThrottle

RATE = Rate(2, per_s=2.0)
TERMS = BreakerTerms(failures=2, open_s=30.0, probes=1)
FAR_S = 1000.0


class Shared:
    """Two workers on one database."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite:///{folder}/throttle.db", synchronous="normal")
        now = self.clock.now
        self.one, self.other = (SqlThrottle(self.database, self.clock, now=now) for _ in range(2))
        self.events = SqlEventLog(self.database, self.clock)

    def types(self, name: str) -> list[str]:
        chain = self.events.list(chain=f"breaker:{name}")
        assert verify_chain(chain) is None
        return [event.type for event in chain]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    made = Shared(tmp_path)
    yield made
    made.database.close()


def test_two_workers_take_from_one_bucket(shared: Shared) -> None:
    takers = [shared.one, shared.other] * 2
    places = [taker.take("tool:x", RATE, most_s=FAR_S) for taker in takers]
    assert [place.wait_s for place in places] == pytest.approx([0, 0, 1, 2])
    assert shared.one.take("tool:y", RATE, most_s=FAR_S).granted


def test_a_reserved_place_holds_at_another_worker(shared: Shared) -> None:
    for _ in range(2):
        shared.one.take("tool:x", RATE, most_s=FAR_S)
    place = shared.one.take("tool:x", RATE, most_s=FAR_S)
    shared.clock.time += 1.0
    assert shared.other.take("tool:x", RATE, most_s=FAR_S, held=place.at).granted


def test_a_bucket_is_closed_for_all(shared: Shared) -> None:
    place = shared.one.take("tool:x", RATE, most_s=FAR_S)
    shared.one.close("tool:x", RATE, asked_s=9.0, let_at=place.at or 0.0)
    assert shared.other.take("tool:x", RATE, most_s=FAR_S).wait_s == pytest.approx(9.45)


def fail(worker: SqlThrottle, times: int) -> None:
    for _ in range(times):
        permit = worker.allow("tool:x", TERMS)
        worker.record("tool:x", TERMS, permit=permit, ended="failure")


def test_failures_of_two_workers_open_one_breaker_with_its_events(shared: Shared) -> None:
    fail(shared.one, 1)
    fail(shared.other, 1)
    assert not shared.one.allow("tool:x", TERMS).allowed
    assert shared.one.allow("tool:y", TERMS).allowed
    assert shared.types("tool:x") == ["breaker.opened"]
    shared.clock.time += 30.0
    probe = shared.one.allow("tool:x", TERMS)
    assert (probe.allowed, probe.probe) == (True, True)
    assert not shared.other.allow("tool:x", TERMS).allowed
    shared.one.record("tool:x", TERMS, permit=probe, ended="success")
    assert shared.other.allow("tool:x", TERMS).allowed
    assert shared.types("tool:x") == ["breaker.opened", "breaker.closed"]


def test_a_success_ends_the_row_of_failures(shared: Shared) -> None:
    for worker in (shared.one, shared.other, shared.one):
        fail(worker, 1)
        permit = worker.allow("tool:x", TERMS)
        worker.record("tool:x", TERMS, permit=permit, ended="success")
    assert shared.one.allow("tool:x", TERMS).allowed


def test_a_breaker_that_nothing_is_wrong_with_writes_nothing(shared: Shared) -> None:
    written: list[str] = []
    sa.event.listen(
        shared.database.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: written.append(statement),
    )
    permit = shared.one.allow("tool:x", TERMS)
    shared.one.record("tool:x", TERMS, permit=permit, ended="success")
    assert not [text for text in written if not text.startswith(("SELECT", "BEGIN"))]


WORLD = st.lists(
    st.tuples(
        st.sampled_from(["take", "close", "success", "failure", "neither"]), st.floats(0.0, 20.0)
    ),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=WORLD)
def test_the_fake_and_the_real_one_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, world: list[tuple[str, float]]
) -> None:
    shared = Shared(tmp_path_factory.mktemp("both"))
    fake, real = FakeThrottle(shared.clock), shared.one
    for what, gap in world:
        shared.clock.time += gap
        if what == "take":
            taken = [throttle.take("n", RATE, most_s=FAR_S) for throttle in (fake, real)]
            assert taken[0] == taken[1]
        elif what == "close":
            for throttle in (fake, real):
                throttle.close("n", RATE, asked_s=gap, let_at=shared.clock.time)
        else:
            permits = [throttle.allow("n", TERMS) for throttle in (fake, real)]
            assert permits[0] == permits[1]
            for throttle, permit in zip((fake, real), permits, strict=True):
                if permit.allowed:
                    throttle.record("n", TERMS, permit=permit, ended=what)  # type: ignore[arg-type]
    assert shared.types("n") == [fact.type for fact in fake.facts]
    shared.database.close()


def test_on_postgresql_a_row_is_locked_while_its_rule_decides() -> None:
    query = sa.select(buckets).with_for_update()
    assert "FOR UPDATE" in str(query.compile(dialect=postgresql.dialect()))
    insert = sql_throttle._INSERT["postgresql"](buckets).on_conflict_do_nothing()
    assert "ON CONFLICT DO NOTHING" in str(insert.compile(dialect=postgresql.dialect()))


def test_tokens_come_back_by_the_databases_clock(shared: Shared) -> None:
    by_database = SqlThrottle(shared.database, shared.clock)
    place = by_database.take("tool:z", RATE, most_s=FAR_S)
    assert place.granted
    assert place.at is None or abs(place.at - shared.database.clock()) < 60.0
    while by_database.take("tool:z", RATE, most_s=FAR_S).granted:
        pass
    # The worker's own clock may say what it likes.
    shared.clock.time += 1e6
    assert not by_database.take("tool:z", RATE, most_s=FAR_S).granted
