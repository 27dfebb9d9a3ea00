"""A fake of the throttle: the real rules on a dict."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.breaker import (
    Breaker,
    BreakerTerms,
    Ended,
    Permit,
    allow,
    breaker_fact,
    matters,
    record,
)
from fairlead.core.event import Fact
from fairlead.core.rates import Bucket, Place, Rate, close, take
from fairlead.ports.clock import Clock


@dataclass
class FakeThrottle:
    """Keeps token buckets and breakers in memory.

    Attributes:
        clock: Time and chance.
        buckets: The state of each bucket, by name.
        breakers: The state of each breaker, by name.
        facts: Every change of a breaker, in order.
        takes: The name of each token that was asked for, in order.
    """

    clock: Clock
    buckets: dict[str, Bucket] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)

    def take(self, name: str, rate: Rate, *, most_s: float, held: float | None = None) -> Place:
        """Take a token, or reserve a place."""
        self.takes.append(name)
        bucket = self.buckets.get(name, Bucket())
        now = self.clock.now()
        self.buckets[name], place = take(bucket, rate, now, most_s=most_s, held=held)
        return place

    def close(self, name: str, rate: Rate, *, asked_s: float | None, let_at: float) -> None:
        """Let nobody through for a while."""
        bucket, now = self.buckets.get(name, Bucket()), self.clock.now()
        self.buckets[name] = close(
            bucket, rate, now, asked_s=asked_s, let_at=let_at, chance=self.clock.chance()
        )

    def allow(self, name: str, terms: BreakerTerms) -> Permit:
        """Decide whether a breaker lets a call pass."""
        before = self.breakers.get(name, Breaker())
        after, permit = allow(before, terms, self.clock.now())
        self._change(name, before, after)
        return permit

    def record(self, name: str, terms: BreakerTerms, *, permit: Permit, ended: Ended) -> None:
        """Count how a call ended that a breaker let pass."""
        if not matters(permit, ended):
            return
        before = self.breakers.get(name, Breaker())
        after = record(before, terms, self.clock.now(), permit=permit, ended=ended)
        self._change(name, before, after)

    def _change(self, name: str, before: Breaker, after: Breaker) -> None:
        self.breakers[name] = after
        fact = breaker_fact(name, before, after)
        if fact is not None:
            self.facts.append(fact)
