"""Statements and commits that fail as the database's own driver lets them fail.

The errors are raised where the driver would raise them, so that they pass the database library's
wrapping, the project's translation and its retries like real ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from fairlead.testing.faults.actions import Error

StatementHit = Callable[[tuple[str, ...], str], "Error | None"]
"""Strikes at a statement: its names and the moment; returns the error that it fails with."""

_MESSAGES: dict[str, str] = {
    "locked": "database is locked",
    "full": "database or disk is full",
    "lost": "server closed the connection unexpectedly",
    "readonly": "attempt to write a readonly database",
    "corrupt": "database disk image is malformed",
}

_SHAPE = re.compile(
    r"\s*(insert|update|delete|select|begin)\b(?:\s+or\s+\w+)?(?:\s+(?:into|from))?"
    r"(?:\s+(?:\"?\w+\"?\.)?\"?(\w+))?",
    re.IGNORECASE,
)
_WRITES = ("insert", "update", "delete")


def names_of(statement: str) -> tuple[str, ...]:
    """Return a statement's names: `insert calls` and `write`, `select`, `begin`, or none.

    A worker's claim of a run is also `claim`.
    """
    found = _SHAPE.match(statement)
    if found is None:
        return ()
    verb = found[1].lower()
    if verb not in _WRITES:
        return (verb,)
    names = (f"{verb} {(found[2] or '').lower()}", "write")
    changed = statement.lower().partition("where")[0]
    if names[0] == "update runs" and "claims=" in changed.replace(" ", ""):
        return (*names, "claim")
    return names


def listen(engine: sa.Engine, hit: StatementHit) -> None:
    """Make each statement and each commit of an engine a point.

    Args:
        engine: The database library's engine.
        hit: Strikes at a statement.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    def broken(error: Error) -> Exception:
        dbapi: Any = engine.dialect.dbapi
        raised: Exception = dbapi.OperationalError(_MESSAGES[error])
        return raised

    def execute(_: Any, statement: str, *__: Any) -> None:
        names = names_of(statement)
        error = hit(names, "before") if names else None
        if error is not None:
            raise broken(error)

    def executed(_: Any, __: Any, statement: str, *___: Any) -> None:
        names = names_of(statement)
        error = hit(names, "after") if names else None
        if error is not None:
            raise OperationalError(statement, None, broken(error))

    def commit(connection: sa.Connection) -> None:
        error = hit(("commit",), "before")
        if error is not None:
            raise OperationalError("COMMIT", None, broken(error))
        # The library's own commit follows and finds nothing to do: so there is a moment at which
        # the database has committed and its client does not know.
        connection.connection.commit()
        error = hit(("commit",), "after")
        if error is not None:
            raise OperationalError("COMMIT", None, broken(error))

    for name in ("do_execute", "do_execute_no_params", "do_executemany"):
        event.listen(engine, name, execute)
    event.listen(engine, "after_cursor_execute", executed)
    event.listen(engine, "commit", commit)
