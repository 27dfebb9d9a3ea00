"""Budgets: never exceeded by any interleaving, used up to the last call, and settled exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.amounts import NANO, NOTHING, Amount
from fairlead.core.budget import (
    Asker,
    Budget,
    Charge,
    Exhausted,
    Hold,
    chain_of,
    charges_of,
    take,
    used_of,
)
from fairlead.core.calls import Call, Done, Failed, Refused, Usage
from fairlead.core.errors import AnswerTruncated, CallFailed

DAY_S = 86_400.0
ONE = Amount(calls=1)


def a_budget(**given: Any) -> Budget:
    values = {"name": "daily", "scope": "tenant", "per_s": DAY_S, "calls": 10}
    return Budget(**{**values, **given})


def a_call(kind: Any = "tool", name: str = "look") -> Call:
    return Call(
        run_id="r", number=1, kind=kind, name=name, arguments={}, effect="read", lineage="r"
    )


ASKER = Asker(app="shop", workflow="refund", tenant="acme", root_id="root")


@dataclass
class World:
    """A pot with the chunks of some workers, by the rules alone.

    Attributes:
        limit: The pot's bound of calls.
        tokens: The pot's bound of tokens.
        taken: What is taken of it.
        left: Each worker's chunk.
        executed: Calls that were let through.
        holds: Who reserved how much for calls that have not ended.
        used: What calls used that have ended.
    """

    limit: int
    tokens: int = 10**9
    taken: Amount = NOTHING
    left: dict[int, Amount] = field(default_factory=dict)
    executed: int = 0
    holds: list[tuple[int, Amount]] = field(default_factory=list)
    used: Amount = NOTHING

    def reserve(self, worker: int, need: Amount = ONE) -> bool:
        """Reserve as the store does: from the own chunk, else from the pot."""
        if not self._reserve(worker, need):
            return False
        self.executed += 1
        self.holds.append((worker, need))
        return True

    def settle(self, share: int) -> None:
        """Settle the oldest call: the rest goes to its worker's chunk, else to the pot."""
        if self.holds:
            worker, reserved = self.holds.pop(0)
            rest = Amount(tokens=reserved.tokens * share // 4)
            self.used = self.used + reserved - rest
            if worker in self.left:
                self.left[worker] = self.left[worker] + rest
            else:
                self.taken = self.taken - rest

    def _reserve(self, worker: int, need: Amount) -> bool:
        mine = self.left.get(worker, NOTHING)
        if mine.covers(need):
            self.left[worker] = mine - need
            return True
        limit = {"calls": self.limit, "tokens": self.tokens}
        found = take(self.taken, unspent=mine, limit=limit, need=need, chunked=True)
        if found is None:
            mine = sum(self.left.values(), NOTHING)
            found = take(self.taken, unspent=mine, limit=limit, need=need, chunked=True)
            if found is None:
                return False
            self.left.clear()
        self.taken, self.left[worker] = found.taken, found.left
        return True


STEPS = st.lists(
    st.tuples(st.sampled_from(["reserve", "reserve", "settle", "die"]), st.integers(0, 4)),
    max_size=200,
)


@settings(max_examples=200)
@given(limit=st.integers(1, 150), steps=STEPS)
def test_no_interleaving_exceeds_a_budget_and_all_of_it_can_be_used(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    world = World(limit=limit)
    for number, (what, worker) in enumerate(steps):
        if what == "reserve":
            before = world.executed
            assert world.reserve(worker) == (before < limit)
        elif what == "die":
            # Its chunk stays, and whoever is short takes it back.
            world.left[100 + number] = world.left.pop(worker, NOTHING)
        leased = sum(world.left.values(), NOTHING)
        assert world.executed == (world.taken - leased).calls
        assert world.taken.calls <= limit
    while world.reserve(0):
        pass
    assert world.executed == limit


@settings(max_examples=200)
@given(tokens=st.integers(20, 300), steps=STEPS)
def test_what_is_not_used_comes_back_and_nothing_is_exceeded(
    tokens: int, steps: list[tuple[str, int]]
) -> None:
    world, need = World(limit=10**6, tokens=tokens), Amount(calls=1, tokens=8)
    for number, (what, worker) in enumerate(steps):
        if what == "reserve":
            world.reserve(worker, need)
        elif what == "settle":
            world.settle(worker)
        else:
            world.left[100 + number] = world.left.pop(worker, NOTHING)
        reserved = sum((amount for _, amount in world.holds), NOTHING)
        leased = sum(world.left.values(), NOTHING)
        assert world.taken == world.used + reserved + leased
        assert world.taken.tokens <= tokens
    while world.reserve(0, need):
        pass
    assert tokens - world.taken.tokens < need.tokens
    assert sum(world.left.values(), NOTHING).tokens < need.tokens


MORE = st.builds(Amount, calls=st.just(1), tokens=st.integers(0, 50), nano_usd=st.integers(0, 50))


@given(needs=st.lists(MORE, max_size=60), tokens=st.integers(1, 500), usd=st.integers(1, 500))
def test_units_are_bounded_each_for_itself(needs: list[Amount], tokens: int, usd: int) -> None:
    limit = {"tokens": tokens, "nano_usd": usd}
    taken, left, used = NOTHING, NOTHING, NOTHING
    for need in (need.only(limit) for need in needs):
        if left.covers(need):
            left = left - need
        else:
            found = take(taken, unspent=left, limit=limit, need=need, chunked=True)
            if found is None:
                continue
            taken, left = found.taken, found.left
        used = used + need
        assert taken == used + left
        assert all(asdict(taken)[unit] <= bound for unit, bound in limit.items())


def test_chunks_become_smaller_towards_the_end() -> None:
    sizes, taken = [], NOTHING
    for _ in range(200):
        found = take(taken, unspent=NOTHING, limit={"calls": 2000}, need=ONE, chunked=True)
        if found is None:
            break
        sizes.append((found.taken - taken).calls)
        taken = found.taken
    assert sizes[0] == 65
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    alone = take(NOTHING, unspent=NOTHING, limit={"calls": 2000}, need=ONE, chunked=False)
    assert alone is not None and alone.left == NOTHING


def test_what_must_happen_is_booked_beyond_the_limit_and_the_next_is_refused() -> None:
    full = Amount(calls=3)
    assert take(full, unspent=NOTHING, limit={"calls": 3}, need=ONE, chunked=True) is None
    found = take(full, unspent=NOTHING, limit={"calls": 3}, need=ONE, chunked=True, forced=True)
    assert found is not None and (found.taken.calls, found.left) == (4, NOTHING)
    assert take(found.taken, unspent=NOTHING, limit={"calls": 3}, need=ONE, chunked=True) is None


RESERVED = Amount(calls=1, tokens=500, nano_usd=70, ms=60_000)
USED = Done(value=1, usage=Usage(input_tokens=30, output_tokens=12, cost_usd=5 / NANO))


def test_a_settlement_books_what_was_used() -> None:
    used = used_of(Hold(reserved=RESERVED), USED, busy_s=1.5)
    assert used == Amount(calls=1, tokens=42, nano_usd=5, ms=1500)
    beyond = Done(value=1, usage=Usage(input_tokens=9000))
    assert used_of(Hold(reserved=RESERVED), beyond, busy_s=0.0).tokens == 9000


def test_tries_that_failed_are_added_and_other_units_are_left_alone() -> None:
    hold = Hold(reserved=RESERVED, spent=Amount(tokens=500, ms=2000), units=("tokens", "ms"))
    assert used_of(hold, USED, busy_s=1.0) == Amount(tokens=542, ms=3000)


def test_an_answer_that_was_paid_for_and_not_usable_counts_as_reserved() -> None:
    hold = Hold(reserved=RESERVED)
    paid = used_of(hold, Failed(code=AnswerTruncated.code, reason="x"), busy_s=0.0)
    assert (paid.tokens, paid.nano_usd) == (500, 70)
    unpaid = used_of(hold, Failed(code=CallFailed.code, reason="x"), busy_s=0.0)
    assert unpaid == Amount(calls=1)
    # Refused with a reservation: an earlier worker may have executed it.
    assert used_of(hold, Refused(code="FL-505", reason="x"), busy_s=0.0) == RESERVED


@pytest.mark.parametrize(
    ("scope", "which", "kind", "value"),
    [
        ("run", "*", "tool", "root"),
        ("app", "*", "step", "shop"),
        ("tenant", "*", "tool", "acme"),
        ("tenant", "acme", "model", "acme"),
        ("tenant", "other", "tool", None),
        ("workflow", "refund", "tool", "refund"),
        ("workflow", "other", "tool", None),
        ("model", "*", "model", "m:1"),
        ("model", "m:1", "model", "m:1"),
        ("model", "m:1", "tool", None),
        ("model", "m:2", "model", None),
    ],
)
def test_a_call_is_charged_to_what_concerns_it(
    scope: Any, which: str, kind: Any, value: str | None
) -> None:
    per_s = None if scope == "run" else DAY_S
    budget = a_budget(scope=scope, which=which, per_s=per_s)
    charges = charges_of([budget], ASKER, a_call(kind, "m:1"), RESERVED)
    assert [charge.value for charge in charges] == ([] if value is None else [value])
    assert all(charge.need == Amount(calls=1) for charge in charges)


def test_pots_are_locked_in_one_order_and_go_on_under_another_limit() -> None:
    budgets = [a_budget(name=name, calls=number) for number, name in enumerate("abcdef", 1)]
    charges = charges_of(budgets, ASKER, a_call(), ONE)
    assert [c.pot for c in charges] == sorted(c.pot for c in charges)

    def charge(**given: Any) -> Charge:
        return Charge(app="shop", budget=a_budget(**given), value="acme", need=ONE)

    assert charge(calls=1).pot == charge(calls=2).pot
    assert charge(calls=1).terms != charge(calls=2).terms
    assert charge(per_s=60.0).pot != charge().pot


def test_windows_begin_at_whole_periods() -> None:
    assert a_budget().window(DAY_S * 3 + 17.0) == (DAY_S * 3, DAY_S * 4)
    assert a_budget(scope="run", per_s=None).window(99.0) == (0.0, None)


def test_an_exhausted_budget_says_which_how_much_and_until_when() -> None:
    budget = a_budget(cost_usd=0.5, calls=None)
    charge = Charge(app="shop", budget=budget, value="acme", need=Amount(nano_usd=NANO // 10))
    found = Exhausted(charge=charge, used=Amount(nano_usd=NANO // 2), ends_at=DAY_S)
    assert found.reason == (
        "budget daily of tenant acme is used up: 0.5 of 0.5 USD used and up to 0.1 needed; "
        "its window ends at 1970-01-02 00:00:00 UTC"
    )
    assert found.fact.chain == "budget:shop:daily:acme"
    own = Charge(app="shop", budget=a_budget(scope="run", per_s=None), value="r", need=ONE)
    said = Exhausted(charge=own, used=Amount(calls=10), ends_at=None).reason
    assert said == "budget daily of run r is used up: 10 of 10 calls used; it is for the whole run"
    long = Charge(app="shop", budget=a_budget(), value="x" * 200, need=ONE)
    assert len(chain_of(long)) == 100


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"scope": "world"}, "scope"),
        ({"which": 3}, "which"),
        ({"scope": "app", "which": "shop"}, "which"),
        ({"scope": "run"}, "per_s"),
        ({"per_s": None}, "per_s"),
        ({"per_s": 0.5}, "per_s"),
        ({"per_s": True}, "per_s"),
        ({"per_s": float("inf")}, "per_s"),
        ({"calls": 0}, "calls"),
        ({"calls": 1.5}, "calls"),
        ({"tokens": True}, "tokens"),
        ({"cost_usd": 0}, "cost_usd"),
        ({"cost_usd": float("nan")}, "cost_usd"),
        ({"seconds": -1}, "seconds"),
        ({"calls": None}, "at least one"),
    ],
)
def test_a_budget_without_sense_is_refused(given: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        a_budget(**given)
