"""Prints the folder in which the tests make theirs: `make test` gives it to them as TMPDIR.

In memory a database of PostgreSQL is copied in 20 ms, and on a disk in up to 400 ms; the tests make
many hundreds of them, and none outlives its test.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
FREE_BYTES_MIN = 4 * 2**30
"""So much must be free in memory; else it is the disk's. A run of all tests needs a part of it."""


def folder(memory: Path = MEMORY) -> str:
    """Return the folder: memory where there is enough of it, unless TMPDIR names another one.

    Args:
        memory: A file system in memory, where there is one.
    """
    disk = tempfile.gettempdir()
    if "TMPDIR" in os.environ or not memory.is_mount():
        return disk
    found = os.statvfs(memory)
    # The tests execute what they write: a server's programs, and commands that are forked.
    usable = not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) and os.access(memory, os.W_OK)
    free_bytes = found.f_bavail * found.f_frsize
    return str(memory) if usable and free_bytes >= FREE_BYTES_MIN else disk


if __name__ == "__main__":
    print(folder())
