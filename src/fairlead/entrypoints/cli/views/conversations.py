"""Conversations: a list of them, and one as it was held."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.history import words_of
from fairlead.entrypoints.cli.texts import moment, one_line, span
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import indented, mark_of, plain, style_of
from fairlead.ports.conversations import ConversationRecord, TurnRecord


def conversations_view(found: Sequence[ConversationRecord], width: int) -> list[Text]:
    """Return conversations as a table.

    Args:
        found: The conversations.
        width: The screen's width.
    """
    if not found:
        return [Text("no conversations; begin one with `fairlead run --conversation ID`")]
    columns = [Column(name="conversation", most=40), Column(name="tenant"), Column(name="user")]
    columns += [Column(name="turns", right=True), Column(name="open", right=True)]
    columns += [Column(name="asked last (UTC)")]
    rows = [
        (one.id, one.tenant, one.user, str(one.turns), str(one.open), moment(one.asked_at))
        for one in found
    ]
    return rows_view(columns, rows, width)


def conversation_view(
    conversation: ConversationRecord, turns: Sequence[TurnRecord]
) -> list[RenderableType]:
    """Return a conversation as it was held.

    Args:
        conversation: The conversation.
        turns: Its newest turns, oldest first.
    """
    left_out = conversation.turns - len(turns)
    what = "1 turn" if conversation.turns == 1 else f"{conversation.turns} turns"
    facts = f"tenant {one_line(conversation.tenant)}  user {one_line(conversation.user)}  {what}"
    parts: list[RenderableType] = [
        Text.assemble("conversation ", (one_line(conversation.id), "bold")),
        Text(facts, style="dim"),
    ]
    if left_out > 0:
        parts.append(Text(f"{left_out} older ones are not shown; --limit shows more", style="dim"))
    for turn in turns:
        parts += [Text(), *_turn(turn)]
    return parts


def _turn(turn: TurnRecord) -> list[RenderableType]:
    took = None if turn.finished_at is None else turn.finished_at - turn.created_at
    title = Text.assemble(
        (f"{turn.number}  ", "bold"),
        (f"{mark_of(turn.state)} {turn.state}", style_of(turn.state)),
        f"  {span(took)}" if took is not None else "",
        (f"  run {turn.run_id}  release {turn.release[:12]}", "dim"),
    )
    if turn.said is None and turn.input is None:
        return [title, indented(Text("pruned", style="dim"), 3)]
    asked = turn.said.question if turn.said else words_of(turn.input)
    lines: list[RenderableType] = [title, indented(plain(f"> {asked}", "bold"), 3)]
    if turn.said is not None:
        lines += [
            indented(Text(f"used {one_line(use.name)}", style="dim"), 5) for use in turn.said.uses
        ]
        lines.append(indented(plain(turn.said.answer), 5))
    elif turn.reason:
        lines.append(indented(plain(turn.reason), 5))
    return lines
