"""The supervisor: what it does with workers while the database is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fairlead.core.errors import StoreUnavailable
from fairlead.ports.rollouts import LiveCode
from fairlead.runtime.supervisor import Supervisor, Upkeep
from fairlead.testing import FakeClock

LIVE = LiveCode(
    code_digest="code", release="r", in_flight=0, oldest_at=None, routed=True, served=False
)


@dataclass
class FakeProcess:
    """A worker that lives until it is stopped or killed."""

    pid: int = 7
    ended: int | None = None

    def status(self) -> int | None:
        return self.ended

    def stop(self) -> None:
        self.ended = 0

    def kill(self) -> None:
        self.ended = -9


@dataclass
class Machine:
    """Its database may be away; its workers never take a lease."""

    away: str = ""
    spawned: list[FakeProcess] = field(default_factory=list)

    def live_code(self, environment: str, lease_s: float) -> Sequence[LiveCode]:
        if self.away:
            raise StoreUnavailable(self.away)
        return [LIVE]

    def living(self, lease_s: float) -> Sequence[object]:
        return []

    def spawn(self, release: str) -> FakeProcess:
        self.spawned.append(FakeProcess())
        return self.spawned[-1]


def test_while_the_database_is_away_workers_stay_and_it_is_said_once() -> None:
    machine, said = Machine(), list[str]()
    supervisor = Supervisor(
        deployments=machine,  # type: ignore[arg-type]
        workers=machine,  # type: ignore[arg-type]
        spawner=machine,
        clock=FakeClock(),
        upkeep=Upkeep(environment="default", host="here"),
        say=said.append,
    )
    supervisor.tick()
    machine.away = "the database is stopped"
    supervisor.tick()
    supervisor.tick()
    assert said[1:] == ["workers were not looked after: FL-205: the database is stopped"]
    assert supervisor.pids == [7]
    machine.away = ""
    machine.spawned[0].ended = 1
    supervisor.tick()
    assert "ended with status 1" in said[-1]
    machine.away = "the database is stopped"
    supervisor.tick()
    assert len(said) == 4
