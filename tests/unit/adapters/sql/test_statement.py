"""A statement is compiled once for each kind of database, and says what SQLAlchemy would say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import blobs, calls
from fairlead.adapters.sql.statement import Statement
from tests.databases import KINDS, opened

CALL = {
    "run_id": "r",
    "number": 1,
    "key": "r:1",
    "kind": "tool",
    "name": "look",
    "effect": "read",
    "state": "intended",
    "arguments_digest": "d",
    "attempts": 0,
    "started_at": 12.5,
}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with opened(request.param, request, tmp_path) as found:
        yield found


def test_a_column_that_is_not_named_gets_its_default(database: Database) -> None:
    with database.transaction() as connection:
        Statement(sa.insert(calls)).send(connection, CALL)
        (row,) = connection.execute(sa.select(calls)).all()
    assert (row.input_tokens, row.cost_usd, row.started_at, row.result_digest) == (0, 0, 12.5, None)


def test_another_set_of_columns_is_another_text(database: Database) -> None:
    insert = Statement(sa.insert(calls))
    with database.transaction() as connection:
        insert.send(connection, CALL)
        insert.send(connection, {**CALL, "number": 2, "input_tokens": 7})
        found = connection.execute(sa.select(calls.c.input_tokens).order_by(calls.c.number))
        assert found.scalars().all() == [0, 7]


def test_what_the_statement_itself_says_is_sent_with_it(database: Database) -> None:
    name = sa.bindparam("name")
    last = Statement(
        sa.select(calls.c.number)
        .where(calls.c.name == name, calls.c.state == "intended")
        .order_by(calls.c.number.desc())
        .limit(1)
    )
    with database.transaction() as connection:
        for number in (1, 2):
            connection.execute(sa.insert(calls), {**CALL, "number": number})
        assert last.send(connection, {"name": "look"}).scalars().all() == [2]
        assert last.send(connection, {"name": "pay"}).first() is None


def test_bytes_come_back_as_they_were(database: Database) -> None:
    row = {"digest": "d", "data": b"\x00\xff%s:x", "created_at": 1.0}
    with database.transaction() as connection:
        Statement(sa.insert(blobs)).send(connection, row)
        read = Statement(sa.select(blobs.c.data).where(blobs.c.digest == sa.bindparam("name")))
        assert read.send(connection, {"name": "d"}).scalar() == b"\x00\xff%s:x"


def test_it_is_compiled_once(database: Database) -> None:
    read = Statement(sa.select(calls.c.state).where(calls.c.number == sa.bindparam("call")))
    with database.transaction() as connection:
        read.send(connection, {"call": 1})
        with patch.object(sa.Select, "compile", side_effect=AssertionError("compiled again")):
            read.send(connection, {"call": 2})


def test_an_error_is_sqlalchemys(database: Database) -> None:
    insert = Statement(sa.insert(calls))
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as connection:
        insert.send(connection, CALL)
        insert.send(connection, CALL)
