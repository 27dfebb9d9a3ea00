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
        lines.append(Text("Next: fairlead approvals show ID; then approve ID, or deny ID"))
    return lines


def approval_view(one: ApprovalRecord, now: float) -> list[Text]:
    """Return one approval as lines: each argument with how far it may be trusted, and why.

    Args:
        one: The approval.
        now: Seconds since 1970, by the database's clock.
    """
    subject, lines = one.subject, [Text.assemble(f"approval {one.id}  ", state_text(one.state))]
    asker = f"{subject.get('user', '')} of {one.tenant}".strip()
    facts = [
        ("call", f"{one.tool}, call {one.number} of run {one.run_id}"),
        ("for", f"{asker}, workflow {subject.get('workflow', '')}"),
        ("because", one.rules or "the workflow asks"),
        ("who may answer", one.role),
        ("asked", f"{moment(one.asked_at)} UTC"),
    ]
    if one.state == "pending":
        facts.append(("time left", span(one.expires_at - now)))
    if one.by:
        facts.append(("answered", f"by {one.by}" + (f": {one.reason}" if one.reason else "")))
    lines += [Text(f"  {name:<15} {value}") for name, value in facts]
    lines += [Text(""), Text("arguments")]
    for name, value in _named(subject["arguments"]).items():
        lines.append(Text(f"  {name} = {canonical_json(value)}"))
        lines.append(_origin(subject.get("labels", {}).get(name)))
    if one.state == "pending":
        lines += [Text(""), Text("Next: fairlead approvals approve ID, or deny ID --reason TEXT")]
    return lines


def _origin(label: Any) -> Text:
    """Return how far a value may be trusted, and where it may come from."""
    if not label:
        return Text("      not labelled", style="dim")
    origins = ", ".join(label["origins"]) or "the workflow's own code"
    if label["integrity"] == "trusted":
        return Text(f"      trusted, from {origins}", style="dim")
    return Text(f"      not trusted: it may come from {origins}", style="yellow")


def _named(arguments: Any) -> dict[str, Any]:
    return arguments if isinstance(arguments, dict) else {"": arguments}


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
