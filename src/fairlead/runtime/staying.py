"""The folder from which a worker executes a release stays as long as the worker does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOOK_S = 1.0
"""Seconds between two looks at whether the folder is there."""

_log = logging.getLogger("fairlead.worker")


@dataclass(kw_only=True)
class Staying:
    """Has a release's folder made anew when somebody removed it.

    What a worker's code imports or reads late is in there: without it each run of the worker would
    fail until somebody starts it again.

    Attributes:
        folder: The folder.
        again: Makes it anew.
    """

    folder: Path
    again: Callable[[], object]
    _thread: threading.Thread | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="fairlead-folder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look once; what fails is tried again at the next look."""
        if self.folder.is_dir():
            return
        try:
            self.again()
            _log.warning("%s was removed while it was used; it was made anew", self.folder)
        except Exception as error:  # noqa: BLE001 - the next look may succeed; runs go on meanwhile
            _log.warning("%s was removed, and was not made anew: %s", self.folder, error)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.look()
