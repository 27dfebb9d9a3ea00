"""Fault plans: values that say what breaks where, and at which call."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.testing.faults.actions import (
    Action,
    Answer,
    Delay,
    Exit,
    Fail,
    Hang,
    Kill,
    Lose,
    Mutate,
    Repeat,
    Skew,
    Stop,
    action_from_json,
    action_to_json,
)

Boundary: TypeAlias = Literal[
    "call", "model", "tool", "retrieval", "store", "queue", "clock", "exporter", "human"
]
"""Where a fault strikes; `call` is a call of any kind."""

Moment: TypeAlias = Literal[
    "", "asked", "before", "inside", "after", "recorded", "read", "batch", "answered", "resumed"
]

CALLS: frozenset[str] = frozenset(("call", "model", "tool", "retrieval"))
TIMES_MAX = 1_000_000
"""How often a fault with an open end fires at most."""

_PROCESS = (Kill, Stop, Exit, Delay)
_CALL_MOMENTS: dict[str, tuple[type[Any], ...]] = {
    "before": (*_PROCESS, Hang, Fail),
    "inside": (*_PROCESS, Hang, Fail, Mutate),
    "asked": (*_PROCESS, Hang),
    "after": (*_PROCESS, Hang),
    "recorded": (*_PROCESS, Hang),
}
_MOMENTS: dict[str, dict[str, tuple[type[Any], ...]]] = {
    **dict.fromkeys(CALLS, _CALL_MOMENTS),
    "store": {"before": (*_PROCESS, Fail), "after": (*_PROCESS, Fail)},
    "queue": {"before": (*_PROCESS, Fail), "after": (*_PROCESS, Repeat)},
    "clock": {"read": (Skew, Delay)},
    "exporter": {"batch": (Fail, Delay, Hang, Lose)},
    "human": {
        "asked": _PROCESS,
        "answered": (*_PROCESS, Answer),
        "resumed": _PROCESS,
    },
}
"""What may be done at which moment; a boundary's first moment is its default."""

_BODY_ERRORS = frozenset(("driver", "connection", "timeout", "bug"))
_STORE_ERRORS = frozenset(("locked", "full", "lost", "readonly", "corrupt"))
_ERRORS: dict[str, frozenset[str]] = {
    **dict.fromkeys(CALLS, _BODY_ERRORS),
    "store": _STORE_ERRORS,
    "queue": _STORE_ERRORS,
    "exporter": frozenset(("unavailable", "busy")),
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that breaks.

    What is counted is how often everything else of the fault matched: boundary, name, moment and
    run. So the same calls in the same order always meet the same faults.

    Attributes:
        boundary: Where it strikes.
        action: What it does.
        name: Name of the model, tool, store method, statement or queue; `*` stands for any text.
        call: At which match, from 1: a number, or the first and the last one; None as the last one
            is an open end.
        moment: When; empty for the boundary's own first moment.
        counted: `process` counts matches in this process; `run` takes the call's number in its
            run, which is the same after a restart.
        run: Only for this run; None for any.
        times: How often it fires, over all processes that share the plan's file, and for each run
            when it is counted by run; None for as many calls as `call` names.
        for_s: Seconds after a firing for which every further match fires too; None for none.
    """

    boundary: Boundary
    action: Action
    name: str = "*"
    call: int | tuple[int, int | None] = 1
    moment: Moment = ""
    counted: Literal["process", "run"] = "process"
    run: str | None = None
    times: int | None = None
    for_s: float | None = None

    def __post_init__(self) -> None:
        """Fill in what follows from the rest, and refuse what could never strike.

        Raises:
            ValueError: With what is wrong.
        """
        moments = _MOMENTS.get(self.boundary)
        if moments is None:
            raise ValueError(f"{self.boundary!r} is no boundary; there are {', '.join(_MOMENTS)}")
        moment: str = self.moment or next(iter(moments))
        if moment not in moments:
            raise ValueError(
                f"{self.boundary} has no moment {moment!r}; it has {', '.join(moments)}"
            )
        if not isinstance(self.action, moments[moment]):
            raise ValueError(f"{self.boundary} cannot {self.action.do} at the moment {moment!r}")
        first, last = self.calls
        if first < 1 or (last is not None and last < first):
            raise ValueError(f"call {self.call!r} names no call; the first one is 1")
        times = self.times
        if times is None:
            times = TIMES_MAX if last is None else last - first + 1
        if not 1 <= times <= TIMES_MAX:
            raise ValueError(f"times is {times}; it is from 1 to {TIMES_MAX}")
        if self.counted not in ("process", "run"):
            raise ValueError(f"counted is {self.counted!r}; it is process or run")
        if self.counted == "run" and self.boundary not in CALLS:
            raise ValueError(f"{self.boundary} has no call numbers; count by process")
        if self.for_s is not None and not (math.isfinite(self.for_s) and self.for_s > 0):
            raise ValueError(f"for_s is {self.for_s}; it is a number above 0")
        _check(self.boundary, self.action)
        # Filled in, so that two faults that mean the same are equal.
        object.__setattr__(self, "moment", moment)
        object.__setattr__(self, "times", times)

    @property
    def calls(self) -> tuple[int, int | None]:
        """First and last match at which it strikes; None as the last one is an open end."""
        if isinstance(self.call, int):
            return self.call, self.call
        first, last = self.call
        return first, last

    @property
    def limit(self) -> int:
        """How often it fires at most."""
        return TIMES_MAX if self.times is None else self.times

    def concerns(self, point: Point) -> bool:
        """Whether it looks at a point at all, whatever the count."""
        if self.boundary not in point.boundaries or self.moment != point.moment:
            return False
        if self.run is not None and self.run != point.run:
            return False
        return any(fnmatchcase(name, self.name) for name in point.names)

    def strikes_at(self, count: int) -> bool:
        """Whether it strikes at its n-th match."""
        first, last = self.calls
        return first <= count and (last is None or count <= last)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place in the platform at a moment, as it is reached.

    Attributes:
        boundaries: What it belongs to, such as `tool` and `call`.
        names: What it is called; a write is `write` beside its own name.
        moment: When.
        run: The run; None when it belongs to none or to many.
        number: The call's number in its run; None when it is no call.
    """

    boundaries: tuple[str, ...]
    names: tuple[str, ...]
    moment: str
    run: str | None = None
    number: int | None = None


class FaultPlan(Sequence[Fault]):
    """An immutable list of faults; it travels to another process as a JSON file."""

    def __init__(self, *faults: Fault) -> None:
        self._faults = faults

    def __len__(self) -> int:
        return len(self._faults)

    def __getitem__(self, place: Any) -> Any:
        return self._faults[place]

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaultPlan) and self._faults == other._faults

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    def __repr__(self) -> str:
        return f"FaultPlan{self._faults!r}"

    def to_json(self) -> list[Json]:
        """Return the plan as JSON."""
        return [_fault_to_json(fault) for fault in self._faults]

    @classmethod
    def from_json(cls, data: Json) -> FaultPlan:
        """Rebuild a plan.

        Raises:
            ValueError: With the fault's place in the list and what is wrong with it.
        """
        if not isinstance(data, list):
            raise ValueError("a fault plan is a JSON list")
        faults = []
        for place, item in enumerate(data):
            try:
                faults.append(_fault_from_json(item))
            except (TypeError, ValueError) as error:
                raise ValueError(f"fault {place}: {error}") from error
        return cls(*faults)

    def save(self, path: Path) -> Path:
        """Write the plan to a file and return its path."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> FaultPlan:
        """Read a plan from a file.

        Raises:
            ValueError: The file is no plan; the message names it.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _check(boundary: str, action: Action) -> None:
    if isinstance(action, Fail) and action.error not in _ERRORS[boundary]:
        there = ", ".join(sorted(_ERRORS[boundary]))
        raise ValueError(f"{boundary} cannot fail as {action.error!r}; it can as {there}")
    seconds = getattr(action, "seconds", 0.0)
    if not math.isfinite(seconds) or (isinstance(action, Delay) and seconds <= 0):
        raise ValueError(f"{action.do} of {seconds} seconds makes no sense")


def _fault_to_json(fault: Fault) -> dict[str, Json]:
    first, last = fault.calls
    data: dict[str, Json] = {
        "boundary": fault.boundary,
        "name": fault.name,
        "call": first if first == last else [first, last],
        "moment": fault.moment,
        "counted": fault.counted,
        "times": fault.times,
        "action": action_to_json(fault.action),
    }
    if fault.run is not None:
        data["run"] = fault.run
    if fault.for_s is not None:
        data["for_s"] = fault.for_s
    return data


def _fault_from_json(data: Json) -> Fault:
    if not isinstance(data, dict) or not isinstance(data.get("action"), dict):
        raise ValueError("it has no action")
    fields = {**data, "action": action_from_json(data["action"])}
    call = fields.get("call", 1)
    if isinstance(call, list):
        first, last = call
        # One call has one spelling, so that a plan that travelled is equal to the one that left.
        fields["call"] = first if first == last else (first, last)
    return Fault(**fields)
