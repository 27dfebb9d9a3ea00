"""Files of erasures: the ledger beside the database, exports, and raw bytes that are searched."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from fairlead.core.digests import canonical_json
from fairlead.core.erasure import Erasure, Trace
from fairlead.core.errors import LedgerUnusable
from fairlead.ports.erasure import Exported, ValueEraser

FILES_MAX = 10_000
"""Most files beside the database that are searched."""

_CHUNK = 4 * 1024 * 1024
_NAMES = ("id", "tenant", "app", "items", "tombstones", "by", "reason", "begun_at")


class JsonlLedger:
    """Erasures, one line of JSON each, only ever appended to; it holds no value.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, erasure: Erasure) -> None:
        """Append an erasure, unless a line says the same."""
        line = canonical_json({name: _plain(getattr(erasure, name)) for name in _NAMES})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            with os.fdopen(opened, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                text = file.read()
                if line.encode() in text.splitlines():
                    return
                # A line that a crash tore off ends here; it is read as none.
                torn = b"" if not text or text.endswith(b"\n") else b"\n"
                file.write(torn + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}") from error

    def there(self) -> bool:
        """Return whether there is one at all on this machine."""
        return self._path.exists()

    @property
    def where(self) -> str:
        """The file."""
        return str(self._path)

    def all(self) -> Sequence[Erasure]:
        """Return what it knows, oldest first; of each erasure the newest line."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error
        found: dict[str, Erasure] = {}
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            erasure = _read(line)
            if erasure is not None:
                found[erasure.id] = erasure
            elif not line.startswith(b"{") or line.rstrip().endswith(b"}"):
                # No crash tears a line off like that: what it named would come back unseen.
                raise self._unusable(f"has a line {number} that is no erasure")
        return list(found.values())

    def _unusable(self, what: str) -> LedgerUnusable:
        return LedgerUnusable(f"the file {self._path} {what}", file=str(self._path))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _read(line: bytes) -> Erasure | None:
    try:
        data = json.loads(line)
        if not (
            all(isinstance(data[name], list) for name in ("items", "tombstones"))
            and all(isinstance(data[name], str) for name in ("id", "tenant", "app", "reason"))
            and isinstance(data["begun_at"], int | float)
        ):
            return None
        return Erasure(
            **{**data, "items": tuple(data["items"]), "tombstones": tuple(data["tombstones"])},
            stage="ledger",
            ended_at=None,
            receipt={},
        )
    except (ValueError, TypeError, KeyError):
        return None


class LocalErasureFiles:
    """Files of this machine.

    Args:
        folder: Where the app keeps what it writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rewrite(self, export: Exported) -> tuple[str | None, str]:
        """Take items out of an export that is still as it was written."""
        path = Path(export.path)
        fresh = path.with_name(f".{path.name}.{export.id}")
        try:
            if path.is_symlink():
                # It is written as a file: whoever put a link there moved what was written.
                return None, "it is a symbolic link by now"
            with path.open("rb") as file:
                digest = _digest(file)
                if digest != export.digest:
                    # A process that died here may have rewritten it, and not said so.
                    file.seek(0)
                    names = [one.encode() for one in export.items]
                    if any(name in line for line in file for name in names):
                        return None, "it was changed after it was written"
                    return digest, ""
                file.seek(0)
                with fresh.open("wb") as kept:
                    kept.write(_header(file.readline(), len(export.items)))
                    kept.writelines(_without(file, frozenset(export.items)))
                    kept.flush()
                    os.fsync(kept.fileno())
            with fresh.open("rb") as file:
                digest = _digest(file)
            fresh.chmod(path.stat().st_mode & 0o777)
            fresh.replace(path)
        except FileNotFoundError:
            return None, "it is not there any more"
        except (OSError, ValueError) as error:
            fresh.unlink(missing_ok=True)
            return None, f"it cannot be written anew: {type(error).__name__}"
        return digest, ""

    def traces(self, files: Iterable[Path], eraser: ValueEraser) -> Sequence[Trace]:
        """Search files for values, in their raw bytes."""
        found = []
        for path in files:
            try:
                with path.open("rb") as file:
                    count, packed = eraser.count_raw(_chunks(file)), zipfile.is_zipfile(file)
                # Compressed, a value would not be seen in the bytes of a backup.
                within = sum(map(eraser.count_raw, _parts(path))) if packed else 0
            except FileNotFoundError:
                continue
            except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
                found.append(Trace(place=str(path), count=0, why=f"not read: {error}"))
                continue
            if count:
                found.append(Trace(place=str(path), count=count, why="raw bytes"))
            if within:
                why = "an archive, such as a backup that was made before"
                found.append(Trace(place=str(path), count=within, why=why))
        return found

    def beside(self) -> Sequence[Path]:
        """Return the files that the app keeps beside its database."""
        if not self._folder.is_dir():
            return []
        files = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
        return [path for _, path in zip(range(FILES_MAX), files, strict=False)]


def _header(line: bytes, gone: int) -> bytes:
    """Return an export's first line, with the number of items that it still has."""
    data = json.loads(line)
    if isinstance(data, dict) and isinstance(data.get("items"), int):
        data["items"] -= gone
        return canonical_json(data).encode().ljust(len(line) - 1) + b"\n"
    return line


def _without(lines: Iterable[bytes], items: frozenset[str]) -> Iterator[bytes]:
    """Yield an export's lines, except those of some items."""
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            data = None
        if not (isinstance(data, dict) and data.get("id") in items):
            yield line


def _digest(file: IO[bytes]) -> str:
    found = hashlib.sha256()
    for data in _chunks(file):
        found.update(data)
    return found.hexdigest()


def _parts(path: Path) -> Iterator[Iterator[bytes]]:
    """Yield the bytes of each part of an archive."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as part:
                yield _chunks(part)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while data := file.read(_CHUNK):
        yield data
