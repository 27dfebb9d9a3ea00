"""What was said in a conversation, and how much of it a new turn reads.

A tool's call and its result are one value here, so that nothing can separate them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.core.digests import Json, canonical_json
from fairlead.core.label import Label, label_from_json, label_to_json
from fairlead.core.limits import Limits, estimated_tokens

CUT = " (the rest is left out)"
"""What stands at the end of a text that was too long to be kept."""

KEPT_CHARS_MAX = 60_000
"""Characters of a turn that are kept, or as many as its own run may read, if that is more."""

MESSAGE_TOKENS = 200
"""What a message takes beside its text, such as its kind, its time and its usage."""


@dataclass(frozen=True, kw_only=True)
class ToolUse:
    """A model's call of a tool, with its result.

    Attributes:
        name: The tool's name.
        arguments: Its arguments as JSON.
        result: What came back, as JSON.
    """

    name: str
    arguments: Json
    result: Json


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one run of a conversation said.

    Attributes:
        question: What was asked; JSON when it is more than a text.
        answer: What was answered; the same.
        uses: What models called in between, in order.
        label: What is known of the answer and of what tools said; None in an older record.
    """

    question: str
    answer: str
    uses: tuple[ToolUse, ...] = ()
    label: Label | None = None

    @property
    def messages(self) -> int:
        """Messages that it takes: question and answer, and two for each use of a tool."""
        return 2 + 2 * len(self.uses)

    @property
    def chars(self) -> int:
        """Characters that it takes."""
        return len(self.question) + len(self.answer) + sum(map(_chars, self.uses))

    @property
    def tokens(self) -> int:
        """Tokens that it takes, as `estimated_tokens` counts them."""
        return estimated_tokens(_spoken(self)) + MESSAGE_TOKENS * self.messages


@dataclass(frozen=True, kw_only=True)
class History:
    """What a run reads of its conversation.

    Attributes:
        turns: The newest turns, oldest first.
        dropped: Older turns that are left out.
    """

    turns: tuple[Turn, ...] = ()
    dropped: int = 0


def compact(turns: Sequence[Turn], limits: Limits) -> tuple[Turn, ...]:
    """Keep the newest turns within the limits, each of them whole.

    A turn that does not fit goes without what its tools said; if it does not fit even so, it is
    left out with all that is older. So what is kept has no holes, and no call without its result.

    Args:
        turns: The turns, oldest first.
        limits: `history_messages`, `history_chars` and half of `context_tokens` are the bounds:
            a history that filled the context would end every later turn.

    Returns:
        The turns that are kept, oldest first.
    """
    kept: list[Turn] = []
    messages, chars = limits.history_messages, limits.history_chars
    tokens = limits.context_tokens // 2
    for turn in reversed(turns):
        fitting = [
            form
            for form in (turn, replace(turn, uses=()))
            if form.messages <= messages and form.chars <= chars and form.tokens <= tokens
        ]
        if not fitting:
            break
        form = fitting[0]
        kept.append(form)
        messages, chars, tokens = (
            messages - form.messages,
            chars - form.chars,
            tokens - form.tokens,
        )
    return tuple(reversed(kept))


def bounded(turn: Turn, limits: Limits) -> Turn:
    """Return a turn as it is kept: whole, or without what its tools said, or shortened.

    Args:
        turn: What a run said.
        limits: The run's own; what a later turn reads of it is that one's matter.
    """
    most = max(limits.history_chars, KEPT_CHARS_MAX)
    for form in (turn, replace(turn, uses=())):
        if form.chars <= most:
            return form
    # Each side may take what the other one leaves, and half of all at least.
    half = most // 2
    return replace(
        turn,
        question=_shortened(turn.question, max(half, most - len(turn.answer))),
        answer=_shortened(turn.answer, max(half, most - len(turn.question))),
        uses=(),
    )


def words_of(value: Json) -> str:
    """Return the words of an input or an answer: its text where it has one, else all as JSON.

    An object's text is its member `text`, or its only member.
    """
    text = value
    if isinstance(value, dict):
        text = value.get("text", next(iter(value.values())) if len(value) == 1 else None)
    return text if isinstance(text, str) else canonical_json(value)


def turn_to_json(turn: Turn) -> Json:
    """Return a turn as JSON."""
    label = None if turn.label is None else label_to_json(turn.label)
    return {**_spoken(turn), "label": label}


def _spoken(turn: Turn) -> dict[str, Json]:
    uses = [
        {"name": use.name, "arguments": use.arguments, "result": use.result} for use in turn.uses
    ]
    return {"question": turn.question, "answer": turn.answer, "uses": uses}


def turn_from_json(data: Json) -> Turn:
    """Read a turn that `turn_to_json` wrote."""
    uses = tuple(ToolUse(**use) for use in data["uses"])
    label = data.get("label")
    return Turn(
        question=data["question"],
        answer=data["answer"],
        uses=uses,
        label=None if label is None else label_from_json(label),
    )


def _chars(use: ToolUse) -> int:
    return len(use.name) + len(canonical_json(use.arguments)) + len(canonical_json(use.result))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - len(CUT), 0)] + CUT[:most]
