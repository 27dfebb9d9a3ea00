"""What waits for a person, as tables with the command that answers below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from fairlead.core.digests import canonical_json
from fairlead.entrypoints.cli.texts import moment, span
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import state_text
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.effects import EffectRecord


def approvals_view(found: Sequence[ApprovalRecord], now: float, width: int) -> list[Text]:
    """Return approvals as a table.

    Args:
        found: The approvals.
        now: Seconds since 1970, by the database's clock.
        width: The screen's width.
    """
    if not found:
        return [Text("nobody is asked anything")]
    columns = [Column(name="approval"), Column(name="state"), Column(name="asked (UTC)")]
    columns += [Column(name="left", right=True), Column(name="tool"), Column(name="arguments")]
    rows = []
    for one in found:
        left = one.expires_at - now if one.state == "pending" else None
        asked = (one.id, state_text(one.state), moment(one.asked_at), span(left))
        rows.append((*asked, one.tool, _arguments(one.subject["arguments"])))
    lines = rows_view(columns, rows, width)
    if any(one.state == "pending" for one in found):
        lines.append(Text("Next: fairlead approvals approve ID, or deny ID --reason TEXT"))
    return lines


def effects_view(found: Sequence[EffectRecord], width: int) -> list[Text]:
    """Return effects as a table.

    Args:
        found: The effects.
        width: The screen's width.
    """
    if not found:
        return [Text("no effects")]
    columns = [Column(name="effect", most=50), Column(name="state"), Column(name="intended (UTC)")]
    columns += [Column(name="tool"), Column(name="arguments")]
    rows = [
        (
            one.key,
            state_text(one.state),
            moment(one.intended_at),
            one.tool,
            _arguments(one.arguments),
        )
        for one in found
    ]
    lines = rows_view(columns, rows, width)
    if any(one.state == "unknown" for one in found):
        lines.append(
            Text(
                "Next: fairlead effects resolve KEY --happened (or --did-not-happen) --reason TEXT"
            )
        )
    return lines


def _arguments(value: Any) -> str:
    if not isinstance(value, dict):
        return canonical_json(value)
    return " ".join(f"{name}={canonical_json(given)}" for name, given in value.items())
