"""Rates and breakers: state that all workers share."""

from __future__ import annotations

from typing import Protocol

from fairlead.core.breaker import BreakerTerms, Ended, Permit
from fairlead.core.rates import Place, Rate


class Throttle(Protocol):
    """Keeps token buckets and breakers, by the name of what is asked."""

    def take(self, name: str, rate: Rate, *, most_s: float, held: float | None = None) -> Place:
        """Take a token, or reserve a place.

        Args:
            name: What is asked, such as `model:openai:gpt-5`.
            rate: Its rate.
            most_s: The longest wait that is of any use to the caller.
            held: A place that was reserved before; None for none.
        """
        ...

    def close(self, name: str, rate: Rate, *, asked_s: float | None, let_at: float) -> None:
        """Let nobody through for a while: the other side says that it is asked too often.

        Args:
            name: What was asked.
            rate: Its rate.
            asked_s: Seconds that the other side asks to wait; None when it does not say.
            let_at: When the call that got this answer was let through.
        """
        ...

    def allow(self, name: str, terms: BreakerTerms) -> Permit:
        """Decide whether a breaker lets a call pass.

        Args:
            name: What is asked.
            terms: When its breaker opens.
        """
        ...

    def record(self, name: str, terms: BreakerTerms, *, permit: Permit, ended: Ended) -> None:
        """Count how a call ended that a breaker let pass; a change has its event.

        Args:
            name: What was asked.
            terms: When its breaker opens.
            permit: What `allow` returned.
            ended: How the call ended.
        """
        ...
