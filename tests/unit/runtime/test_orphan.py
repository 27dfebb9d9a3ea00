"""A worker whose supervisor is gone: when it stays, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from fairlead.core.errors import StoreUnavailable
from fairlead.ports.rollouts import LiveCode
from fairlead.runtime.orphan import LOOK_S, Orphan
from fairlead.runtime.supervisor import Upkeep
from fairlead.testing import FakeClock

SUPERVISOR, INIT = 40, 1
UPKEEP = Upkeep(environment="default", host="here", keep_s=600.0, ready_s=120.0)


@dataclass
class Stage:
    """A worker of the code `code`, what has work, and whose child the worker is."""

    work: set[str] = field(default_factory=set)
    parent: int = SUPERVISOR
    away: bool = False
    asked: int = 0
    ended: list[int] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)

    def live_code(self, environment: str, lease_s: float) -> Sequence[LiveCode]:
        assert environment == "default"
        self.asked += 1
        if self.away:
            raise StoreUnavailable("the database is stopped")
        return [
            LiveCode(
                code_digest=code, release="r", in_flight=1, oldest_at=0, routed=False, served=True
            )
            for code in sorted(self.work)
        ]

    def orphan(self, *, bound: bool = False, code: str = "code") -> Orphan:
        return Orphan(
            parent=SUPERVISOR,
            bound=bound,
            deployments=self,  # type: ignore[arg-type]
            clock=self.clock,
            upkeep=UPKEEP,
            code_digest=code,
            parent_now=lambda: self.parent,
            end=self.ended.append,
        )

    def after(self, seconds: float, orphan: Orphan) -> bool:
        self.clock.time += seconds
        orphan.look()
        return orphan.is_over()


def test_with_its_supervisor_it_stays_without_work_and_asks_nothing() -> None:
    stage = Stage()
    orphan = stage.orphan()
    assert not stage.after(10_000.0, orphan)
    assert not stage.after(10_000.0, orphan)
    assert (stage.asked, stage.ended) == (0, [])


def test_without_it_stays_while_its_code_has_work_and_as_long_after_as_it_was_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(work={"code", "other"})
    orphan = stage.orphan()
    stage.parent = INIT
    assert not stage.after(1.0, orphan)
    assert "process 40, which started this worker, is gone" in caplog.text
    assert not stage.after(10_000.0, orphan)
    stage.work = set()
    assert not stage.after(1.0, orphan)
    assert not stage.after(599.0, orphan)
    # A rollback finds it, and it begins to count anew.
    stage.work = {"code"}
    assert not stage.after(1.0, orphan)
    # The work of other code is no reason to stay.
    stage.work = {"other"}
    assert not stage.after(1.0, orphan)
    assert not stage.after(599.0, orphan)
    assert "its worker stops" not in caplog.text
    assert stage.after(1.0, orphan)
    assert "code code has no work any more; its worker stops" in caplog.text
    assert caplog.text.count("is gone") == 1
    assert stage.ended == [], "it stops in good order"


def test_it_was_gone_before_the_first_look_and_its_number_came_back() -> None:
    stage = Stage(parent=INIT)
    orphan = stage.orphan()
    assert not stage.after(0.0, orphan)
    # A child is not handed from one parent to another but once.
    stage.parent = SUPERVISOR
    assert not stage.after(1.0, orphan)
    assert stage.after(600.0, orphan)


def test_while_the_database_is_away_it_stays() -> None:
    stage = Stage(parent=INIT)
    orphan = stage.orphan()
    stage.after(1.0, orphan)
    stage.away = True
    assert not stage.after(10_000.0, orphan)
    stage.away = False
    stage.work = {"code"}
    assert not stage.after(1.0, orphan)


def test_it_does_not_ask_the_database_at_each_glance() -> None:
    stage = Stage(work={"code"}, parent=INIT)
    orphan = stage.orphan()
    for _ in range(50):
        stage.after(LOOK_S / 10, orphan)
    assert 5 <= stage.asked <= 6


def test_one_that_never_takes_runs_gets_the_time_of_a_start_and_is_ended() -> None:
    stage = Stage(parent=INIT)
    orphan = stage.orphan(code="")
    stage.after(1.0, orphan)
    stage.after(120.0, orphan)
    assert stage.ended == []
    stage.after(1.0, orphan)
    assert stage.ended == [1]


def test_a_drill_s_worker_ends_at_once_whatever_work_there_is() -> None:
    for code in ("code", ""):
        stage = Stage(work={"code"})
        orphan = stage.orphan(bound=True, code=code)
        stage.after(1.0, orphan)
        assert stage.ended == []
        stage.parent = INIT
        stage.after(0.1, orphan)
        assert stage.ended == [1]
