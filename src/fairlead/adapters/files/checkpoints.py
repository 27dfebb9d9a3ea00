"""A file of checkpoints, outside of the database: one line of JSON each, only ever appended to."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fairlead.core.audit import Checkpoint, checkpoint_from_json, checkpoint_json
from fairlead.core.digests import Json, canonical_json, read_canonical
from fairlead.core.errors import CheckpointFileUnusable
from fairlead.ports.audit import Line

LINE_BYTES_MAX = 10_000
"""A checkpoint takes some 600 bytes; a longer line is none."""


class JsonlCheckpointFile:
    """Checkpoints, one below the other; the first line names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        """Its path."""
        return str(self._path)

    def id(self) -> str | None:
        """Return the file's id; None when it is not there, or is no checkpoint file."""
        try:
            with self._path.open("rb") as file:
                return _id_of(file.readline(LINE_BYTES_MAX))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error

    def make(self, file_id: str) -> None:
        """Make the file; one that is there stays."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                if file.seek(0, os.SEEK_END) == 0:
                    _write(file, [canonical_json({"checkpoints": file_id})])
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._unusable(f"cannot be made: {error.strerror}") from error

    def extend(self, after: Callable[[int], Sequence[Checkpoint]]) -> int:
        """Append what it does not have, durably; one process at a time."""
        try:
            with self._locked() as file:
                last = self._last(file)
                while more := after(last):
                    _write(file, [checkpoint_json(checkpoint) for checkpoint in more])
                    last = more[-1].number
                return last
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}") from error

    def size(self) -> int:
        """Return how long it is, in bytes; 0 when it is not there."""
        try:
            with self._path.open("rb") as file:
                # Nobody is in the middle of a line.
                fcntl.flock(file, fcntl.LOCK_SH)
                return file.seek(0, os.SEEK_END)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error

    def lines(self, size: int) -> Iterator[Line]:
        """Yield its lines below the first one, up to a size."""
        try:
            with self._path.open("rb") as file:
                end, number = len(file.readline(LINE_BYTES_MAX)), 1
                while end < size and (text := file.readline(min(LINE_BYTES_MAX, size - end))):
                    end, number = end + len(text), number + 1
                    yield Line(number=number, end=end, checkpoint=_checkpoint(text))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        # Whoever may read the log may read this; it holds digests alone.
        opened = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        with os.fdopen(opened, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _last(self, file: BinaryIO) -> int:
        """Return the number of the last checkpoint; a line that a crash tore off is removed."""
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 2 * LINE_BYTES_MAX))
        tail = file.read()
        if tail and b"\n" not in tail:
            raise self._unusable("was changed: it ends in a line that is far too long")
        if not tail.endswith(b"\n"):
            torn = len(tail) - (tail.rfind(b"\n") + 1)
            file.truncate(end - torn)
            tail = tail[: len(tail) - torn]
        line = tail[:-1].rpartition(b"\n")[2] + b"\n"
        found = _checkpoint(line)
        if found is not None:
            return found.number
        if _id_of(line) is None:
            raise self._unusable("was changed: its last line is no checkpoint")
        return 0

    def _unusable(self, what: str) -> CheckpointFileUnusable:
        return CheckpointFileUnusable(f"the file {self._path} {what}", file=str(self._path))


def _write(file: BinaryIO, lines: Sequence[str]) -> None:
    file.write("".join(f"{line}\n" for line in lines).encode())
    file.flush()
    os.fsync(file.fileno())


def _id_of(line: bytes) -> str | None:
    data = _written(line)
    if not isinstance(data, dict) or data.keys() != {"checkpoints"}:
        return None
    found = data["checkpoints"]
    return found if isinstance(found, str) and found.isprintable() else None


def _checkpoint(line: bytes) -> Checkpoint | None:
    """Return the checkpoint of a line; None unless the line is exactly as we write it."""
    try:
        return checkpoint_from_json(_written(line))
    except ValueError:
        return None


def _written(line: bytes) -> Json:
    """Return what stands in a line that is as we write them; None for another one."""
    try:
        text = line.decode()
        return read_canonical(text[:-1]) if text.endswith("\n") else None
    except ValueError:
        return None
