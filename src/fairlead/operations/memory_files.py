"""Memory in files: imported line by line, exported with a record of what went where."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from fairlead.bootstrap import Platform
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    MemoryExportFailed,
    MemoryFileInvalid,
    MemoryInvalid,
)
from fairlead.core.event import Fact
from fairlead.core.label import Label
from fairlead.core.memory import (
    CURRENT,
    EVERYONE,
    WRITE_ITEMS_MAX,
    Item,
    MemoryKind,
    Note,
    Provenance,
    Reader,
    Written,
    item_to_json,
    readers_of,
)
from fairlead.core.memory_terms import admission_of
from fairlead.memory.lines import LINE_BYTES_MAX, header_of, read_line
from fairlead.memory.memories import Memories
from fairlead.memory.notes import note_finding
from fairlead.operations.identity import allow, ordered
from fairlead.operations.memory import memories_of, operator_of_memory
from fairlead.ports.memory_exports import MemoryExport
from fairlead.ports.runs import Order

BATCH_BYTES_MAX = 16_000_000
"""Bytes of lines that are written in one transaction; `WRITE_ITEMS_MAX` bounds their number."""

NAME_CHARS_MAX = 200
_ROOM = 20  # digits of the number of items, which is known at the end


@dataclass(kw_only=True)
class Imported:
    """What became of a file's lines.

    Attributes:
        source: What the items were learned from: `import:` and the file's name.
        lines: Lines that were read, without an export's header.
        written: New items.
        quarantined: Those of them that are only quoted until somebody endorses them.
        merged: Lines that say what was remembered before.
        refused: Lines that the rules of admission refuse, or that were taken back or erased here.
        left_out: Lines of an export that were taken back where it was made.
    """

    source: str
    lines: int = 0
    written: int = 0
    quarantined: int = 0
    merged: int = 0
    refused: int = 0
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class ImportOrder:
    """How a file is imported.

    Attributes:
        by: Who imports it.
        trusted: Whether they vouch for all of it; it takes an approver.
        audience: Who may recall it: `*` for the tenant, or `user:NAME`; a line may say otherwise.
    """

    by: str
    trusted: bool = False
    audience: str = EVERYONE


def import_memory(
    platform: Platform, file: Path, order: ImportOrder, *, tenant: str | None = None
) -> Imported:
    """Remember what a file holds, batch by batch; each batch is written whole with its event.

    It is quarantined, unless whoever imports it vouches for it, or a rule of admission lets it in.
    A line that is no item ends the import: what was written before it stays, nothing of its batch
    does, and to import the file again merges what is there.

    Args:
        platform: The open platform.
        file: Lines of JSON.
        order: Who imports it, and how.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryFileInvalid: The file cannot be read, or one of its lines is no item.
    """
    by = ordered(platform, "memory add", Order(by=order.by, reason="")).by
    if order.trusted:
        allow(platform, "memory add --trusted")
    reader = operator_of_memory(platform, tenant)
    name = "".join(one if one.isprintable() else "?" for one in file.name[:NAME_CHARS_MAX])
    importing = _Importing(
        memories=memories_of(platform),
        reader=reader,
        order=replace(order, by=by),
        done=Imported(source=f"import:{name}"),
    )
    try:
        with file.open("rb") as opened:
            importing.read(opened)
    except OSError as error:
        raise MemoryFileInvalid(f"{file} cannot be read: {error.strerror}") from error
    return importing.done


@dataclass(kw_only=True)
class _Importing:
    """One import, and the batch that it gathers."""

    memories: Memories
    reader: Reader
    order: ImportOrder
    done: Imported
    _notes: list[Note] = field(default_factory=list)
    _bytes: int = 0
    _first: int = 0
    _endorsed: set[str] = field(default_factory=set)

    def read(self, file: IO[bytes]) -> None:
        lines = iter(lambda: file.readline(LINE_BYTES_MAX + 1), b"")
        number = 0
        for number, line in enumerate(lines, start=1):
            self._first = self._first or number
            try:
                self._take(line, number)
            except MemoryInvalid as error:
                raise MemoryFileInvalid(
                    f"line {number:,}: {error.message}{self._so_far}"
                ) from error
            except MemoryFileInvalid as error:
                raise MemoryFileInvalid(f"{error.message}{self._so_far}", **error.ids) from error
            if len(self._notes) == WRITE_ITEMS_MAX or self._bytes >= BATCH_BYTES_MAX:
                self._write(number)
        self._write(number)

    @property
    def _so_far(self) -> str:
        """Return what an error says of the batches before it."""
        if self.done.written + self.done.merged == 0:
            return ""
        return f"; what the lines before line {self._first:,} say is imported"

    def _take(self, data: bytes, number: int) -> None:
        if not data.strip():
            return
        line = read_line(data, number)
        if line.header:
            return
        self.done.lines += 1
        if line.note is None:
            self.done.left_out += 1
            return
        note = self._labelled(line.note, line.audience or self.order.audience)
        _check(note)
        admission = admission_of(self.memories.terms.admit, note.label, note.kind)
        if admission.admit == "refused":
            self.done.refused += 1
            return
        self._endorsed.update(admission.endorsed_by)
        self._notes.append(replace(note, label=admission.label, state=admission.admit))
        self._bytes += len(data)

    def _labelled(self, note: Note, audience: str) -> Note:
        if note.kind == "working":
            raise MemoryInvalid("working memory is a run's own; nobody else writes it")
        by = f"user:{self.order.by}"
        trusted = self.order.trusted
        label = Label(
            integrity="trusted" if trusted else "untrusted",
            readers=readers_of(audience, self.reader.tenant),
            origins=(self.done.source, by) if trusted else (self.done.source,),
        )
        made = Provenance(by=by, source=self.done.source)
        return replace(note, label=label, provenance=made)

    def _write(self, until: int) -> None:
        if self._notes:
            said: dict[str, Json] = {
                "by": self.order.by,
                "source": self.done.source,
                "lines": [self._first, until],
                "trusted": self.order.trusted,
            }
            if self._endorsed:
                said["endorsed_by"] = sorted(self._endorsed)
            fact = Fact(chain=f"memory:{self.reader.tenant}", type="memory.added", data=said)
            for one in self.memories.remember(self.reader, self._notes, fact):
                self._count(one)
        self._notes, self._bytes, self._first = [], 0, 0
        self._endorsed = set()

    def _count(self, written: Written) -> None:
        fresh = not (written.merged or written.refused)
        self.done.written += fresh
        self.done.quarantined += fresh and written.state == "quarantined"
        self.done.merged += written.merged
        self.done.refused += written.refused


def _check(note: Note) -> None:
    found = note_finding(note)
    if found is not None:
        raise MemoryInvalid(found)


@dataclass(frozen=True, kw_only=True)
class ExportOrder:
    """What is exported.

    Attributes:
        by: Who exports it.
        subject: Only what is about this subject; None for anything.
        kinds: Only of these kinds; empty for all but the working memory of runs.
        retired: Whether what was superseded or taken back goes too.
        force: Whether a file that is there is written over.
    """

    by: str
    subject: str | None = None
    kinds: tuple[MemoryKind, ...] = ()
    retired: bool = False
    force: bool = False

    def wants(self, item: Item) -> bool:
        """Say whether an item is exported."""
        if self.subject is not None and item.subject != self.subject:
            return False
        if item.kind not in self.kinds and (self.kinds or item.kind == "working"):
            return False
        return self.retired or item.state in CURRENT


def export_memory(
    platform: Platform, file: Path, order: ExportOrder, *, tenant: str | None = None
) -> tuple[MemoryExport, int]:
    """Write items to a file that only its owner may read, and record which ones.

    Args:
        platform: The open platform.
        file: The file.
        order: Who exports what.
        tenant: Whose memory; None for the principal's own, or the default.

    Returns:
        The export, and the number of its items.

    Raises:
        MemoryExportFailed: The file is there, is a symbolic link, or cannot be written.
    """
    by = ordered(platform, "memory export", Order(by=order.by, reason="")).by
    reader = operator_of_memory(platform, tenant)
    if file.is_symlink():
        # Written through, it would land where nobody who reads the command can see.
        raise MemoryExportFailed(
            f"{file} is a symbolic link, and an export follows none; name the file itself",
            file=str(file),
        )
    if not order.force and os.path.lexists(file):
        raise MemoryExportFailed(f"{file} is there already", file=str(file))
    id, at, part = platform.clock.id(), platform.clock.now(), None
    try:
        # Made with mode 0600, beside the file, so that the last step is one rename.
        handle, name = tempfile.mkstemp(prefix=f".{file.name[:50]}-", dir=file.parent)
        part = Path(name)
        with os.fdopen(handle, "w+b") as opened:
            said = {"export": id, "tenant": reader.tenant, "app": reader.app, "at": at}
            wanted = (item for item in platform.memory.each(reader) if order.wants(item))
            count = _written(opened, said, wanted)
            digest, path = _digest(opened), str(file.absolute())
            export = MemoryExport(
                id=id, tenant=reader.tenant, path=path, digest=digest, by=by, at=at
            )
            data: dict[str, Json] = {"by": by, "export": id, "path": path}
            data |= {"digest": digest, "items": count}
            fact = Fact(chain=f"memory:{reader.tenant}", type="memory.exported", data=data)
            # On record before it is there: an export that nobody knows of would be out of reach.
            platform.memory_exports.record(export, _ids(opened), fact)
        part.replace(file)
    except OSError as error:
        raise MemoryExportFailed(
            f"{file} cannot be written: {error.strerror}", file=str(file)
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return export, count


def _written(file: IO[bytes], said: dict[str, Json], items: Iterator[Item]) -> int:
    """Write an export; the header goes first, and its number of items is filled in at the end."""
    empty = canonical_json(header_of(**said, items=0))
    width = len(empty.encode()) + _ROOM
    file.write(b" " * width + b"\n")
    count = 0
    for item in items:
        count += 1
        file.write(canonical_json(item_to_json(item)).encode() + b"\n")
    file.seek(0)
    file.write(canonical_json(header_of(**said, items=count)).encode().ljust(width))
    file.flush()
    os.fsync(file.fileno())
    return count


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _ids(file: IO[bytes]) -> Iterator[str]:
    """Yield the ids of an export's items; they are read back, since there may be many."""
    file.seek(0)
    file.readline()
    for line in file:
        yield json.loads(line)["id"]
