"""Writes checkpoints: signed, kept in the database, and copied to where it cannot reach."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from fairlead.core.audit import Checkpoint
from fairlead.core.errors import AuditKeyMissing, CheckpointFileUnusable
from fairlead.ports.audit import AuditStore, CheckpointFile, Signer
from fairlead.ports.clock import Clock
from fairlead.ports.telemetry import Telemetry

BATCH = 100
"""Checkpoints that are copied to the file at a time."""

IN_A_ROW_MAX = 1000
"""Checkpoints that one call makes at most, when there are more heads than one has room for."""

_log = logging.getLogger("fairlead.audit")


@dataclass(frozen=True, kw_only=True)
class Auditing:
    """Makes checkpoints and copies them.

    Attributes:
        store: The database.
        signer: Signs them.
        file: Where they are copied to.
        telemetry: Where they are sent to.
        clock: Ids.
    """

    store: AuditStore
    signer: Signer
    file: CheckpointFile
    telemetry: Telemetry
    clock: Clock

    def checkpoint(self, *, every_s: float = 0.0, empty: bool = False) -> Sequence[Checkpoint]:
        """Make checkpoints until every chain is covered, and bring the file up to date.

        Args:
            every_s: Seconds that must have passed since the newest one, whoever made it.
            empty: Make one even when no chain grew.

        Returns:
            Those that were made here.

        Raises:
            CheckpointFileUnusable: They stand in the database, and not in the file.
        """
        made: list[Checkpoint] = []
        while len(made) < IN_A_ROW_MAX:
            waits_s = 0.0 if made else every_s
            one = self.store.checkpoint(self.signer, every_s=waits_s, empty=empty and not made)
            if one is None:
                break
            made.append(one)
            self.telemetry.checkpointed(one)
            if one.whole:
                break
        self._copy()
        return made

    def _copy(self) -> None:
        file_id = self.file.id()
        if file_id is None:
            # The database knows it first: a file that it does not know was put there by somebody.
            fresh = self.clock.id()
            self.store.know(fresh, self.file.where)
            self.file.make(fresh)
            file_id = self.file.id() or fresh
        if not self.store.knows(file_id):
            where = self.file.where
            message = f"the file {where} holds the checkpoints of another database"
            raise CheckpointFileUnusable(message, file=where)
        last = self.file.extend(lambda number: self.store.after(number, BATCH))
        self.store.wrote(file_id, last)


@dataclass(kw_only=True)
class Cadence:
    """Has checkpoints made from time to time while a worker lives.

    Attributes:
        auditing: Makes them; None when there is no key, and nothing is made.
        every_s: Seconds between two of them, whichever worker makes them.
    """

    auditing: Auditing | None = None
    every_s: float = 60.0
    _said: str = ""
    _thread: threading.Thread | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        if self.auditing is not None and self.every_s > 0:
            self._thread = threading.Thread(target=self._run, name="fairlead-audit", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Make a last checkpoint, so that nothing of a worker that stopped is left out."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self.tick(0.0)

    def tick(self, every_s: float) -> None:
        """Make what is due; what fails is said once, and tried again at the next time.

        Args:
            every_s: Seconds that must have passed since the newest checkpoint.
        """
        assert self.auditing is not None, "without a key there is no cadence"
        try:
            self.auditing.checkpoint(every_s=every_s)
            self._said = ""
        except Exception as error:  # noqa: BLE001 - the log goes on without it, and runs do too
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("no checkpoint was written: %s", error)

    def _run(self) -> None:
        while not self._stopping.wait(self.every_s):
            # All workers are asked at about the same time, and the first one counts.
            self.tick(self.every_s / 2)


def needed(auditing: Auditing | None, file: str) -> Auditing:
    """Return what makes checkpoints.

    Args:
        auditing: What there is.
        file: Where the key would be.

    Raises:
        AuditKeyMissing: There is no key.
    """
    if auditing is None:
        raise AuditKeyMissing(f"there is no key in {file}", file=file)
    return auditing
