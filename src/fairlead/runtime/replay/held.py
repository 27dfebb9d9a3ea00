"""Lets go of code that holds up every replay: a loop without an end, or a wait that blocks.

A timeout comes to code at its next `await`, and such code has none.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from time import monotonic

from fairlead.runtime.replay.tape import Tape

BEATS = 4
"""Times within the allowed time that the event loop shows that it is not held up."""

_playing: ContextVar[Tape | None] = ContextVar("playing", default=None)


@contextmanager
def playing(tape: Tape | None) -> Iterator[None]:
    """Say whose replay is executed here; None while nobody's code is to blame for a wait."""
    token = _playing.set(tape)
    try:
        yield
    finally:
        _playing.reset(token)


@asynccontextmanager
async def let_go(within_s: float) -> AsyncIterator[None]:
    """End a replay, undecided, whose code lets nothing else be done for so long.

    It needs the process's main thread, where signals arrive; elsewhere it does nothing.

    Args:
        within_s: Seconds that code may go on without an `await`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        # It arrives in the code that is executed, with that code's context.
        tape = _playing.get()
        if tape is not None:
            tape.miss(f"the app's code held up the replay for over {within_s:g} s")

    async def beat() -> None:
        while True:
            # Again and again, as code may catch the first one.
            signal.setitimer(signal.ITIMER_REAL, within_s, within_s)
            await asyncio.sleep(within_s / BEATS)

    before, begun = signal.signal(signal.SIGALRM, end), monotonic()
    left_s, every_s = signal.getitimer(signal.ITIMER_REAL)
    beating = asyncio.ensure_future(beat())
    try:
        yield
    finally:
        beating.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if left_s:
            signal.setitimer(
                signal.ITIMER_REAL, max(left_s - (monotonic() - begun), 0.001), every_s
            )
