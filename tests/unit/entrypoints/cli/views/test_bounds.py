"""Budgets and kill switches as tables."""

from __future__ import annotations

from fairlead.core.amounts import NANO, Amount
from fairlead.core.kill import Kill
from fairlead.entrypoints.cli.views.bounds import budgets_view, kills_view
from fairlead.operations import BudgetUse


def test_a_budget_has_a_row_for_each_unit_that_it_bounds() -> None:
    use = BudgetUse(
        app="shop",
        name="daily",
        scope="tenant",
        value="acme",
        limit={"calls": 10, "nano_usd": 2 * NANO, "ms": 60_000},
        used=Amount(calls=10, nano_usd=NANO // 4, ms=1500),
        leased=Amount(nano_usd=NANO // 10),
        begins_at=0.0,
        ends_at=86_400.0,
        exhausted_at=None,
    )
    lines = budgets_view([use], 200)
    assert [line.plain.split() for line in lines[1:]] == [
        ["daily", "tenant", "acme", "10", "10", "calls", "0", "1970-01-02", "00:00:00"],
        ["daily", "tenant", "acme", "0.25", "2", "USD", "0.1", "1970-01-02", "00:00:00"],
        ["daily", "tenant", "acme", "1.5", "60", "seconds", "0", "1970-01-02", "00:00:00"],
    ]


def test_switches_say_who_and_why_and_a_release_is_short() -> None:
    kill = Kill(scope="release", which="d" * 64, by="ann", reason="it pays twice", at=0.0)
    lines = kills_view([kill], 200)
    assert lines[1].plain.split() == (
        ["release", "d" * 12, "1970-01-01", "00:00:00", "ann", "it", "pays", "twice"]
    )


def test_empty_lists_say_so() -> None:
    assert [line.plain for line in kills_view([], 80)] == ["nothing is stopped"]
    assert budgets_view([], 80)[0].plain.startswith("no budgets")
