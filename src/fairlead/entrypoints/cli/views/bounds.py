"""Budgets and kill switches as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.text import Text

from fairlead.core.amounts import amount_text, unit_word
from fairlead.core.kill import Kill
from fairlead.entrypoints.cli.texts import moment
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.operations import BudgetUse


def budgets_view(found: Sequence[BudgetUse], width: int) -> list[Text]:
    """Return budgets as a table, a row for each unit that has a bound.

    Args:
        found: The budgets.
        width: The screen's width.
    """
    if not found:
        return [Text("no budgets; declare one in fairlead.toml with [[budgets]]")]
    columns = [Column(name="budget"), Column(name="of", most=40)]
    columns += [Column(name="used", right=True), Column(name="limit", right=True)]
    columns += [Column(name="unit"), Column(name="leased", right=True)]
    columns += [Column(name="window ends (UTC)")]
    rows = []
    for use in found:
        used, leased = asdict(use.used), asdict(use.leased)
        for unit, bound in use.limit.items():
            spent = Text(amount_text(unit, used[unit]), style="red" if used[unit] >= bound else "")
            rows.append(
                (
                    use.name,
                    f"{use.scope} {use.value}",
                    spent,
                    amount_text(unit, bound),
                    unit_word(unit),
                    amount_text(unit, leased[unit]),
                    moment(use.ends_at),
                )
            )
    return rows_view(columns, rows, width)


def kills_view(found: Sequence[Kill], width: int) -> list[Text]:
    """Return kill switches as a table.

    Args:
        found: The switches.
        width: The screen's width.
    """
    if not found:
        return [Text("nothing is stopped")]
    columns = [Column(name="stopped"), Column(name="name", most=40), Column(name="since (UTC)")]
    columns += [Column(name="by"), Column(name="reason")]
    rows = [
        (
            kill.scope,
            kill.which[:12] if kill.scope == "release" else kill.which,
            moment(kill.at),
            kill.by,
            kill.reason,
        )
        for kill in found
    ]
    lines = rows_view(columns, rows, width)
    return [*lines, Text("Next: fairlead kill lift KIND NAME --reason TEXT")]
