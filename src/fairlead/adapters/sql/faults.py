"""Turns the database's errors into ours: what happened, to which file, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError

from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)

_CAUSES: tuple[tuple[str, type[FairleadError], str], ...] = (
    ("readonly", StoreReadOnly, "cannot be written"),
    ("read-only", StoreReadOnly, "cannot be written"),
    ("is full", StoreFull, "is full"),
    ("database or disk is full", StoreFull, "is full"),
    ("is locked", StoreLocked, "is held by another process"),
    ("not a database", StoreCorrupt, "is no SQLite database"),
    ("malformed", StoreCorrupt, "is damaged"),
    ("unable to open", StoreUnavailable, "cannot be opened"),
    ("disk i/o error", StoreUnavailable, "cannot be read or written"),
)


def translate(error: DBAPIError, where: str) -> FairleadError | None:
    """Return our error for one of the database's, or None when it is a mistake in our code."""
    text = str(error.orig).lower()
    for pattern, cls, what in _CAUSES:
        if pattern in text:
            return cls(f"the database {where} {what} ({error.orig})", database=where)
    if isinstance(error, OperationalError) and "no such table" not in text:
        return StoreUnavailable(f"the database {where} failed: {error.orig}", database=where)
    return None


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise our error in place of the database's.

    Args:
        where: The database, as the user knows it.
    """
    try:
        yield
    except DBAPIError as error:
        ours = translate(error, where)
        if ours is None:
            raise
        raise ours from error
