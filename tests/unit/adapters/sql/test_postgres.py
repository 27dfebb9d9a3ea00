"""PostgreSQL: its address, its limits, its transactions, and what happens when it goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.postgres import PostgresServer as Server
from fairlead.core.errors import (
    FairleadError,
    InvalidConfig,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)
from fairlead.testing.postgres import PostgresServer

pytestmark = pytest.mark.postgresql

SECRET = "s3cr3t/@:pw"

COUNT = sa.text("SELECT count(*) FROM blobs")
INSERT = sa.text("INSERT INTO blobs (digest, data, created_at) VALUES ('d', 'x', 1)")


@pytest.fixture
def opened(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.database("template_fairlead") as url:
        database = Database(url, busy_timeout_s=0.3)
        yield database
        database.close()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_address_is_shown_without_its_password(scheme: str) -> None:
    tail = "?password=s3cr3t&application_name=x"
    server = Server(f"{scheme}://ann:s3cr3t%40@db.example:5433/prod{tail}", busy_timeout_s=1)
    assert server.where == "postgresql://ann@db.example:5433/prod"
    assert server.url.startswith("postgresql+psycopg://ann:s3cr3t%40@db.example:5433/prod?")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://ann:s3cr3t@host",
        "postgresql://ann:s3cr3t@host/",
        "postgresql://ann@host:s3cr3t/db",
    ],
)
def test_an_address_that_is_not_understood_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Database(url)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_goes_wrong_is_told_without_the_password(postgres: PostgresServer) -> None:
    for url in (
        postgres.url("no_such", password=SECRET),
        "postgresql://ann:" + "s3cr3t%2F" + "@127.0.0.1:1/db",
        postgres.url("x").replace("flpg", "no-such"),
    ):
        with pytest.raises(StoreUnavailable, match="postgresql://") as caught:
            Database(url)
        assert "s3cr3t" not in str(caught.value)
        assert caught.value.code == "FL-205"


def test_a_password_reaches_the_server_only(postgres: PostgresServer) -> None:
    with postgres.database("template_fairlead") as url:
        database = Database(url.replace("postgres@", "postgres:s3cr3t%2F%40@"))
        assert database.clock() > 0
        assert "s3cr3t" not in f"{database.where} {database.engine} {database!r}"
        database.close()


@pytest.mark.parametrize("immediate", [False, True])
def test_every_wait_has_a_limit(opened: Database, immediate: bool) -> None:
    engine = opened.make_engine(immediate=immediate)
    with engine.connect() as connection:
        found = {
            name: connection.execute(sa.text(f"SHOW {name}")).scalar()
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
            )
        }
    assert found == {
        "lock_timeout": "300ms",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
    }
    pool = engine.pool
    assert isinstance(pool, sa.QueuePool)
    assert pool.size() + pool._max_overflow == (10 if immediate else 20)
    engine.dispose()


def test_a_connection_that_rested_is_asked_whether_it_still_is_one(
    opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = sa.text("SELECT pg_backend_pid()")

    def killed() -> None:
        with opened.engine.connect() as connection:
            mine = connection.execute(number).scalar()
        other = opened.make_engine()
        with other.begin() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
        other.dispose()

    killed()
    with pytest.raises(StoreUnavailable), opened.transaction() as connection:
        connection.execute(number)
    # It said so once, and the next one is new.
    with opened.transaction() as connection:
        connection.execute(number)
    killed()
    monkeypatch.setattr("fairlead.adapters.sql.postgres._FRESH_S", 0.0)
    with opened.transaction() as connection:
        connection.execute(number)


def test_a_glance_sees_what_is_committed_at_its_moment(opened: Database) -> None:
    with opened.glance() as looker:
        assert looker.execute(COUNT).scalar() == 0
        with opened.transaction() as writer:
            writer.execute(INSERT)
            assert looker.execute(COUNT).scalar() == 0
        assert looker.execute(COUNT).scalar() == 1


def test_reading_is_one_view_and_writes_nothing(opened: Database) -> None:
    with opened.reading() as reader:
        assert reader.execute(COUNT).scalar() == 0
        with opened.transaction() as writer:
            writer.execute(INSERT)
        assert reader.execute(COUNT).scalar() == 0
    with opened.transaction() as connection:
        level = connection.execute(sa.text("SHOW transaction_isolation")).scalar()
        assert (level, connection.execute(COUNT).scalar()) == ("read committed", 1)
    with pytest.raises(StoreReadOnly), opened.reading() as connection:
        connection.execute(INSERT)
    with opened.transaction() as connection:
        assert connection.execute(sa.text("SHOW transaction_read_only")).scalar() == "off"


CODES = [
    ("08006", StoreUnavailable),
    ("25006", StoreReadOnly),
    ("42501", StoreReadOnly),
    ("40P01", StoreLocked),
    ("40001", StoreLocked),
    ("53100", StoreFull),
    ("53300", StoreUnavailable),
    ("55P03", StoreLocked),
    ("57014", StoreLocked),
    ("57P01", StoreUnavailable),
    ("58030", StoreUnavailable),
    ("XX001", StoreCorrupt),
]


@pytest.mark.parametrize(("code", "error"), CODES)
def test_the_servers_codes_become_our_errors(
    opened: Database, code: str, error: type[FairleadError]
) -> None:
    # The words are another error's: only the code counts.
    raised = sa.text(f"DO $$ BEGIN RAISE 'database is locked' USING ERRCODE = '{code}'; END $$")
    where = "the database postgresql://postgres@/"
    with pytest.raises(error, match=where), opened.transaction() as connection:
        connection.execute(raised)


def test_a_mistake_in_our_own_sql_is_not_the_operators(opened: Database) -> None:
    with pytest.raises(sa.exc.ProgrammingError), opened.transaction() as connection:
        connection.execute(sa.text("SELECT * FROM no_such"))


def test_a_lock_is_waited_for_and_then_given_up(opened: Database) -> None:
    lock = sa.text("LOCK TABLE runs IN EXCLUSIVE MODE")
    with opened.transaction() as holder:
        holder.execute(lock)
        with pytest.raises(StoreLocked), opened.transaction() as other:
            other.execute(lock)


def test_a_pool_that_is_in_use_is_told_so(opened: Database) -> None:
    pool = opened.engine.pool
    assert isinstance(pool, sa.QueuePool)
    pool._timeout = 0.01
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(opened.reading())
        with pytest.raises(StoreUnavailable, match="in use"), opened.reading():
            pass


def test_nul_is_stored_as_the_sign_for_what_cannot_be_shown(opened: Database) -> None:
    with opened.transaction() as connection:
        found = connection.execute(sa.select(sa.literal("a\x00b", sa.Text))).scalar()
    assert found == "a\ufffdb"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (r'{"x": "a\u0000b"}', "a\ufffdb"),
        (r'{"x": "a\\u0000b"}', "a\\u0000b"),
        (r'{"x": "\\\u0000"}', "\\\ufffd"),
        (r'{"x": "\ud800"}', None),
        ("{", None),
        ("[1]", None),
        ("{}", None),
    ],
)
def test_a_member_of_whatever_stands_in_the_log(
    opened: Database, data: str, found: str | None
) -> None:
    with opened.reading() as connection:
        member = sa.func.fairlead_member(data, "x")
        assert connection.execute(sa.select(member)).scalar() == found


def test_a_server_that_comes_back_is_used_again(own_postgres: PostgresServer) -> None:
    with own_postgres.database() as url:
        database = Database(url)
        before = database.clock()
        own_postgres.kill()
        with pytest.raises(StoreUnavailable):
            database.clock()
        own_postgres.start()
        assert database.clock() > before
        with pytest.raises(StoreUnavailable), database.transaction() as connection:
            own_postgres.stop()
            connection.execute(sa.text("SELECT 1"))
        own_postgres.start()
        assert database.clock() > before
        database.close()
