"""How a command ends: its exit status, and what stderr says about an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from fairlead.core.errors import FairleadError
from fairlead.entrypoints.cli.interruption import INTERRUPTION, Interrupted, is_torn_apart
from fairlead.entrypoints.cli.texts import one_line, wants_colour


@dataclass
class End:
    """A command's end.

    Attributes:
        status: The process's exit status.
    """

    status: int = 0


@contextmanager
def ended() -> Iterator[End]:
    """Turn whatever a command raises into an exit status and words on stderr."""
    end = End()
    try:
        yield end
    except SystemExit as error:
        end.status = _status(error)
    except FairleadError as error:
        end.status = 2
        explain(error)
    except Interrupted:
        _end_now("interrupted")
    except BrokenPipeError:
        # The reader has gone, as in `fairlead runs list | head -1`; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        end.status = 128 + 13
    except Exception as error:  # noqa: BLE001 - a bug of ours: shown whole, with its own status
        if is_torn_apart(error):
            _end_now("interrupted")
        end.status = 70
        sys.stderr.write(without_secrets(traceback.format_exc()))
    with suppress(BrokenPipeError):
        sys.stdout.flush()


def explain(error: FairleadError) -> None:
    """Say on stderr what went wrong and what to do: code and message, then the hint."""
    bold, dim, off = ("\x1b[1;31m", "\x1b[2m", "\x1b[0m") if wants_colour(sys.stderr) else [""] * 3
    sys.stderr.write(f"{bold}{error.code}{off}  {without_secrets(one_line(error.message))}\n")
    sys.stderr.write(f"{dim}        {one_line(error.hint)}{off}\n")


def without_secrets(text: str) -> str:
    """Return a text without secrets; an error may quote what it was given.

    Known by form or by name; and by value, what tools of this process were handed.
    """
    from fairlead.guardrails.content import redacted_text
    from fairlead.runtime.handed import HANDED_OUT

    return redacted_text(HANDED_OUT.taken_out_of(text))[0]


def _status(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else int(error.code is not None)


def _end_now(word: str) -> None:
    """End without waiting for threads: what they hold is recovered by the next worker."""
    sys.stderr.write(f"{word}\n")
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(INTERRUPTION.status)
