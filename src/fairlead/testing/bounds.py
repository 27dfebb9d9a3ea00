"""Fakes of budgets, prices and kill switches: the real rules in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.amounts import NOTHING, Amount
from fairlead.core.budget import Charge, Exhausted, Hold, take, used_of
from fairlead.core.calls import Call, Result, Unknown
from fairlead.core.errors import KillNotFound
from fairlead.core.event import Fact
from fairlead.core.kill import Kill, KillScope
from fairlead.ports.budgets import PotRecord
from fairlead.ports.clock import Clock
from fairlead.ports.journal import Execution
from fairlead.ports.runs import Order


@dataclass
class FakeBudgets:
    """Keeps pots in memory, without chunks.

    Attributes:
        clock: Time, which begins windows.
        taken: What is taken of each pot, by its id and when its window began.
        holds: What is reserved, by run, number and pot, with its window.
        reserves: The place of each call that asked, in order.
        facts: Every event, in order.
    """

    clock: Clock
    taken: dict[tuple[str, float], Amount] = field(default_factory=dict)
    holds: dict[tuple[str, int, str], tuple[Hold, float]] = field(default_factory=dict)
    reserves: list[tuple[str, int]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def reserve(
        self,
        call: Call,
        charges: Sequence[Charge],
        worker_id: str,  # noqa: ARG002 - the port's signature
        *,
        forced: bool = False,
    ) -> Exhausted | None:
        """Reserve for a call from all pots that concern it, or from none."""
        place = (call.run_id, call.number)
        self.reserves.append(place)
        if any(known[:2] == place for known in self.holds):
            return None
        made: list[tuple[Charge, float, Amount]] = []
        for charge in charges:
            begins_at, ends_at = charge.budget.window(self.clock.now())
            taken = self.taken.get((charge.pot, begins_at), NOTHING)
            found = take(
                taken,
                unspent=NOTHING,
                limit=charge.budget.limit,
                need=charge.need,
                chunked=False,
                forced=forced,
            )
            if found is None:
                exhausted = Exhausted(charge=charge, used=taken, ends_at=ends_at)
                if exhausted.fact not in self.facts:
                    self.facts.append(exhausted.fact)
                return exhausted
            made.append((charge, begins_at, found.taken))
        for charge, begins_at, taken in made:
            self.taken[charge.pot, begins_at] = taken
            hold = Hold(reserved=charge.need, units=tuple(charge.budget.limit))
            self.holds[(*place, charge.pot)] = hold, begins_at
        return None

    def note(self, call: Call, *, busy_s: float, charged: bool) -> None:
        """Add what a failed try used to what is reserved for its call."""
        for key, (hold, begins_at) in self.holds.items():
            if key[:2] == (call.run_id, call.number):
                more = Amount(ms=round(busy_s * 1000))
                if charged:
                    more = more + hold.reserved.only(("tokens", "nano_usd"))
                self.holds[key] = replace(hold, spent=hold.spent + more), begins_at

    def settle(self, call: Call, result: Result, execution: Execution) -> None:
        """Settle what was reserved for a call, as the journal does in its own transaction."""
        if isinstance(result, Unknown) or not execution.budgeted:
            return
        for key in [key for key in self.holds if key[:2] == (call.run_id, call.number)]:
            hold, begins_at = self.holds.pop(key)
            used = used_of(hold, result, busy_s=execution.busy_s)
            place = key[2], begins_at
            self.taken[place] = self.taken[place] - hold.reserved + used

    def list(self, *, limit: int = 100) -> Sequence[PotRecord]:  # noqa: ARG002
        """Return nothing: nobody lists a fake."""
        return ()


@dataclass
class FakePrices:
    """Knows the price of a token.

    Attributes:
        token_usd: US dollars for each token, in or out; None when no price is known.
    """

    token_usd: float | None = None

    def cost_usd(
        self,
        model: str,  # noqa: ARG002 - the port's signature
        *,
        input_tokens: int,
        output_tokens: int,
    ) -> float | None:
        """Return what a turn costs at most."""
        return None if self.token_usd is None else self.token_usd * (input_tokens + output_tokens)


@dataclass
class FakeKills:
    """Keeps kill switches in a dict.

    Attributes:
        clock: Time.
        kills: Those that are pulled.
        reads: How often they were read.
        error: Raised by the next readings; None for nothing.
    """

    clock: Clock
    kills: dict[tuple[str, str], Kill] = field(default_factory=dict)
    reads: int = 0
    error: Exception | None = None

    def active(self) -> Sequence[Kill]:
        """Return every switch that is pulled."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        return list(self.kills.values())

    def pull(self, scope: KillScope, which: str, order: Order) -> tuple[Kill, bool]:
        """Pull a switch; one that is pulled already stays as it is."""
        known = self.kills.get((scope, which))
        if known is not None:
            return known, False
        at = self.clock.now()
        kill = Kill(scope=scope, which=which, by=order.by, reason=order.reason, at=at)
        self.kills[scope, which] = kill
        return kill, True

    def lift(self, scope: KillScope, which: str, order: Order) -> Kill:  # noqa: ARG002
        """Lift a switch, and return it as it was."""
        if (scope, which) not in self.kills:
            raise KillNotFound(f"no kill switch is pulled for {scope} {which}")
        return self.kills.pop((scope, which))
