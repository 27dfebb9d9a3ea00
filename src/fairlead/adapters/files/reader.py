"""Reads documents from a folder: Markdown, text, HTML and PDF."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fairlead.adapters.files.convert import (
    Content,
    html_content,
    markdown_content,
    pdf_content,
    plain_content,
)
from fairlead.adapters.files.passages import cut
from fairlead.core.errors import (
    CollectionMissing,
    DocumentBinary,
    DocumentEmpty,
    DocumentEncoding,
    DocumentOutside,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    FairleadError,
)
from fairlead.core.grounding import Passage
from fairlead.ports.documents import Document

MAX_BYTES = 10_000_000

_MARKDOWN = (".md", ".markdown")
_TEXT = (".txt",)
_HTML = (".html", ".htm")
_PDF = (".pdf",)
_ENDINGS = (*_MARKDOWN, *_TEXT, *_HTML, *_PDF)
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class FolderReader:
    """Reads documents from a folder or a single file, in the order of their paths."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Set the limit.

        Args:
            max_bytes: A larger file is refused without being read.
        """
        self._max_bytes = max_bytes

    def read(self, root: Path, collection: str) -> Iterator[Document | FairleadError]:
        """Read each document below a folder.

        Hidden files and folders, and files with other endings, are left out. Links are followed
        inside the folder; a folder that is reached on two ways is read once.

        Args:
            root: A folder, or one file.
            collection: The collection that the documents shall belong to.

        Returns:
            For each file, by path, the document or the error that says why it was refused.

        Raises:
            CollectionMissing: `root` is not there.
        """
        if not root.exists():
            raise CollectionMissing(f"there is no {root}", collection=collection, path=str(root))
        return self._read(root, collection)

    def _read(self, root: Path, collection: str) -> Iterator[Document | FairleadError]:
        if not root.is_dir():
            yield self._document(root, root.name, collection)
            return
        for path, found in _files(root.resolve()):
            if isinstance(found, FairleadError):
                yield found
            else:
                yield self._document(found, path, collection)

    def _document(self, file: Path, path: str, collection: str) -> Document | FairleadError:
        try:
            content = self._content(file, path)
        except FairleadError as error:
            return error
        except OSError as error:
            return _unreadable(path, error)
        title = content.title or _title_from_name(path)
        if not content.text.strip():
            return DocumentEmpty(f"{path}: there is no text in it", document=path)
        passages = tuple(
            Passage(
                collection=collection,
                document=path,
                title=one.title,
                start=one.start,
                end=one.end,
                text=content.text[one.start : one.end],
            )
            for one in cut(content.text, title, content.blocks)
        )
        return Document(
            path=path,
            title=title,
            text=content.text,
            digest=hashlib.sha256(content.text.encode()).hexdigest(),
            passages=passages,
        )

    def _content(self, file: Path, path: str) -> Content:
        ending = _ending(path)
        if ending not in _ENDINGS:
            raise DocumentUnsupported(
                f"{path}: files of this kind are not read, only {', '.join(_ENDINGS)}",
                document=path,
            )
        data = self._bytes(file, path)
        if ending in _PDF:
            return pdf_content(data, path)
        text = _decoded(data, path)
        if ending in _HTML:
            return html_content(text, path)
        return markdown_content(text) if ending in _MARKDOWN else plain_content(text)

    def _bytes(self, file: Path, path: str) -> bytes:
        status = file.stat()
        # A pipe or a device under a document's name would keep the reader waiting.
        if not stat.S_ISREG(status.st_mode):
            raise DocumentUnreadable(f"{path}: this is not a regular file", document=path)
        size = status.st_size
        if size <= self._max_bytes:
            with file.open("rb") as stream:
                data = stream.read(self._max_bytes + 1)
            size = max(size, len(data))  # it may have grown
            if size <= self._max_bytes:
                return data
        raise DocumentTooLarge(
            f"{path}: {size:,} bytes are more than the {self._max_bytes:,} allowed", document=path
        )


def _files(root: Path) -> list[tuple[str, Path | FairleadError]]:
    """List what there is to read below a folder, by path.

    A real folder is walked under its own path. Links to folders come after all of those, so
    that each folder is walked once and links in a circle come to an end.
    """
    found: list[tuple[str, Path | FairleadError]] = []
    seen: set[Path] = set()
    folders = [("", root)]
    links: list[tuple[str, Path]] = []
    while folders or links:
        if not folders:
            links.sort(reverse=True)
        prefix, folder = folders.pop() if folders else links.pop()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            path = prefix.rstrip("/") or "."
            found.append((path, _unreadable(path, error)))
            continue
        for entry in entries:
            path = prefix + entry.name
            if entry.name.startswith("."):
                continue
            if not entry.is_symlink() and entry.is_dir():
                folders.append((path + "/", entry))
                continue
            target = _target(root, entry, path)
            if isinstance(target, Path) and target.is_dir():
                links.append((path + "/", target))
            elif _ending(path) in _ENDINGS or isinstance(target, DocumentOutside):
                found.append((path, target))
    return sorted(found, key=lambda one: one[0])


def _target(root: Path, entry: Path, path: str) -> Path | FairleadError:
    """Return the file or folder behind a directory entry, or why it is refused."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return DocumentEncoding(f"{shown}: the file's name is not UTF-8", document=shown)
    if not entry.is_symlink():
        return entry
    try:
        target = entry.resolve()
        if target.is_relative_to(root):
            return target
        wanted = target.is_dir() or _ending(path) in _ENDINGS
    except (OSError, RuntimeError) as error:  # a circle is a RuntimeError up to Python 3.12
        return _unreadable(path, error)
    return (
        DocumentOutside(f"{path}: the link leads out of the folder", document=path)
        if wanted
        else entry
    )


def _unreadable(path: str, error: OSError | RuntimeError) -> DocumentUnreadable:
    reason = error.strerror if isinstance(error, OSError) else None
    return DocumentUnreadable(f"{path}: {reason or error}", document=path)


def _decoded(data: bytes, path: str) -> str:
    """Decode a text file, with line feeds as line ends on every system."""
    if data.startswith(_UTF_16_MARKS):
        raise DocumentEncoding(f"{path}: this is UTF-16, not UTF-8", document=path)
    if b"\x00" in data:
        raise DocumentBinary(f"{path}: there are NUL bytes in it", document=path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentEncoding(
            f"{path}: byte {error.start} is not UTF-8 ({error.reason})", document=path
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _title_from_name(path: str) -> str:
    """Return a file's name as words: "refund-policy.md" is "refund policy"."""
    stem = PurePosixPath(path).stem
    return " ".join(stem.replace("_", " ").replace("-", " ").split()) or stem
