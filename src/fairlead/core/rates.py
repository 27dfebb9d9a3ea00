"""Rates: how often all runs together may ask one model or tool.

A token bucket whose waiters reserve their places: whoever must wait is told for how long, and the
next one waits longer. So waiters come one after the other, and never all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fairlead.core.digests import digest

WAIT_S_MAX = 3600.0
"""Nobody reserves a place that is further away than this."""

LATE_S_MAX = 1.0
"""A reserved place that is not taken for so long is given up."""

CLOSED_S_MAX = 3600.0
"""Longest time for which the other side can close a bucket."""

CLOSED_S = 1.0
"""How long a bucket is closed, at first, when the other side does not say."""

CLOSED_JITTER_S_MAX = 1.0
"""A closed bucket may stay closed for a tenth of its time longer, and at most for this."""

SLOWDOWN_MAX = 256.0
"""A bucket is never slower than its rate divided by this."""

SLOW_SPACING_S_MAX = 60.0
"""However slow, a bucket gives a token back in this time, unless its rate is slower by itself."""

RECOVERY_S = 120.0
"""A bucket that was slowed down is twice as fast after this time, or after some tokens."""

_SLOWER, _FASTER = 2.0, 0.995
_SLACK_S = 1e-6
_NAME_MAX = 80


@dataclass(frozen=True)
class Rate:
    """How often something may be asked: in any time of `s` seconds at most calls * (1 + s / per_s).

    Attributes:
        calls: So many calls; as many may also come at once.
        per_s: In so many seconds.
    """

    calls: int
    per_s: float = field(kw_only=True)

    def __post_init__(self) -> None:
        # Values come from a file as well, where nothing has checked their types.
        calls: object = self.calls
        if isinstance(calls, bool) or not isinstance(calls, int) or calls < 1:
            raise ValueError("rate.calls must be a whole number of at least 1")
        if isinstance(self.per_s, bool) or not 0 < self.per_s < float("inf"):
            raise ValueError("rate.per_s must be a number of seconds above 0")

    @property
    def spacing_s(self) -> float:
        """Seconds in which one token comes back."""
        return self.per_s / self.calls


DEFAULT_RATE = Rate(6000, per_s=60.0)
"""The rate of a model or a tool for which none is declared."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The state of a token bucket; all times are seconds since 1970.

    Attributes:
        full_at: When it is full again, reserved places counted.
        spent_at: When it is full again, only those counted that were let through.
        closed_at: When the other side last said that it is asked too often.
        closed_until: Nobody is let through before.
        slowdown: Its rate is divided by this, at least 1; it recovers with each place and in time.
        slowed_at: The time to which that holds.
    """

    full_at: float = 0.0
    spent_at: float = 0.0
    closed_at: float = 0.0
    closed_until: float = 0.0
    slowdown: float = 1.0
    slowed_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """The answer to who asks for tokens.

    Attributes:
        granted: Whether the caller may go now.
        wait_s: Seconds to wait before asking again; 0 when granted.
        at: The place that is reserved, or when the caller was let through; None when there is
            none in reach, so that waiting is no use.
    """

    granted: bool
    wait_s: float
    at: float | None


def take(
    bucket: Bucket,
    rate: Rate,
    now: float,
    *,
    tokens: int = 1,
    most_s: float = WAIT_S_MAX,
    held: float | None = None,
) -> tuple[Bucket, Place]:
    """Take tokens, or reserve a place.

    Args:
        bucket: The state.
        rate: The rate.
        now: The time.
        tokens: How many, at most `rate.calls`.
        most_s: The longest wait that is of any use to the caller.
        held: A place that was reserved before; None for none.
    """
    if not 1 <= tokens <= rate.calls:
        raise ValueError(f"tokens must be from 1 to {rate.calls}")
    if held is not None and _stands(bucket, held, now):
        if held > now:
            return bucket, Place(granted=False, wait_s=held - now, at=held)
        return _let(bucket, rate, now, tokens=tokens, at=held)
    recovered = _recovered(bucket, now, tokens)
    spacing_s = _spacing_s(rate, recovered.slowdown) * tokens
    full_at = max(bucket.full_at, now) + spacing_s
    # However slow it is, a bucket that nobody asked for long has what one caller needs.
    at = max(full_at - max(rate.per_s, spacing_s), bucket.closed_until, now)
    if at - now > min(most_s, WAIT_S_MAX):
        return bucket, Place(granted=False, wait_s=at - now, at=None)
    bucket = replace(recovered, full_at=full_at)
    if at > now:
        return bucket, Place(granted=False, wait_s=at - now, at=at)
    return _let(bucket, rate, now, tokens=tokens, at=at)


def _spacing_s(rate: Rate, slowdown: float) -> float:
    """Return the seconds in which one token comes back to a bucket that was slowed down."""
    return min(rate.spacing_s * slowdown, max(rate.spacing_s, SLOW_SPACING_S_MAX))


def _recovered(bucket: Bucket, now: float, tokens: int) -> Bucket:
    if bucket.slowdown == 1.0:
        return bucket
    halves = max(now - bucket.slowed_at, 0.0) / RECOVERY_S
    slowdown = max(bucket.slowdown * _FASTER**tokens * 0.5**halves, 1.0)
    return replace(bucket, slowdown=slowdown, slowed_at=max(now, bucket.slowed_at))


def _stands(bucket: Bucket, held: float, now: float) -> bool:
    """Whether a reserved place still holds: nobody closed the bucket, and its owner is in time."""
    return bucket.closed_until <= max(held, now) and now - held <= LATE_S_MAX


def _let(bucket: Bucket, rate: Rate, now: float, *, tokens: int, at: float) -> tuple[Bucket, Place]:
    """Let a caller through, unless those who came late to their places used the tokens up."""
    spent_at = max(bucket.spent_at, now) + rate.spacing_s * tokens
    early_s = spent_at - now - rate.per_s
    if early_s > _SLACK_S:
        return bucket, Place(granted=False, wait_s=early_s, at=at)
    return replace(bucket, spent_at=spent_at), Place(granted=True, wait_s=0.0, at=now)


def close(
    bucket: Bucket, rate: Rate, now: float, *, asked_s: float | None, let_at: float, chance: float
) -> Bucket:
    """Close a bucket, because the other side says that it is asked too often.

    Everybody waits; after that calls come one by one, at half the rate. Several such answers to
    what was let through before the first of them slow the bucket down once.

    Args:
        bucket: The state.
        rate: The rate.
        now: The time.
        asked_s: Seconds that the other side asks to wait; None when it does not say.
        let_at: When the call that got this answer was let through.
        chance: From 0.0 up to 1.0, for jitter.
    """
    first = let_at > bucket.closed_at
    slowdown = min(bucket.slowdown * _SLOWER, SLOWDOWN_MAX) if first else bucket.slowdown
    pause_s = CLOSED_S * slowdown if asked_s is None else max(asked_s, 0.0)
    pause_s = min(pause_s, CLOSED_S_MAX)
    jitter_s = min(pause_s / 10, CLOSED_JITTER_S_MAX) * chance
    until = max(now + pause_s + jitter_s, bucket.closed_until)
    spacing_s = _spacing_s(rate, slowdown)
    return replace(
        bucket,
        full_at=max(bucket.full_at, until + max(rate.per_s, spacing_s) - spacing_s),
        closed_at=now if first else bucket.closed_at,
        closed_until=until,
        slowdown=slowdown,
        slowed_at=until,
    )


THROTTLED = ("model", "tool")
"""Kinds of call that go to somebody who can be asked too often."""


def throttle_name(kind: str, name: str) -> str:
    """Return the name under which a model's or a tool's state is shared.

    Args:
        kind: `model` or `tool`.
        name: Its name; a long one is cut, and stays apart from others by its digest.
    """
    full = f"{kind}:{name}"
    return full if len(full) <= _NAME_MAX else f"{full[: _NAME_MAX - 17]}-{digest(full)[:16]}"
