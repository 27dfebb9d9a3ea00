"""The circuit breaker: what fails again and again is left alone for a while, then tried with care.

closed     calls pass; enough failures in a window open it
open       nothing passes, until its time is over
half_open  a few probes pass; when they succeed it closes, when one fails it opens again
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fairlead.core.event import Fact

Phase: TypeAlias = Literal["closed", "open", "half_open"]
Ended: TypeAlias = Literal["success", "failure", "neither"]
"""How a call ended: `neither` says nothing about the other side's health."""

PROBE_S_MAX = 120.0
"""A probe that has not come back after so long was lost with its worker."""

PROBE_WAIT_S = 1.0
"""How long to wait while others probe."""


@dataclass(frozen=True, kw_only=True)
class BreakerTerms:
    """When a breaker opens, and for how long.

    Attributes:
        failures: Failures in a row that open it.
        ratio: Share of failures that opens it, above 0.0 and at most 1.0.
        calls: The share counts from so many calls on.
        window_s: Seconds in which failures count together, from the first one on.
        open_s: Seconds for which it stays open.
        probes: Calls that may pass at the same time while it is half open; so many must succeed.
    """

    failures: int = 5
    ratio: float = 0.5
    calls: int = 20
    window_s: float = 60.0
    open_s: float = 30.0
    probes: int = 2

    def __post_init__(self) -> None:
        for name in ("failures", "calls", "probes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"breaker.{name} must be a whole number of at least 1")
        if not 0.0 < self.ratio <= 1.0:
            raise ValueError("breaker.ratio must be above 0.0 and at most 1.0")
        for name in ("window_s", "open_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"breaker.{name} must be a number of seconds above 0")


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """The state of a breaker; all times are seconds since 1970.

    Attributes:
        phase: closed, open or half_open.
        changed_at: When it last changed its phase.
        window_at: When the first failure of this window came.
        calls: Calls in this window.
        failures: Failures in this window.
        in_a_row: Failures since the last success in this window.
        probing: Probes that are out.
        probed_at: When the last probe was let through.
        passed: Probes that succeeded.
    """

    phase: Phase = "closed"
    changed_at: float = 0.0
    window_at: float = 0.0
    calls: int = 0
    failures: int = 0
    in_a_row: int = 0
    probing: int = 0
    probed_at: float = 0.0
    passed: int = 0


@dataclass(frozen=True, kw_only=True)
class Permit:
    """The answer to a call that wants to pass.

    Attributes:
        allowed: Whether it may.
        wait_s: Seconds until it is worth asking again; 0 when it may.
        since: When the breaker entered the phase in which this was decided.
        probe: Whether this call is a probe.
        clean: Whether no failure counts at present, so that a success changes nothing.
    """

    allowed: bool
    wait_s: float = 0.0
    since: float = 0.0
    probe: bool = False
    clean: bool = False


def allow(breaker: Breaker, terms: BreakerTerms, now: float) -> tuple[Breaker, Permit]:
    """Decide whether a call may pass."""
    if breaker.phase == "closed":
        clean = breaker.failures == 0
        return breaker, Permit(allowed=True, since=breaker.changed_at, clean=clean)
    if breaker.phase == "open":
        left_s = breaker.changed_at + terms.open_s - now
        if left_s > 0:
            return breaker, Permit(allowed=False, wait_s=left_s, since=breaker.changed_at)
        breaker = Breaker(phase="half_open", changed_at=now)
    lost = now - breaker.probed_at > PROBE_S_MAX
    probing = 0 if lost else breaker.probing
    if probing + breaker.passed >= terms.probes:
        return breaker, Permit(allowed=False, wait_s=PROBE_WAIT_S, since=breaker.changed_at)
    breaker = replace(breaker, probing=probing + 1, probed_at=now)
    return breaker, Permit(allowed=True, since=breaker.changed_at, probe=True)


def matters(permit: Permit, ended: Ended) -> bool:
    """Return whether a call's end can change anything; most ends need not even be looked at."""
    return permit.probe or ended == "failure" or (ended == "success" and not permit.clean)


def record(
    breaker: Breaker, terms: BreakerTerms, now: float, *, permit: Permit, ended: Ended
) -> Breaker:
    """Count how a call ended that was let through.

    Args:
        breaker: The state.
        terms: When it opens.
        now: The time.
        permit: What the call was let through with; one from before the last change counts no more.
        ended: How it ended.
    """
    if permit.since != breaker.changed_at or breaker.phase == "open":
        return breaker
    if breaker.phase == "half_open":
        return _probed(breaker, terms, now, ended)
    return _counted(breaker, terms, now, ended)


def _probed(breaker: Breaker, terms: BreakerTerms, now: float, ended: Ended) -> Breaker:
    if ended == "failure":
        return Breaker(phase="open", changed_at=now, failures=1, calls=1)
    passed = breaker.passed + (ended == "success")
    if passed >= terms.probes:
        return Breaker(phase="closed", changed_at=now)
    return replace(breaker, probing=max(breaker.probing - 1, 0), passed=passed)


def _counted(breaker: Breaker, terms: BreakerTerms, now: float, ended: Ended) -> Breaker:
    if breaker.failures and now - breaker.window_at > terms.window_s:
        breaker = Breaker(changed_at=breaker.changed_at)
    if ended == "neither" or (ended == "success" and not breaker.failures):
        return breaker
    if ended == "success":
        return replace(breaker, calls=breaker.calls + 1, in_a_row=0)
    breaker = replace(
        breaker,
        window_at=breaker.window_at if breaker.failures else now,
        calls=breaker.calls + 1,
        failures=breaker.failures + 1,
        in_a_row=breaker.in_a_row + 1,
    )
    many = breaker.calls >= terms.calls and breaker.failures >= terms.ratio * breaker.calls
    if many or breaker.in_a_row >= terms.failures:
        return replace(breaker, phase="open", changed_at=now)
    return breaker


def breaker_fact(name: str, before: Breaker, after: Breaker) -> Fact | None:
    """Return the event of a change, or None when nothing changed that must be known.

    Args:
        name: The breaker's name.
        before: The state before.
        after: The state after.
    """
    if before.phase == after.phase or after.phase == "half_open":
        return None
    if after.phase == "open":
        data = {"from": before.phase, "failures": after.failures, "calls": after.calls}
        return Fact(chain=f"breaker:{name}", type="breaker.opened", data=data)
    return Fact(chain=f"breaker:{name}", type="breaker.closed", data={"probes": before.passed + 1})
