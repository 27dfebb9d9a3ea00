"""An archive: an app's files in one piece, the same bytes for the same files on every machine.

It is a ZIP whose members are stored as they are. A compressed one would have other bytes with
another version of the library, and what stands in it could not be searched, which erasure does.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from fairlead.core.digests import digest_bytes

FILES_MAX = 10_000
"""Most files of an archive."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_RIGHTS = stat.S_IFREG | 0o644
_UNIX = 3
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:]")


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An app's files in one piece.

    Attributes:
        digest: SHA-256 of the bytes: its name.
        data: The bytes.
    """

    digest: str
    data: bytes = field(repr=False)


def pack(files: Mapping[str, bytes]) -> Archive:
    """Put files into an archive.

    Args:
        files: Content by path, with forward slashes.

    Raises:
        ValueError: A path could not be unpacked, or there are too many files.
    """
    _check_paths([*files])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for path, data in sorted(files.items()):
            member = zipfile.ZipInfo(path, _LONG_AGO)
            member.create_system, member.external_attr = _UNIX, _RIGHTS << 16
            made.writestr(member, data)
    data = out.getvalue()
    return Archive(digest=digest_bytes(data), data=data)


def unpack(archive: Archive) -> dict[str, bytes]:
    """Return the files of an archive by path; nothing is written.

    Args:
        archive: The archive, from wherever it comes.

    Raises:
        ValueError: It is not what its name says, or no archive that `pack` made: it has a path that
            leads elsewhere, a link, or a member that is larger than it seems.
    """
    if digest_bytes(archive.data) != archive.digest:
        raise ValueError("its bytes are not those that its name stands for")
    try:
        with zipfile.ZipFile(io.BytesIO(archive.data)) as packed:
            members = packed.infolist()
            _check_paths([member.filename for member in members])
            for member in members:
                if member.external_attr >> 16 != _RIGHTS:
                    raise ValueError(f"{member.filename!r} is no plain file")
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename!r} is compressed")
            if sum(member.file_size for member in members) > len(archive.data):
                raise ValueError("its members lie in each other, and would be larger than it")
            return {member.filename: packed.read(member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no archive: {error}") from error


def _check_paths(paths: list[str]) -> None:
    """Refuse paths that lead out of a folder, or that not every file system tells apart."""
    if len(paths) > FILES_MAX:
        raise ValueError(f"it has {len(paths)} files, and {FILES_MAX} is the most")
    if len({path.casefold() for path in paths}) != len(paths):
        raise ValueError("two of its paths are the same, but for capital letters")
    for path in paths:
        parts = PurePosixPath(path).parts
        plain = bool(parts) and "/".join(parts) == path and not _FORBIDDEN.search(path)
        if not plain or path.startswith("/") or ".." in parts:
            raise ValueError(f"{path!r} is no path below a folder")
