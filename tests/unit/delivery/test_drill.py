"""What a drill says when something does not hold: a place that misbehaves is found."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.core.event import Fact
from fairlead.core.release import Release
from fairlead.delivery import drill as played
from fairlead.delivery.drill import RUNS_MAX, RUNS_MIN, Drill, Started
from fairlead.testing import FakeEvents
from tests.unit.delivery.test_drill_checks import MANIFEST, RUN

OLD = Release(digest="a" * 64, manifest=MANIFEST, created_at=0.0)
NEW = Release(digest="b" * 64, manifest=replace(MANIFEST, code_digest="new"), created_at=1.0)


class Place:
    """A platform that does what a test says."""

    def __init__(self, **runs: Any) -> None:
        self.known = {name: replace(RUN, id=name, **values) for name, values in runs.items()}
        self.events = FakeEvents()
        self.journal = SimpleNamespace(of_run=lambda _: [])
        self.runs = SimpleNamespace(get=self.known.__getitem__)
        self.settings = SimpleNamespace(lease_s=1.0)
        self.workers = SimpleNamespace(living=lambda _: self.living)
        self.living: list[Any] = []
        self.started: list[tuple[str, Any]] = []
        self.routed = OLD.digest
        self.admission = SimpleNamespace(start_routed=self._start)

    def _start(self, workflow: str, given: Any, *, principal: Any) -> Any:
        assert principal.user == "rollback drill"
        self.started.append((workflow, given))
        return replace(RUN, id=f"r{len(self.started)}", release=self.routed)


class Spawned:
    """Worker processes that end as they are told."""

    def __init__(self, status: int | None = None) -> None:
        self.asked: list[str] = []
        self.ended = status

    def spawn(self, release: str) -> Any:
        self.asked.append(release)
        return SimpleNamespace(status=lambda: self.ended, stop=lambda: None, kill=lambda: None)


def a_drill(place: Place, **values: Any) -> Drill:
    given: dict[str, Any] = {"cases": [("ask", 1), ("ask", 2)], "spawner": Spawned(), **values}
    return Drill(place=place, candidate=NEW, previous=OLD, **given)  # type: ignore[arg-type]


def test_new_runs_that_begin_elsewhere_are_found() -> None:
    place = Place()
    drill = a_drill(place)
    assert [one.release for one in drill._start(OLD)] == [OLD.digest] * RUNS_MIN
    assert place.started == [("ask", 1), ("ask", 2)] * 2
    assert drill.findings == []
    drill._start(NEW, count=1)
    assert drill.findings == [f"1 of 1 new runs did not start on {NEW.id}"]


def test_invariant_11_a_drill_starts_a_bounded_number_of_runs() -> None:
    place = Place()
    a_drill(place, cases=[("ask", number) for number in range(100)])._start(OLD)
    assert len(place.started) == RUNS_MAX


def looked(**runs: Any) -> list[str]:
    place = Place(**runs)
    drill = a_drill(place)
    names = {"before": OLD.digest, "after": NEW.digest, "probe": OLD.digest}
    before, after, probes = ([Started(id=n, release=r)] for n, r in names.items())
    drill._look(before, after, probes)
    return drill.findings


def sides(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "before": {"release": OLD.digest, "state": "succeeded"},
        "after": {"release": NEW.digest, "state": "succeeded"},
        "probe": {"release": OLD.digest, "state": "succeeded"},
    }
    for name, values in changes.items():
        found[name] = {**found[name], **values}
    return found


def test_a_run_that_ended_on_another_release_is_found() -> None:
    assert looked(**sides()) == []
    [said] = looked(**sides(after={"release": OLD.digest}))
    assert said == "1 runs did not end on their release: ['after']"


def test_a_previous_release_that_fails_every_new_run_is_found() -> None:
    assert looked(**sides(after={"state": "failed"}, before={"state": "failed"})) == []
    [said] = looked(**sides(probe={"state": "failed", "reason": "no key"}))
    assert said == f"every new run of {OLD.id} failed: no key"


def test_what_the_previous_release_would_not_take_is_found() -> None:
    [said] = looked(**sides(after={"input": "three"}))
    assert "refuses an input of workflow ask" in said


def test_runs_that_are_really_in_flight_are_looked_at_too() -> None:
    drill = a_drill(Place(probe=sides()["probe"]), flying=[(replace(RUN, input="x"), [])])
    drill._look([], [], [Started(id="probe", release=OLD.digest)])
    assert len(drill.findings) == 1


def test_invariant_02_an_effect_that_would_happen_twice_is_found() -> None:
    place = Place()
    drill = a_drill(place)
    for key in ("r1:1", "r2:1", "r1:1"):
        data = {"key": key, "kind": "tool", "name": "pay", "effect": "once"}
        place.events.append([Fact(chain="run:r", type="call.intended", data=data)])
    assert dict(drill._effects()) == {"effects": 2, "effects_twice": 1}
    assert drill.findings == ["1 effects were about to be made twice: ['r1:1']"]


def test_a_worker_is_waited_for_and_equal_code_shares_one() -> None:
    place, spawned = Place(), Spawned()
    drill = a_drill(place, spawner=spawned)
    place.living = [SimpleNamespace(code_digest=MANIFEST.code_digest)]
    assert drill._worker(OLD) >= 0.0
    assert drill._worker(replace(OLD, digest="c" * 64)) == 0.0
    assert spawned.asked == [OLD.digest]


def test_a_worker_that_ends_or_never_comes_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(played, "READY_S_MAX", 0.0)
    place = Place()
    with pytest.raises(TimeoutError, match="ended: no such module"):
        a_drill(place, spawner=Spawned(1), said=lambda: "no such module")._worker(OLD)
    with pytest.raises(TimeoutError, match="no worker of release"):
        a_drill(place)._worker(OLD)
