"""Where releases stand in an environment, rollouts, and what became of the runs in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from fairlead.core.analysis import Invariant
from fairlead.core.digests import Json
from fairlead.core.outcome import RunState
from fairlead.core.rollout import Rollout
from fairlead.core.routing import Arm, Routes
from fairlead.ports.runs import Order

DeploymentState: TypeAlias = Literal[
    "inactive", "ramping", "current", "draining", "drained", "retired"
]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where a release stands in an environment.

    Attributes:
        environment: The environment.
        release: Digest of the release.
        code_digest: Digest of its code.
        state: ramping or current while new runs start on it; draining until its last run has
            ended, then drained; retired when no worker is kept for it any more.
        weight: Share of new runs that start on it; above 0 for a draining one as well, while its
            successor is observed.
        since: Seconds since 1970.
        in_flight: Runs of it in the environment that have not ended.
    """

    environment: str
    release: str
    code_digest: str
    state: DeploymentState
    weight: float
    since: float
    in_flight: int = 0


@dataclass(frozen=True, kw_only=True)
class LiveCode:
    """Code that must have a worker.

    Attributes:
        code_digest: Its digest.
        release: A release of it, the newest.
        in_flight: Runs in the environment that have not ended.
        oldest_at: When the oldest of them was admitted; None for none.
        routed: Whether new runs start on it, or will once it has a worker.
        served: Whether a worker of it lives.
    """

    code_digest: str
    release: str
    in_flight: int
    oldest_at: float | None
    routed: bool
    served: bool


class DeploymentStore(Protocol):
    """Knows where releases stand."""

    def list(self, environment: str) -> Sequence[Deployment]:
        """Return where releases stand, the newest change first."""
        ...

    def live_code(self, environment: str, lease_s: float) -> Sequence[LiveCode]:
        """Return the code that must have a worker: new runs start on it, or some have not ended.

        Args:
            environment: The environment whose runs count; one of no environment counts in each.
            lease_s: Seconds without a heartbeat after which a worker counts as dead.
        """
        ...

    def sweep(self, environment: str, retire_after_s: float) -> int:
        """Note which releases are drained, and which are retired; return how many changed."""
        ...

    def strand(self, lease_s: float, after_s: float) -> Sequence[str]:
        """Note, once, which releases have runs that no worker can take, or have not any more.

        Runs of all environments count: a worker takes those of its code, wherever they began.

        Args:
            lease_s: Seconds without a heartbeat after which a worker counts as dead.
            after_s: Seconds for which a run is left alone by that.

        Returns:
            Digests of the releases whose runs are stranded now.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of a rollout ended.

    Attributes:
        state: Its final state.
        duration_s: Seconds from its admission to its end, without those for which it was paused.
        cost_usd: What it and its children cost.
        calls: Calls that it and its children made.
        failed_checks: Names of the guardrails that did not pass.
        code: Code of the error that ended it; empty for none.
        unread: Why its outcome, and so what its checks and its code were, cannot be read; empty
            when it can.
    """

    state: RunState
    duration_s: float
    cost_usd: float
    calls: int
    failed_checks: tuple[str, ...] = ()
    code: str = ""
    unread: str = ""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody said of a run.

    Attributes:
        number: Its number.
        name: What it is about: `outcome`, or the name of a metric of feedback.
        value: `good`, `bad`, or a number.
        unread: Why the value cannot be read; empty when it can.
    """

    number: int
    name: str
    value: Json
    unread: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A run of a rollout of which something is to be counted.

    Attributes:
        number: Its number, in the order of admission.
        run_id: The run.
        arm: On which side it is.
        probability: Probability of the canary when it was drawn.
        unit: What counts once.
        admitted_at: Seconds since 1970.
        place: Its place among the canary's runs, -1 for the baseline; None when its admission was
            not counted yet.
        was_counted: Whether its end was counted.
        ended: How it ended; None while it goes on.
        said: What was said of it and is not counted yet.
        breaches: What it did that must never happen, as the record shows.
        waited_s: Seconds for which it, or one of its children, waited for an approval or a signal.
        waits: Whether it does so now.
    """

    number: int
    run_id: str
    arm: Arm
    probability: float
    unit: str
    admitted_at: float
    place: int | None
    was_counted: bool
    ended: Ended | None
    said: tuple[Said, ...] = ()
    breaches: tuple[Invariant, ...] = ()
    waited_s: float = 0.0
    waits: bool = False


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a unit was counted as by a metric.

    Attributes:
        metric: The metric; empty for the admission of the unit itself.
        unit: The unit.
        counted: `good`, `bad`, `number` or `excluded`; `void` when a person stopped its only run,
            and it counts by its next one; `aside` when it is good on the other side, and is left
            out on this one.
        arm: On which side.
        place: Its place among the canary's units; -1 for the baseline.
    """

    metric: str
    unit: str
    counted: str
    arm: Arm
    place: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is known of a rollout at one look.

    Attributes:
        now: Seconds since 1970.
        served: Whether a worker of the candidate's code lives.
        in_flight: Runs of the candidate that have not ended.
        samples: Runs of which something is to be counted, in the order of their admission.
        counted: What their units were counted as before, by metric and unit.
    """

    now: float
    served: bool
    in_flight: int
    samples: tuple[Sample, ...] = ()
    counted: Mapping[tuple[str, str], Counted] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was counted at one look.

    Attributes:
        rollout: Where the rollout stands.
        places: Place of each sample whose admission was counted, by its number.
        due: When a sample's next outcome is overdue, by its number; None for never.
        ended: Numbers of the samples whose end was counted.
        counted: What units were counted as.
        said: Numbers of the words that were taken into account.
    """

    rollout: Rollout
    places: Mapping[int, int] = field(default_factory=dict)
    due: Mapping[int, float | None] = field(default_factory=dict)
    ended: tuple[int, ...] = ()
    counted: tuple[Counted, ...] = ()
    said: tuple[int, ...] = ()


Decide: TypeAlias = Callable[[Rollout, Look], Tally]
"""Says where a rollout stands after a look; it is pure."""

Change: TypeAlias = Callable[[Rollout, float], Rollout]
"""Says where a rollout stands after an order of a person, at a time; it may raise."""


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What somebody says of a run after its end.

    Attributes:
        run_id: The run.
        name: What it is about: `outcome`, or the name of a metric of feedback.
        value: `good`, `bad`, or a number.
        order: Who says it, and why.
        id: Makes a second telling the same; empty for a new one.
    """

    run_id: str
    name: str
    value: Json
    order: Order
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What became of a word on a run.

    Attributes:
        new: False when it was said before under its id: then nothing was changed.
        run_id: The run that it is on; for a child's its root.
        rollout: The rollout that this run is in; empty for none.
        counts: Whether that rollout goes on, and counts words.
        warning: Why it counts this one for nothing all the same, in words; empty when it does not.
    """

    new: bool
    run_id: str
    rollout: str = ""
    counts: bool = False
    warning: str = ""


class RolloutStore(Protocol):
    """Keeps rollouts; each change with its events, the deployments and the pointer."""

    def routes(self, environment: str) -> Routes | None:
        """Return where new runs start; None when no release is active."""
        ...

    def start(self, rollout: Rollout) -> None:
        """Record a rollout that begins.

        Raises:
            RolloutOpen: Another one goes on in the environment.
            RouteClosed: Another release than its baseline is active there by now.
        """
        ...

    def open(self, environment: str) -> Rollout | None:
        """Return the rollout that goes on in an environment, or one that is aborted; else None."""
        ...

    def to_look_at(self, environment: str, by: str) -> Sequence[str]:
        """Return the ids of an environment's open rollouts that nobody else looks at, oldest first.

        Args:
            environment: The environment.
            by: The process that asks.
        """
        ...

    def get(self, rollout_id: str) -> Rollout:
        """Return a rollout by its id or a prefix that only one has.

        Raises:
            UnknownRollout: There is none, or more than one.
        """
        ...

    def list(self, environment: str, limit: int = 20) -> Sequence[Rollout]:
        """Return an environment's rollouts, newest first."""
        ...

    def look(self, rollout_id: str, decide: Decide, *, by: str, lease_s: float) -> Rollout:
        """Count what became known and go on, in one transaction; any process may do it.

        Args:
            rollout_id: The rollout.
            decide: Says where it stands then.
            by: Which process does it.
            lease_s: Seconds without a heartbeat after which a worker counts as dead.
        """
        ...

    def change(self, rollout_id: str, change: Change, order: Order, verb: str) -> Rollout:
        """Carry out a person's order, in one transaction.

        Args:
            rollout_id: The rollout.
            change: Says where it stands then.
            order: Who and why.
            verb: What was ordered.

        Raises:
            RolloutEnded: It has ended.
        """
        ...

    def in_flight(self, rollout: Rollout, limit: int) -> Sequence[str]:
        """Return ids of runs that it gave to its candidate and that have not ended, in order."""
        ...

    def say(self, feedback: Feedback) -> Heard:
        """Record what somebody says of a run, with its event, unless it was said before.

        A word on a child is one on its root: that was given to a side.
        """
        ...
