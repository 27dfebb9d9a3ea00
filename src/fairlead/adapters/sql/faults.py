"""Turns the database's errors into ours: what happened, to which one, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fairlead.adapters.sql.schema import metadata
from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)

# SQLite's words.
_CAUSES: tuple[tuple[str, type[FairleadError], str], ...] = (
    ("readonly", StoreReadOnly, "cannot be written"),
    ("read-only", StoreReadOnly, "cannot be written"),
    ("is full", StoreFull, "is full"),
    ("database or disk is full", StoreFull, "is full"),
    ("is locked", StoreLocked, "is held by another process"),
    ("not a database", StoreCorrupt, "is no SQLite database"),
    ("malformed", StoreCorrupt, "is damaged"),
    ("could not decode", StoreCorrupt, "holds text that is none"),
    ("unable to open", StoreUnavailable, "cannot be opened"),
    ("disk i/o error", StoreUnavailable, "cannot be read or written"),
)


# PostgreSQL's codes: five characters, the first two are the class. The longest that fits counts.
_CODES: dict[str, tuple[type[FairleadError], str]] = {
    "08": (StoreUnavailable, "cannot be reached"),
    "22003": (StoreCorrupt, "holds a number that cannot be"),
    "25006": (StoreReadOnly, "cannot be written"),
    "25P03": (StoreUnavailable, "ended a transaction that stood still"),
    "28": (StoreUnavailable, "does not let this user in"),
    "3D": (StoreUnavailable, "is not there"),
    "40": (StoreLocked, "is held by another process"),
    "42804": (StoreCorrupt, "has columns of another kind"),
    "42883": (StoreCorrupt, "has columns of another kind"),
    "42501": (StoreReadOnly, "does not allow it to this user"),
    "53": (StoreUnavailable, "has no room for another process"),
    "53100": (StoreFull, "is full"),
    "54": (StoreUnavailable, "is at a limit of the server"),
    "55P03": (StoreLocked, "is held by another process"),
    "57": (StoreUnavailable, "is stopped or starting"),
    "57014": (StoreLocked, "took too long"),
    "58": (StoreUnavailable, "cannot be read or written"),
    "XX001": (StoreCorrupt, "is damaged"),
    "XX002": (StoreCorrupt, "is damaged"),
}


# A table, or a column of it, as either of them names what is not there.
_MISSING = re.compile(r'(?:no such (?:table|column): (?:main\.)?|relation "|column )(\w+)')


def translate(error: DBAPIError, where: str) -> FairleadError | None:
    """Return our error for one of the database's, or None when it is a mistake in our code."""
    code = getattr(error.orig, "sqlstate", None)
    text = " ".join(str(error.orig).split())
    gone = _MISSING.match(text)
    if gone is not None and gone[1] in metadata.tables:
        message = f"the database {where} lacks a table of ours, or a part of it ({text})"
        return StoreCorrupt(message, database=where)
    if code:
        found = next((_CODES[code[:n]] for n in (5, 2) if code[:n] in _CODES), None)
        if found is not None:
            return found[0](f"the database {where} {found[1]} ({text})", database=where)
    elif not _is_server(error):
        for pattern, cls, what in _CAUSES:
            if pattern in text.lower():
                return cls(f"the database {where} {what} ({text})", database=where)
    if isinstance(error, OperationalError) and "no such table" not in text.lower():
        return StoreUnavailable(f"the database {where} failed: {text}", database=where)
    return None


def _is_server(error: DBAPIError) -> bool:
    """Whether PostgreSQL's driver said it; its words may hold a pattern of SQLite's by chance."""
    return type(error.orig).__module__.partition(".")[0] == "psycopg"


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise our error in place of the database's.

    Args:
        where: The database, as the user knows it.
    """
    try:
        yield
    except PoolTimeout as error:
        message = f"all connections to the database {where} are in use: {error}"
        raise StoreUnavailable(message, database=where) from error
    except DBAPIError as error:
        ours = translate(error, where)
        if ours is None:
            raise
        raise ours from error
