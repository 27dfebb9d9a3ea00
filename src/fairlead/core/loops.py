"""Loops: the same tool calls with the same results, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.core.calls import Call, Done, Result, result_to_json
from fairlead.core.digests import digest

REPEATS_MAX = 100
"""Most repeats that a workflow may allow."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What is remembered of a tool call.

    Attributes:
        name: The tool.
        asked: Digest of the tool and its arguments.
        answered: Digest of the result.
    """

    name: str
    asked: str
    answered: str


def trace_of(call: Call, result: Result) -> Trace:
    """Return what is remembered of a call; money and tokens are no part of its result."""
    answer = result.value if isinstance(result, Done) else result_to_json(result)
    return Trace(name=call.name, asked=call.arguments_digest, answered=digest(answer))


def remembered(repeats: int) -> int:
    """Return how many calls must be remembered.

    Args:
        repeats: How often the same may come in a row.
    """
    # Two calls that take turns show that they do only with the third one; one more tells those
    # apart of which one gives another result each time.
    return _turns(repeats) + 1


def _turns(repeats: int) -> int:
    return max(repeats, 3)


def loop_of(recent: Sequence[Trace], asked: str, repeats: int) -> str | None:
    """Return the loop that a call would go on with, in words, or None.

    Args:
        recent: The latest tool calls, oldest first.
        asked: Digest of the tool and its arguments that is to be called now.
        repeats: How often the same may come in a row.
    """
    last = recent[-repeats:]
    if len(last) == repeats and len(set(last)) == 1 and last[0].asked == asked:
        return f"{last[0].name} was called {repeats} times with the same arguments and result"
    last = recent[-_turns(repeats) :]
    if len(last) < _turns(repeats) or last[-2].asked != asked or len(set(last)) != 2:
        return None
    before = recent[-remembered(repeats) : -_turns(repeats)]
    changes = bool(before) and before[0].asked == last[1].asked and before[0] != last[1]
    if changes or any(a != b for a, b in zip(last, last[2:], strict=False)):
        return None
    return (
        f"{last[-2].name} and {last[-1].name} take turns with the same arguments and results, "
        f"{len(last)} calls in a row"
    )
