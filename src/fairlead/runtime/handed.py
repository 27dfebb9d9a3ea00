"""What this process handed out to tools and to MCP servers, so that what it logs can leave it out.

A log is the process's, whoever writes to it: a tool, a library that the tool calls, a thread that
outlives the call. So the values are the process's too. They are held in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from fairlead.core.digests import Json
from fairlead.core.secrets import SECRET_CHARS_MIN
from fairlead.guardrails.content import without

HANDED_OUT_MAX = 256
"""Most values that are remembered; the one that was not handed out for longest is forgotten."""

_CHARS_MIN = 4
"""A shorter value is part of too many words, also where it was handed out."""


class HandedOut:
    """Names and values that were handed out; never shown."""

    def __init__(self) -> None:
        """Remember none."""
        self._lock = Lock()
        self._used: dict[tuple[str, str], None] = {}
        self._known: tuple[tuple[str, str], ...] = ()

    def note(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remember names and values."""
        with self._lock:
            for one in secrets:
                # The last one handed out stands last, so that the first is the one to forget.
                self._used.pop(one, None)
                self._used[one] = None
            while len(self._used) > HANDED_OUT_MAX:
                del self._used[next(iter(self._used))]
            # The same values in the same order: how they are found is worked out once.
            self._known = tuple(sorted(self._used))

    def taken_out_of(self, text: str) -> str:
        """Return a text without the values that are remembered."""
        known = self._known
        return str(without(text, known)) if known else text


HANDED_OUT = HandedOut()
"""Those of this process."""


def hiding(secrets: Mapping[str, str]) -> Callable[[Json], Json]:
    """Remember what an MCP server is given, and return what takes it out of what it says.

    Args:
        secrets: Values by name; the operator chose them, so they may be short.
    """
    known = tuple((name, value) for name, value in secrets.items() if len(value) >= _CHARS_MIN)
    HANDED_OUT.note(one for one in known if len(one[1]) >= SECRET_CHARS_MIN)
    return lambda value: without(value, known)
