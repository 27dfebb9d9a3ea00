"""SIGINT and SIGTERM: the first one stops cleanly, the second one ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """A signal asked the process to end; not an `Exception`, so that nothing swallows it."""


class Interruption:
    """Whether a signal has come, and what it does.

    Attributes:
        signum: The signal that came; None while there was none.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._gentle = False

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self.signum is not None

    @property
    def status(self) -> int:
        """The exit status of a process that ends because of the signal."""
        return 128 + (self.signum or 0)

    def install(self) -> None:
        """Take SIGINT and SIGTERM over."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._handle)
        sys.unraisablehook = self._unraisable

    @contextmanager
    def gently(self, notice: str) -> Iterator[None]:
        """Only note a signal inside the block; the block looks at `asked` where it can stop.

        A worker in the middle of its start or its stop must not be torn apart.

        Args:
            notice: What to say on stderr when a signal comes.
        """
        self._gentle, self._notice = True, notice
        try:
            yield
        finally:
            self._gentle = False

    def _unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        """End the process when it was interrupted where nothing can be raised, as in `__del__`."""
        if not is_torn_apart(lost.exc_value):
            sys.__unraisablehook__(lost)
            return
        os.write(2, b"interrupted\n")
        os._exit(self.status)

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if self.signum is not None:
            os._exit(self.status)
        self.signum = signum
        if not self._gentle:
            raise Interrupted
        # Nothing here may take a lock: the handler runs between any two steps of the main thread.
        os.write(2, f"{self._notice}; a second signal ends it at once\n".encode())


def is_torn_apart(error: BaseException | None) -> bool:
    """Return whether an error only came up while an interruption was on its way out."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


INTERRUPTION = Interruption()
"""This process's signals; there is one set of them."""
