"""Conversations on a screen: who said what, and where a thread stands."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

from rich.console import Console

from fairlead import ToolUse, Turn
from fairlead.entrypoints.cli.views.conversations import conversation_view, conversations_view
from fairlead.ports.conversations import ConversationRecord, TurnRecord

DESK = ConversationRecord(
    id="desk-7", tenant="acme", user="ann", turns=3, open=1, created_at=0.0, asked_at=60.0
)
ASKED = TurnRecord(
    number=1,
    run_id="aa11",
    workflow="answer",
    release="d" * 64,
    state="succeeded",
    reason="",
    input={"question": "is it there?"},
    created_at=0.0,
    finished_at=1.5,
    said=Turn(
        question="is it there?",
        answer="it is\nright here",
        uses=(ToolUse(name="look", arguments={}, result=1),),
    ),
)


def drawn(parts: Any) -> list[str]:
    """Return what stands on a screen of 80 columns."""
    out = StringIO()
    console = Console(file=out, width=80, color_system=None)
    for part in parts:
        console.print(part, soft_wrap=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_list_says_how_many_turns_are_open() -> None:
    assert drawn(conversations_view([DESK], 80)) == [
        "conversation  tenant  user  turns  open  asked last (UTC)",
        "desk-7        acme    ann       3     1  1970-01-01 00:01:00",
    ]
    assert drawn(conversations_view([], 80)) == [
        "no conversations; begin one with `fairlead run --conversation ID`"
    ]


def test_a_conversation_is_drawn_as_it_was_held() -> None:
    failed = replace(
        ASKED, number=2, run_id="bb22", state="failed", reason="the model is away", said=None
    )
    waiting = replace(
        ASKED,
        number=3,
        run_id="cc33",
        state="waiting",
        finished_at=None,
        input="and \x1b[31mnow?",
        said=None,
    )
    assert drawn(conversation_view(DESK, [ASKED, failed, waiting])) == [
        "conversation desk-7",
        "tenant acme  user ann  3 turns",
        "",
        "1  ✓ succeeded  1.50 s  run aa11  release dddddddddddd",
        "   > is it there?",
        "     used look",
        "     it is",
        "     right here",
        "",
        "2  ✗ failed  1.50 s  run bb22  release dddddddddddd",
        "   > is it there?",
        "     the model is away",
        "",
        "3  · waiting  run cc33  release dddddddddddd",
        "   > and \ufffd[31mnow?",
    ]


def test_what_is_not_shown_is_counted_and_what_was_pruned_says_so() -> None:
    pruned = replace(ASKED, number=3, said=None, input=None)
    lines = drawn(conversation_view(DESK, [pruned]))
    assert lines[2] == "2 older ones are not shown; --limit shows more"
    assert lines[-1] == "   pruned"
    assert drawn(conversation_view(replace(DESK, turns=1), [pruned]))[1].endswith("1 turn")
