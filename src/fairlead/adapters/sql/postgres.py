"""PostgreSQL's own ways: the address, its time limits, and its kinds of transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from fairlead.core.errors import InvalidConfig, StoreUnavailable

PREFIXES = ("postgresql://", "postgresql+psycopg://", "postgres://")
# `IS JSON` and what the engine needs; older ones are no longer in support before long.
SERVER_VERSION_MIN = 16

_DRIVER = "postgresql+psycopg"
# Most connections of one process. They are opened when they are needed and then kept: to open one
# takes a server longer than to answer, so under load none may be opened for one transaction alone.
_POOL_OWN = 10
_POOL_ENGINE = 20
_POOL_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 10
_KEEPALIVE_S = 10
# A connection that was used so short a time ago is not asked whether it is still one.
_FRESH_S = 1.0
# A process that was stopped in the middle of a transaction holds its locks so long, and no longer.
_IDLE_IN_TRANSACTION_S = 10
# A statement that works may take so many times as long as one that only waits.
_STATEMENT_FACTOR = 10


class PostgresServer:
    """One database on a PostgreSQL server.

    Attributes:
        url: Where it is, for SQLAlchemy, with the password.
        where: Where it is, for messages: user, host and database, and never a password.
        writing: Execution options of a writing transaction. Each of its statements sees what was
            committed before it; whoever reads in order to write takes a lock first.
        reading: Execution options of a reading one: a view that stays as it is.
        glance: Execution options without a transaction.
    """

    writing: Mapping[str, Any] = {"isolation_level": "READ COMMITTED"}
    reading: Mapping[str, Any] = {
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
    }
    glance: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT"}

    def __init__(self, url: str, *, busy_timeout_s: float) -> None:
        """Read the address; nothing is opened yet.

        Raises:
            InvalidConfig: It is not understood.
        """
        self._url = _read(url)
        self.url = self._url.render_as_string(hide_password=False)
        self.where = _shown(self._url)
        self._wait_ms = max(1, int(busy_timeout_s * 1000))

    def engine(self, *, own: bool) -> sa.Engine:
        """Return an engine on the database.

        Args:
            own: Whether it is for our own transactions, or for a library's.
        """
        engine = sa.create_engine(
            self._url,
            pool_size=_POOL_OWN if own else _POOL_ENGINE,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_S,
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                # A network that swallows everything is noticed as late as a lock is given up.
                "tcp_user_timeout": max(self._wait_ms, 1000),
                "keepalives_idle": _KEEPALIVE_S,
                "keepalives_interval": _KEEPALIVE_S,
                "application_name": "fairlead",
                "options": self._options(),
            },
        )
        event.listen(engine, "connect", _no_nul)
        event.listen(engine, "checkin", _rested)
        event.listen(engine, "checkout", _ping)
        return engine

    def opened(self, connection: sa.Connection) -> None:
        """Refuse a server that is too old, or a database that cannot hold every text."""
        number = int(connection.exec_driver_sql("SHOW server_version_num").scalar() or 0)
        if number // 10_000 < SERVER_VERSION_MIN:
            found = f"{number // 10_000}.{number % 10_000}"
            message = f"the database {self.where} is PostgreSQL {found}, and {SERVER_VERSION_MIN}"
            raise StoreUnavailable(f"{message} is the oldest that will do", database=self.where)
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            message = f"the database {self.where} is encoded as {encoding}, and must be UTF8"
            raise StoreUnavailable(message, database=self.where)

    def begin(self, connection: sa.Connection, *, write: bool) -> None:
        """Do nothing: the driver begins with the first statement, as the options say."""

    def check(self) -> None:
        """Do nothing: a server that is gone says so itself."""

    def now_sql(self) -> sa.ColumnElement[float]:
        """Return the server's clock, as it runs: seconds since 1970 with six decimals."""
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)

    def _options(self) -> str:
        limits = {
            "lock_timeout": self._wait_ms,
            "statement_timeout": _STATEMENT_FACTOR * max(self._wait_ms, 1000),
            "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_S * 1000,
        }
        ours = " ".join(f"-c {name}={value}" for name, value in limits.items())
        # What stands in the address comes last, and wins.
        return f"{ours} {self._url.query.get('options', '')}".strip()


def _read(url: str) -> sa.URL:
    try:
        read = sa.make_url(url)
        if not read.database:
            raise ValueError("it names no database")
    except (sa.exc.ArgumentError, ValueError):
        # The reason may hold a piece of the password.
        raise InvalidConfig(
            "database.url is not understood; it must be postgresql://USER:PASSWORD@HOST/DATABASE, "
            "with every other sign in a password as %XX",
            key="database.url",
        ) from None
    return read.set(drivername=_DRIVER)


def _shown(url: sa.URL) -> str:
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    # A socket's folder stands in the query; of the query nothing else is shown.
    host = url.host or url.query.get("host", "")
    return f"postgresql://{user}{host}{port}/{url.database}"


def _rested(_: Any, record: Any) -> None:
    record.info["rested_at"] = time.monotonic()


def _ping(connection: Any, record: Any, _: Any) -> None:
    """Ask a connection that has rested whether it still is one.

    A server that was started again is met by a new connection, not by an error. SQLAlchemy's own
    `pool_pre_ping` asks each time, which is a fifth of all that a busy worker sends.
    """
    rested_at = record.info.get("rested_at")
    if rested_at is None or time.monotonic() - rested_at < _FRESH_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise sa.exc.DisconnectionError(str(error)) from error


def _no_nul(connection: Any, _: object) -> None:
    connection.adapters.register_dumper(str, _dumper())


@cache
def _dumper() -> Any:
    """Return what sends U+FFFD for NUL, which PostgreSQL's text cannot hold: a tool's message may.

    The driver takes a while to import, so whoever uses SQLite does not wait for it.
    """
    from psycopg.types.string import StrDumperUnknown

    class NoNul(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\x00", "\ufffd"))

    return NoNul
