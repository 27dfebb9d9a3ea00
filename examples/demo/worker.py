"""The demo's worker: like `fairlead worker`, but each driver's body writes down that it executes.

The bodies append to a file of their own, outside of the journal, so that the demo can tell from
another witness whether a recorded call was ever executed again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from examples.demo.model import follow_the_prompt
from fairlead.operations import load_settings, make_worker, open_platform
from fairlead.ports.boundary import current_call
from fairlead.ports.documents import DocumentStore, Hit, Query

LOOK_S = 0.5
"""Seconds between two looks at whether the demo goes on."""


@dataclass(frozen=True)
class Witness:
    """Appends one line per execution of a body: the call's key, the process, the time."""

    path: Path

    def note(self) -> None:
        """Write down that the body of the current call executes."""
        context = current_call.get()
        key = context.idempotency_key if context else "outside"
        line = f"{key} {os.getpid()} {time.time():.6f}\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)


@dataclass(frozen=True)
class WitnessedDocuments:
    """A document store whose searches are written down."""

    inner: DocumentStore
    witness: Witness

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def search(self, query: Query) -> Sequence[Hit]:
        """Write the execution down, then search."""
        self.witness.note()
        return self.inner.search(query)


def main(folder: str, executions: str) -> None:
    """Work until SIGTERM, or until the demo that started it is gone.

    Args:
        folder: The app's folder.
        executions: The file to which bodies append.
    """
    stop, demo = threading.Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    witness = Witness(Path(executions))
    follow_the_prompt(witness.note)
    with open_platform(load_settings(Path(folder))) as platform:
        documents: Any = WitnessedDocuments(platform.documents, witness)
        worker = make_worker(replace(platform, documents=documents))
        worker.start()
        # A demo that was killed stops nobody.
        while os.getppid() == demo and not stop.wait(LOOK_S):
            pass
        worker.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
