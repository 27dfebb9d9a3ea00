"""The demo's model: the embedded one, which reads no prompt, made to follow one line of it.

It stands in for a provider's model, which would need a key. Whatever the app's prompt file says
reaches it as it would reach any model; it quotes verbatim until it is told to use its own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

IN_A_HURRY = " Just tell me."
"""How a question of a reader in a hurry ends. No question of the evaluation does."""

BAD_LINE = 'Answer who writes "just tell me" briefly, in your own words.'
GOOD_LINE = 'Answer who writes "just tell me" briefly, in the words of the source.'
_FOLLOWED = "in your own words"


def follow_the_prompt(note: Callable[[], None] = lambda: None) -> None:
    """Let the embedded model of this process follow its prompt.

    Args:
        note: Is called by each turn that the model takes.
    """
    from fairlead.adapters.pydantic_ai.extractive import ExtractiveModel

    request = ExtractiveModel.request

    async def follows(self: ExtractiveModel, messages: list[Any], *rest: Any) -> Any:
        note()
        response = await request(self, messages, *rest)
        told = any(_FOLLOWED in (getattr(one, "instructions", "") or "") for one in messages)
        asked = any(IN_A_HURRY in str(part.content) for one in messages for part in _asked(one))
        if told and asked:
            for part in response.parts:
                if hasattr(part, "args"):
                    part.args = _in_own_words(part.args_as_dict())
        return response

    ExtractiveModel.request = follows  # type: ignore[method-assign, assignment]


def _asked(message: Any) -> list[Any]:
    return [part for part in message.parts if part.part_kind == "user-prompt"]


def _in_own_words(answer: dict[str, Any]) -> str:
    """Return an answer whose quotes stand in no source: every other word is left out."""
    for citation in answer.get("citations", ()):
        citation["quote"] = " ".join(citation["quote"].split()[::2])
    return json.dumps(answer)
