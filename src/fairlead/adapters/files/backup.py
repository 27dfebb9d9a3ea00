"""The file of a backup: a ZIP whose last 64 characters are the SHA-256 of all that stands before.

Any tool can list it. Nothing is ever unpacked under a name that stands in it: the parts are read
as streams, and only those that the manifest names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from fairlead.core.backup import (
    FORMAT,
    MANIFEST_BYTES_MAX,
    Content,
    Manifest,
    Part,
    format_of,
    manifest_text,
    read_manifest,
)
from fairlead.core.errors import (
    BackupDamaged,
    BackupExists,
    BackupForeign,
    BackupTooNew,
    BackupUnreadable,
    BackupUnwritable,
    ScratchUnavailable,
)
from fairlead.ports.backup import PartSource, Written

CHUNK = 1_048_576
_MARK = "fairlead-backup"
"""The name of the first entry, so that the file says at its beginning what it is."""
_MANIFEST = "manifest.json"
_ZIP = b"PK\x03\x04"
_NAME_AT = 30
_SEAL = 64
_LEVEL = 1
"""The quickest compression: the next one takes twice the time for a tenth of the size."""
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What the ZIP library says of an entry that is none."""


class ZipBackups:
    """Writes and reads backups."""

    @contextmanager
    def scratch(self, folder: Path) -> Iterator[Path]:
        """Make a folder that only this process uses and that is removed when the block ends."""
        with ExitStack() as made:
            try:
                path = made.enter_context(_scratch(folder))
            except OSError as error:
                raise ScratchUnavailable(f"{folder} cannot be made: {_why(error)}") from error
            yield path

    @contextmanager
    def write(self, file: Path, *, force: bool) -> Iterator[ZipSink]:
        """Write a backup; it stands under its name when the block ends, or not at all."""
        try:
            if file.is_dir():
                raise BackupUnwritable(f"{file} is a folder", file=str(file))
            if not force and os.path.lexists(file):
                raise _exists(file)
            with _scratch(file.parent / f".{file.name}.partial") as folder:
                sink = ZipSink(file, folder, force=force)
                try:
                    sink.begin()
                    yield sink
                finally:
                    sink.close()
        except OSError as error:
            message = f"the backup {file} cannot be written: {_why(error)}"
            raise BackupUnwritable(message, file=str(file)) from error

    @contextmanager
    def read(self, file: Path) -> Iterator[PartSource]:
        """Read a backup, after every digest in it was checked."""
        try:
            # A pipe would be waited for.
            handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            why = _why(error)
            raise BackupUnreadable(f"{file} cannot be read: {why}", file=str(file)) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise BackupUnreadable(f"{file} is no file", file=str(file))
        with os.fdopen(handle, "rb") as opened:
            try:
                source = _checked(opened, str(file))
            except OSError as error:
                why = _why(error)
                raise BackupUnreadable(f"{file} cannot be read: {why}", file=str(file)) from error
            with source.archive:
                yield source


class ZipSink:
    """A backup that is written.

    Attributes:
        folder: A folder that is removed afterwards.
    """

    def __init__(self, file: Path, folder: Path, *, force: bool) -> None:
        self.folder = folder
        self._file, self._force = file, force
        self._path = folder / "backup"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._raw = os.fdopen(handle, "wb")
        self._sealed = _Sealed(self._raw)
        self._archive = zipfile.ZipFile(
            cast("BinaryIO", self._sealed), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
        )
        self._parts: list[Part] = []

    def begin(self) -> None:
        """Have the file say at its beginning what it is."""
        self._put(_MARK, b"")

    @contextmanager
    def part(self, name: str) -> Iterator[BinaryIO]:
        """Return where one part is written to, until the block ends; one at a time."""
        with self._archive.open(_entry(name), "w", force_zip64=True) as stream:
            counted = _Counted(stream)
            yield cast("BinaryIO", counted)
        self._parts.append(counted.part(name))

    def seal(self, content: Content, *, fairlead: str, made_at: float) -> Written:
        """Write the manifest, and put the file under its name."""
        manifest = Manifest(
            fairlead=fairlead, made_at=made_at, content=content, parts=tuple(self._parts)
        )
        self._put(_MANIFEST, manifest_text(manifest).encode())
        self._archive.comment = b"0" * _SEAL
        self._archive.close()
        digest = self._sealed.seal()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        size = self._raw.tell()
        self._raw.close()
        self._place()
        return Written(file=self._file, bytes=size, digest=digest, manifest=manifest)

    def close(self) -> None:
        """Let go of what was not put under its name."""
        self._sealed.closing = True
        with suppress(OSError, ValueError):
            self._archive.close()
        with suppress(OSError):
            self._raw.close()

    def _put(self, name: str, data: bytes) -> None:
        with self._archive.open(_entry(name), "w") as stream:
            stream.write(data)

    def _place(self) -> None:
        if self._force:
            self._path.replace(self._file)
        else:
            try:
                # Unlike a renaming, it overwrites nothing that came meanwhile.
                os.link(self._path, self._file)
            except FileExistsError as error:
                raise _exists(self._file) from error
            except PermissionError:
                self._path.replace(self._file)  # a file system without hard links
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class ZipSource:
    """A backup that is read.

    Attributes:
        manifest: What it is.
        digest: SHA-256 of the whole file.
        archive: The file.
    """

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, digest: str) -> None:
        self.archive, self.manifest, self.digest = archive, manifest, digest
        self._parts = {part.name: part for part in manifest.parts}

    @contextmanager
    def part(self, name: str) -> Iterator[BinaryIO]:
        """Return one part to read; at the end of the block it must have been what it should be."""
        part = self._parts.get(name)
        if part is None:
            raise BackupDamaged(f"the backup has no part {name}")
        try:
            with self.archive.open(name) as stream:
                counted = _Counted(cast("BinaryIO", stream), most=part.bytes)
                yield cast("BinaryIO", counted)
        except _UNREADABLE as error:
            raise BackupDamaged(f"part {name} of the backup is damaged: {error}") from error
        if counted.part(name) != part:
            raise BackupDamaged(f"part {name} of the backup is not what was written")


class _Counted:
    """A stream that counts and digests what goes through it."""

    def __init__(self, stream: Any, *, most: int = 2**63) -> None:
        self._stream, self._most = stream, most
        self._size, self._digest = 0, sha256()

    def write(self, data: bytes) -> int:
        self._count(data)
        return int(self._stream.write(data))

    def read(self, size: int = CHUNK) -> bytes:
        data: bytes = self._stream.read(size)
        self._count(data)
        if self._size > self._most:
            raise zipfile.BadZipFile(f"it is larger than {self._most} bytes")
        return data

    def part(self, name: str) -> Part:
        return Part(name=name, bytes=self._size, digest=self._digest.hexdigest())

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        self._digest.update(data)


class _Sealed:
    """Digests what is written, up to the last characters, which are then the digest.

    It cannot be sought in, so the ZIP library never goes back to write over what was digested.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._digest, self._held = raw, sha256(), b""
        self.closing = False

    def write(self, data: bytes) -> int:
        if self.closing:
            return len(data)  # the backup was given up: what the library adds is for nobody
        self._raw.write(data)
        held = self._held + bytes(data)
        self._digest.update(held[:-_SEAL])
        self._held = held[-_SEAL:]
        return len(data)

    def flush(self) -> None:
        self._raw.flush()

    def seal(self) -> str:
        """Write the seal, and return the digest of the whole file."""
        seal = self._digest.hexdigest().encode()
        self._raw.seek(-_SEAL, os.SEEK_END)
        self._raw.write(seal)
        self._digest.update(seal)
        return self._digest.hexdigest()


def _checked(opened: BinaryIO, where: str) -> ZipSource:
    """Check everything about a file; its members are read to their ends."""
    digest = _unsealed(opened, where)
    opened.seek(0)
    try:
        archive = zipfile.ZipFile(opened)
        manifest = _manifest(archive, where)
        source = ZipSource(archive, manifest, digest)
        names = sorted(archive.namelist())
        if names != sorted([_MARK, _MANIFEST, *(part.name for part in manifest.parts)]):
            raise BackupDamaged(f"{where} has other parts than its manifest names", file=where)
        for part in manifest.parts:
            with source.part(part.name) as stream:
                while stream.read(CHUNK):
                    pass
    except _UNREADABLE as error:
        raise BackupDamaged(f"{where} is damaged: {error}", file=where) from error
    return source


def _unsealed(opened: BinaryIO, where: str) -> str:
    """Return the digest of a whole file, when its seal is that of all that stands before it."""
    size = opened.seek(0, os.SEEK_END)
    opened.seek(0)
    begin = opened.read(_NAME_AT + len(_MARK))
    named = begin[_NAME_AT:]
    if size and not (begin.startswith(_ZIP) and _MARK.encode().startswith(named)):
        raise BackupForeign(f"{where} is no backup of Fairlead", file=where)
    if size <= _NAME_AT + len(_MARK) + _SEAL:
        raise BackupDamaged(f"{where} was cut off: it has {size} bytes", file=where)
    found, left = sha256(begin), size - len(begin) - _SEAL
    while left and (data := opened.read(min(CHUNK, left))):
        found.update(data)
        left -= len(data)
    seal = opened.read(_SEAL)
    if left or seal != found.hexdigest().encode():
        message = f"{where} is not what was written: it was cut off or changed"
        raise BackupDamaged(message, file=where)
    found.update(seal)
    return found.hexdigest()


def _manifest(archive: zipfile.ZipFile, where: str) -> Manifest:
    try:
        with archive.open(_MANIFEST) as stream:
            text = stream.read(MANIFEST_BYTES_MAX + 1).decode()
        if len(text) > MANIFEST_BYTES_MAX:
            raise ValueError("it is too long")
        number = format_of(text)
        if number != FORMAT:
            message = f"{where} has format {number}, and this version reads format {FORMAT}"
            raise BackupTooNew(message, file=where)
        return read_manifest(text)
    except (KeyError, ValueError) as error:
        raise BackupDamaged(f"the manifest of {where} is none: {error}", file=where) from error


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that is removed afterwards; it is locked, so it has one user."""
    lock = _locked(folder)
    try:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path) -> int:
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it before may have removed it in between.
            if os.fstat(lock).st_nlink:
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _entry(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, date_time=time.gmtime()[:6])
    made.compress_type = zipfile.ZIP_DEFLATED
    made._compresslevel = _LEVEL  # type: ignore[attr-defined]
    made.external_attr = 0o600 << 16
    return made


def _exists(file: Path) -> BackupExists:
    return BackupExists(f"there is a file {file}", file=str(file))


def _why(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return "another process is at it"
    return getattr(error, "strerror", None) or str(error)
