"""Budgets: what all runs together may use in a window of time, or a run and its children at all.

A pot holds what one budget allows to one tenant, workflow, model, app or run. Who reserves takes
from the chunk that its worker has leased from the pot; only who finds the chunk too small goes to
the pot. What is leased counts as taken, so the pot is never exceeded, whoever dies with a chunk.
When the pot is short, what is unspent of all chunks is taken back first: so it can be used up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from fairlead.core.amounts import NANO, NOTHING, UNITS, Amount, amount_of, amount_text, unit_word
from fairlead.core.calls import Call, Done, Failed, Refused, Result, Usage
from fairlead.core.digests import digest
from fairlead.core.errors.call import (
    AnswerCut,
    AnswerFiltered,
    AnswerTruncated,
    AnswerUnreadable,
    CallTimedOut,
)
from fairlead.core.event import Fact

BudgetScope: TypeAlias = Literal["run", "workflow", "tenant", "app", "model"]

BUDGETS_MAX = 20
"""Most budgets of one release: each call reserves from every one that concerns it."""

PER_S_MAX = 366 * 86_400.0
"""Longest window of a budget."""

NAME_CHARS_MAX = 60
"""Longest name of a budget."""

CHUNK_SHARE = 16
"""A chunk has this share of what is left of the pot, so chunks become smaller towards its end."""

CHUNK_CALLS_MAX = 64
"""A chunk is enough for so many more calls like the one that needs it, at most."""

OUTPUT_TOKENS = 4096
"""Output that is reserved for a model turn whose settings have no `max_tokens`."""

_CHAIN_CHARS_MAX = 100

CHARGED = frozenset(
    cls.code for cls in (AnswerTruncated, AnswerCut, AnswerUnreadable, AnswerFiltered, CallTimedOut)
)
"""Failures after which the provider has worked and nobody says for how much."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be used.

    Attributes:
        name: Its name, which no other budget of the release has.
        scope: Whose use is counted together: a run's with its children, a workflow's, a tenant's,
            the app's or a model's.
        which: The workflow, the tenant or the model; `*` gives each of them a pot of its own.
        per_s: Seconds of a window, by the database's clock and from 1970 on; None for a run, whose
            budget is for its whole life.
        calls: Calls; None for no bound.
        tokens: Tokens of model turns, in and out; None for no bound.
        cost_usd: Money for models; None for no bound.
        seconds: Time for which bodies of calls are executed; None for no bound.
    """

    name: str
    scope: BudgetScope
    which: str = "*"
    per_s: float | None = None
    calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        # Values come from a file as well, where nothing has checked their types.
        name: object = self.name
        which: object = self.which
        named = isinstance(name, str) and 0 < len(name) <= NAME_CHARS_MAX and name.isprintable()
        if not named:
            raise ValueError(f"name must be text of 1 to {NAME_CHARS_MAX} printable characters")
        if self.scope not in get_args(BudgetScope):
            raise ValueError(f"scope must be one of {', '.join(get_args(BudgetScope))}")
        if not isinstance(which, str) or not which:
            raise ValueError("which must be a name, or * for each one")
        if self.scope in ("run", "app") and self.which != "*":
            raise ValueError(f"which names nothing for the scope {self.scope}")
        if (self.scope == "run") != (self.per_s is None):
            raise ValueError("per_s must be there, but for the scope run, whose life is the window")
        if self.per_s is not None and not _within(self.per_s, 1.0, PER_S_MAX):
            raise ValueError(f"per_s must be a number of seconds from 1 to {PER_S_MAX:g}")
        for unit in ("calls", "tokens"):
            value = getattr(self, unit)
            if value is not None and (type(value) is not int or not _within(value, 1, 2**53)):
                raise ValueError(f"{unit} must be a whole number of at least 1")
        for unit in ("cost_usd", "seconds"):
            value = getattr(self, unit)
            if value is not None and not _within(value, 1e-6, 1e9):
                raise ValueError(f"{unit} must be a number from 0.000001 to a thousand millions")
        if not self.limit:
            raise ValueError("at least one of calls, tokens, cost_usd and seconds must be there")

    @property
    def limit(self) -> dict[str, int]:
        """The bound of each unit that has one, by the units of `Amount`."""
        bounds = {
            "calls": self.calls,
            "tokens": self.tokens,
            "nano_usd": None if self.cost_usd is None else round(self.cost_usd * NANO),
            "ms": None if self.seconds is None else max(round(self.seconds * 1000), 1),
        }
        return {unit: bound for unit, bound in bounds.items() if bound is not None}

    def window(self, now: float) -> tuple[float, float | None]:
        """Return when the window of a moment begins and ends; a run's never ends."""
        if self.per_s is None:
            return 0.0, None
        begun = now // self.per_s * self.per_s
        return begun, begun + self.per_s


def _within(value: object, least: float, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and least <= value <= most  # type: ignore[operator]


@dataclass(frozen=True, kw_only=True)
class Asker:
    """For whom a call is made.

    Attributes:
        app: The app.
        workflow: The workflow.
        tenant: The tenant.
        root_id: The oldest run of the family.
    """

    app: str
    workflow: str
    tenant: str
    root_id: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One pot that a call reserves from.

    Attributes:
        app: The app whose budget it is.
        budget: The budget.
        value: Whose pot it is, such as the tenant's name.
        need: The most that the call is expected to use, in the budget's units.
    """

    app: str
    budget: Budget
    value: str
    need: Amount

    @property
    def pot(self) -> str:
        """The pot's id: with another period a budget begins anew, with another limit it goes on."""
        budget = self.budget
        return digest([self.app, budget.name, budget.scope, budget.per_s, self.value])[:32]

    @property
    def terms(self) -> str:
        """Digest of the limit under which a chunk is leased."""
        return digest(self.budget.limit)[:16]

    @property
    def whose(self) -> str:
        """The pot in words."""
        of = f"of {self.budget.scope} {self.value}"
        return f"budget {self.budget.name} {of}"


def charges_of(
    budgets: Sequence[Budget], asker: Asker, call: Call, need: Amount
) -> tuple[Charge, ...]:
    """Return the pots that a call reserves from, in the one order in which they are locked.

    Args:
        budgets: The release's budgets.
        asker: For whom the call is made.
        call: The call.
        need: The most that it is expected to use.
    """
    values: dict[str, str | None] = {
        "run": asker.root_id,
        "workflow": asker.workflow,
        "tenant": asker.tenant,
        "app": asker.app,
        "model": call.name if call.kind == "model" else None,
    }
    found = []
    for budget in budgets:
        value = values[budget.scope]
        if value is not None and budget.which in ("*", value):
            needed = need.only(budget.limit)
            found.append(Charge(app=asker.app, budget=budget, value=value, need=needed))
    return tuple(sorted(found, key=lambda charge: charge.pot))


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a reservation leaves.

    Attributes:
        taken: What is taken of the pot now, the new chunk with it.
        left: What is left of the worker's own chunk.
    """

    taken: Amount
    left: Amount


def take(
    taken: Amount,
    *,
    unspent: Amount,
    limit: Mapping[str, int],
    need: Amount,
    chunked: bool,
    forced: bool = False,
) -> Taken | None:
    """Reserve from a pot, and lease a chunk with it.

    Args:
        taken: What is taken of the pot: reserved, used and leased.
        unspent: What is unspent of the chunks that are taken back with this.
        limit: The bound of each unit that has one.
        need: What is reserved.
        chunked: Whether a chunk is leased beyond what is needed.
        forced: Whether it is reserved even when there is not enough.

    Returns:
        What it leaves; None when there is not enough.
    """
    before = taken - unspent
    free = {unit: bound - asdict(before)[unit] for unit, bound in limit.items()}
    needs = asdict(need)
    short = any(needs[unit] > 0 and free[unit] < needs[unit] for unit in limit)
    if short and not forced:
        return None
    extra = NOTHING
    if chunked:
        shares = {unit: (free[unit] - needs[unit]) // CHUNK_SHARE for unit in limit}
        most = {unit: needs[unit] * CHUNK_CALLS_MAX for unit in limit}
        extra = Amount(**{unit: max(min(shares[unit], most[unit]), 0) for unit in limit})
    return Taken(taken=before + need + extra, left=extra)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What is reserved for one call from one pot.

    Attributes:
        reserved: What was reserved.
        spent: What tries used that failed.
        units: The units that the budget bounds.
    """

    reserved: Amount
    spent: Amount = field(default_factory=Amount)
    units: tuple[str, ...] = UNITS


def used_of(hold: Hold, result: Result, *, busy_s: float) -> Amount:
    """Return what a call used in the end, as far as anybody knows.

    A call that was reserved counts as one, however it ended: it may have been executed.

    Args:
        hold: What is reserved for it.
        result: How it came back.
        busy_s: Seconds for which its last try was executed.
    """
    if isinstance(result, Refused):
        return hold.reserved
    if isinstance(result, Failed) and result.code in CHARGED:
        last = Amount(tokens=hold.reserved.tokens, nano_usd=hold.reserved.nano_usd)
    else:
        last = amount_of(result.usage if isinstance(result, Done) else Usage())
    used = last + hold.spent + Amount(calls=hold.reserved.calls, ms=round(busy_s * 1000))
    return used.only(hold.units)


@dataclass(frozen=True, kw_only=True)
class Exhausted:
    """Why a call got nothing.

    Attributes:
        charge: The pot that was short.
        used: What is reserved and used of it.
        ends_at: When its window ends, in seconds since 1970; None for never.
    """

    charge: Charge
    used: Amount
    ends_at: float | None

    @property
    def reason(self) -> str:
        """Which budget, how much of it is used, and when its window ends."""
        limit, needs, used = self.charge.budget.limit, asdict(self.charge.need), asdict(self.used)
        parts = [
            f"{amount_text(unit, used[unit])} of {amount_text(unit, bound)} {unit_word(unit)} used"
            + (f" and up to {amount_text(unit, needs[unit])} needed" if needs[unit] > 1 else "")
            for unit, bound in limit.items()
            if needs[unit] > 0 and used[unit] + needs[unit] > bound
        ]
        ends = "it is for the whole run" if self.ends_at is None else _ends(self.ends_at)
        return f"{self.charge.whose} is used up: {', '.join(parts)}; {ends}"

    @property
    def fact(self) -> Fact:
        """The event, once for each window."""
        charge = self.charge
        return Fact(
            chain=chain_of(charge),
            type="budget.exhausted",
            data={
                "app": charge.app,
                "budget": charge.budget.name,
                "scope": charge.budget.scope,
                "value": charge.value,
                "limit": charge.budget.limit,
                "used": asdict(self.used.only(charge.budget.limit)),
                "ends_at": self.ends_at,
            },
        )


def chain_of(charge: Charge) -> str:
    """Return the chain of a pot's events; a long name is cut and stays apart by its digest."""
    full = f"budget:{charge.app}:{charge.budget.name}:{charge.value}"
    if len(full) <= _CHAIN_CHARS_MAX:
        return full
    return f"{full[: _CHAIN_CHARS_MAX - 17]}-{digest(full)[:16]}"


def _ends(at: float) -> str:
    return f"its window ends at {datetime.fromtimestamp(at, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
