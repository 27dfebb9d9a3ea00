"""Puts the files of a release into a folder, from which a worker executes its code.

A folder is made beside its place and renamed, so that nobody sees a part of it. Whoever uses one
holds a shared lock on the folder itself, until its process ends; what nobody holds may be removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fairlead.core.errors import ReleaseUnwritable

_NEW, _OLD = ".new-", ".old-"

TRIES_MAX = 20
"""Times that a folder may be taken away, or made anew, by others while it is being taken."""

_held: dict[str, int] = {}
"""What this process uses: an open folder, with its lock, by path."""


def materialise(
    root: Path, name: str, files: Mapping[str, bytes], fits: Callable[[Path], bool]
) -> Path:
    """Return the folder with a release's files; make it when it is not there, or was changed.

    It stays, for as long as this process lives.

    Args:
        root: Where such folders are.
        name: The folder's name.
        files: Content by path; the paths were checked.
        fits: Says whether what is in a folder is what it should be.

    Raises:
        ReleaseUnwritable: It cannot be made, or others change it again and again.
    """
    place = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES_MAX):
            if _hold(place):
                if fits(place):
                    return place
                _discard(root, place)
            _make(root, place, files)
    except OSError as error:
        raise ReleaseUnwritable(f"{place} cannot be made: {error}", folder=str(place)) from error
    raise ReleaseUnwritable(f"{place} does not stay as it was made", folder=str(place))


def tidy_up(root: Path, keep: int) -> None:
    """Remove folders that no process uses: all but the newest, and what was left half made.

    Args:
        root: Where such folders are.
        keep: How many folders may stay; those that are used are never removed.
    """
    with suppress(OSError):
        found = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        whole = [path for path in found if not path.name.startswith((_NEW, _OLD))]
        for path in found:
            if path not in whole[:keep]:
                _remove(path)


def _make(root: Path, place: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder under another name, and give it its own, unless somebody was faster."""
    made = Path(tempfile.mkdtemp(dir=root, prefix=_NEW))
    with _locked(made, fcntl.LOCK_SH) as mine:
        if not mine:
            return  # Somebody tidied up; it is made again.
        try:
            for path, data in files.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            made.chmod(0o755)
            made.rename(place)
        except OSError as error:
            # Also of a full disk: who tries again must not fill it further.
            shutil.rmtree(made, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _hold(place: Path) -> bool:
    """Take a shared lock that lasts as long as the process; False when there is no folder."""
    if str(place) in _held:
        if _is(place, _held[str(place)]):
            return True
        _let_go(place)
    try:
        opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    fcntl.flock(opened, fcntl.LOCK_SH)
    if not _is(place, opened):
        os.close(opened)
        return False
    _held[str(place)] = opened
    with suppress(OSError):
        os.utime(place)  # What was used last is the newest.
    return True


def _let_go(place: Path) -> None:
    os.close(_held.pop(str(place)))


def _discard(root: Path, place: Path) -> None:
    """Take a folder that is not as it should be out of its place, also from under others.

    They have imported what they need, and find the rest in the folder that is made anew. Two that
    come to this at once must not take away what one of them made meanwhile: they take turns.
    """
    judged = _held.pop(str(place))
    try:
        with _locked(root, fcntl.LOCK_EX):
            if not _is(place, judged):
                return
            gone = Path(tempfile.mkdtemp(dir=root, prefix=_OLD))
            place.rename(gone / place.name)
        shutil.rmtree(gone, ignore_errors=True)
    finally:
        os.close(judged)


def _remove(place: Path) -> None:
    """Remove a folder that no process uses; else do nothing."""
    with suppress(OSError), _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB) as mine:
        if not mine:
            return
        gone = place
        if not place.name.startswith((_NEW, _OLD)):
            gone = Path(tempfile.mkdtemp(dir=place.parent, prefix=_OLD))
            place.rename(gone / place.name)
        shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def _locked(place: Path, how: int) -> Iterator[bool]:
    """Hold a lock on a folder; False when it is not there any more, or somebody else has it."""
    try:
        opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(opened, how)
        except BlockingIOError:
            yield False
            return
        yield _is(place, opened)
    finally:
        os.close(opened)


def _is(place: Path, opened: int) -> bool:
    """Whether a path still leads to the folder that was opened under it."""
    try:
        there, here = place.stat(), os.fstat(opened)
    except FileNotFoundError:
        return False
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)
