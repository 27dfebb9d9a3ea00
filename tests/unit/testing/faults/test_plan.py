"""A plan fires exactly where it says, the same each time, also when it travelled as a file."""

from __future__ import annotations

import fcntl
import json
import threading
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.testing.faults import (
    Action,
    Answer,
    Delay,
    Exit,
    Fail,
    Fault,
    FaultPlan,
    Firing,
    Firings,
    Hang,
    Injector,
    Kill,
    Lose,
    Mutate,
    Point,
    Repeat,
    Skew,
    Stop,
    Waits,
    firings_of,
)

NAMES = ("pay", "put", "look")
RUNS = ("r1", "r2")

numbers = st.floats(0.001, 1000.0)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
ranges = st.one_of(
    st.integers(1, 6),
    st.tuples(st.integers(1, 3), st.integers(4, 6)),
    st.tuples(st.integers(1, 6), st.none()),
)
body_actions: st.SearchStrategy[Action] = st.one_of(
    st.sampled_from([Kill(), Stop(), Hang(), Exit(status=7)]),
    st.builds(
        Fail, error=st.sampled_from(["driver", "connection", "bug"]), transient=st.booleans()
    ),
    st.builds(Delay, seconds=numbers),
    st.builds(Mutate, value=json_values),
    st.builds(Mutate, patch=st.dictionaries(st.text(max_size=2), json_values, min_size=1)),
)
call_faults = st.builds(
    Fault,
    boundary=st.sampled_from(["call", "tool", "model"]),
    name=st.sampled_from([*NAMES, "p*", "*"]),
    call=ranges,
    moment=st.just("inside"),
    counted=st.sampled_from(["process", "run"]),
    run=st.none() | st.sampled_from(RUNS),
    times=st.none() | st.integers(1, 4),
    for_s=st.none() | numbers,
    action=body_actions,
)
other_faults = st.one_of(
    st.builds(Fault, boundary=st.just("clock"), action=st.builds(Skew, seconds=numbers)),
    st.builds(Fault, boundary=st.just("exporter"), action=st.just(Lose())),
    st.builds(
        Fault,
        boundary=st.just("human"),
        moment=st.just("answered"),
        action=st.builds(Answer, how=st.sampled_from(["deny", "ignore", "expire"])),
    ),
    st.builds(
        Fault,
        boundary=st.just("queue"),
        name=st.just("claim"),
        moment=st.just("after"),
        action=st.just(Repeat()),
    ),
    st.builds(
        Fault,
        boundary=st.just("store"),
        name=st.sampled_from(["write", "commit", "runs.begin"]),
        action=st.builds(Fail, error=st.sampled_from(["locked", "full", "lost"])),
    ),
)
plans = st.lists(call_faults | other_faults, max_size=5).map(lambda found: FaultPlan(*found))
points = st.builds(
    Point,
    boundaries=st.sampled_from([("tool", "call"), ("model", "call"), ("store",)]),
    names=st.sampled_from(NAMES).map(lambda name: (name,)),
    moment=st.sampled_from(["before", "inside"]),
    run=st.sampled_from(RUNS),
    number=st.integers(1, 6),
)


class Still:
    """Waits of a process whose time stands still."""

    waits = Waits(monotonic=lambda: 0.0)


def expected(plan: FaultPlan, reached: list[Point]) -> list[list[Action]]:
    """Return what a plan does at each point, read from its documentation alone."""
    matched: Counter[int] = Counter()
    fired: Counter[Any] = Counter()
    in_window: set[int] = set()
    found: list[list[Action]] = []
    for point in reached:
        actions = []
        for place, fault in enumerate(plan):
            if fault.boundary not in point.boundaries or fault.moment != point.moment:
                continue
            if not fnmatchcase(point.names[0], fault.name) or fault.run not in (None, point.run):
                continue
            matched[place] += 1
            by_run = fault.counted == "run"
            count = point.number if by_run else matched[place]
            first, last = fault.call if isinstance(fault.call, tuple) else (fault.call, fault.call)
            whose = (place, point.run if by_run else None)
            if place not in in_window:
                assert count is not None
                due = first <= count <= (last or count)
                if not due or fired[whose] >= (fault.times or 0):
                    continue
                fired[whose] += 1
                if fault.for_s is not None:
                    in_window.add(place)
            actions.append(fault.action)
        found.append(actions)
    return found


@given(plans, st.lists(points, max_size=40))
def test_a_plan_fires_exactly_where_it_says(plan: FaultPlan, reached: list[Point]) -> None:
    injector = Injector(plan, waits=Still.waits)
    assert [injector.strike(point) for point in reached] == expected(plan, reached)


@given(plans, st.lists(points, max_size=20))
def test_the_same_calls_meet_the_same_faults(plan: FaultPlan, reached: list[Point]) -> None:
    injectors = [Injector(plan, waits=Still.waits) for _ in range(2)]
    first, second = ([one.strike(point) for point in reached] for one in injectors)
    assert first == second
    assert injectors[0].firings == injectors[1].firings


@given(plans)
def test_a_plan_that_travels_as_json_is_the_same(plan: FaultPlan) -> None:
    again = FaultPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert hash(again) == hash(plan)


@given(plan=plans)
def test_a_plan_that_travels_as_a_file_is_the_same(
    plan: FaultPlan, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert FaultPlan.load(plan.save(path)) == plan


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.integers(1, 3), ranges)
def test_the_count_of_firings_survives_the_process(
    deaths: list[int], times: int, call: Any
) -> None:
    """Processes that share the file fire together no oftener than the plan says."""
    plan = FaultPlan(Fault(boundary="tool", call=call, times=times, action=Kill()))
    point = Point(boundaries=("tool", "call"), names=("pay",), moment="before")
    firings = Firings()
    fired = 0
    for calls in deaths:
        process = Injector(plan, firings=firings)
        fired += sum(len(process.strike(point)) for _ in range(calls + 1))
    assert fired == len(firings.list()) <= times


def test_a_restarted_process_reads_what_has_fired_from_the_file(tmp_path: Path) -> None:
    plan = FaultPlan(Fault(boundary="tool", name="pay", times=2, action=Kill()))
    path = plan.save(tmp_path / "plan.json")
    point = Point(boundaries=("tool", "call"), names=("pay",), moment="before", run="r1", number=3)
    struck = [Injector.of_file(path).strike(point) for _ in range(4)]
    assert struck == [[Kill()], [Kill()], [], []]
    kept = firings_of(path).list()
    assert [(one.fault, one.do, one.name, one.run, one.number, one.count) for one in kept] == [
        (0, "kill", "pay", "r1", 3, 1)
    ] * 2


def test_times_is_for_each_run_when_calls_are_counted_by_run() -> None:
    plan = FaultPlan(Fault(boundary="call", call=2, counted="run", action=Kill()))
    injector = Injector(plan)
    point = Point(boundaries=("tool", "call"), names=("pay",), moment="before", number=2)
    struck = [injector.strike(replace(point, run=run)) for run in ("a", "a", "b", "b")]
    assert struck == [[Kill()], [], [Kill()], []]


def test_a_window_fires_at_every_match_until_it_closes() -> None:
    time_s = [100.0]
    plan = FaultPlan(
        Fault(boundary="store", name="write", call=2, for_s=5.0, action=Fail(error="locked"))
    )
    injector = Injector(plan, waits=Waits(monotonic=lambda: time_s[0]))
    point = Point(boundaries=("store",), names=("insert calls", "write"), moment="before")
    struck = []
    for at_s in (100.0, 101.0, 105.9, 106.0, 107.0):
        time_s[0] = at_s
        struck.append(bool(injector.strike(point)))
    assert struck == [False, True, True, False, False]
    assert len(injector.firings) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"boundary": "tols"}, "no boundary"),
    ({"moment": "batch"}, "no moment"),
    ({"moment": "recorded", "action": {"do": "fail"}}, "cannot fail"),
    ({"moment": "before", "action": {"do": "mutate", "value": 1}}, "cannot mutate"),
    ({"action": {"do": "explode"}}, "no action"),
    ({"action": {"do": "delay"}}, "seconds"),
    ({"action": {"do": "delay", "seconds": -1}}, "no sense"),
    ({"action": {"do": "kill", "softly": True}}, "softly"),
    ({"action": {"do": "fail", "error": "locked"}}, "cannot fail as 'locked'"),
    ({"boundary": "store", "action": {"do": "fail"}}, "cannot fail as 'driver'"),
    ({"boundary": "store", "counted": "run"}, "no call numbers"),
    ({"call": 0}, "names no call"),
    ({"call": [3, 2]}, "names no call"),
    ({"times": 0}, "times is 0"),
    ({"for_s": 0}, "for_s is 0"),
    ({"counted": "moon"}, "counted is 'moon'"),
    ({"colour": "red"}, "colour"),
    ({"action": None}, "no action"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=[says for _, says in WRONG])
def test_a_plan_that_could_never_fire_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    good = {"boundary": "tool", "name": "pay", "action": {"do": "kill"}}
    FaultPlan.from_json([good])
    path = tmp_path / "plan.json"
    path.write_text(json.dumps([good, {**good, **change}]))
    with pytest.raises(ValueError, match=says) as error:
        FaultPlan.load(path)
    assert str(error.value).startswith(f"{path}: fault 1: ")


@pytest.mark.parametrize("text", ["", "{", "{}", "7", "[7]"])
def test_a_file_that_is_no_plan_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"plan\.json: "):
        FaultPlan.load(path)


def test_processes_take_turns_at_the_file(tmp_path: Path) -> None:
    """Two workers that look at once would both find that a fault may still fire."""
    path = tmp_path / "fired"
    firing = Firing(
        fault=0, do="kill", name="pay", moment="before", run=None, number=1, count=1, pid=1
    )
    claimed: list[bool] = []

    def claim() -> None:
        claimed.append(Firings(path).claim(firing, 1, per_run=False))

    waiting = threading.Thread(target=claim)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting.start()
        waiting.join(timeout=0.1)
        assert waiting.is_alive()
    waiting.join(timeout=10)
    claim()
    assert claimed == [True, False]
