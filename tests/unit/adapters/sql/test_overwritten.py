"""Somebody with the database writes over the log: whatever they write, it is found and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from fairlead.adapters.sql.schema import anchors, checkpoint_files, checkpoints, events
from fairlead.core.errors import AuditBroken, FairleadError, StoreCorrupt
from fairlead.core.event import Fact, verify_chain
from fairlead.entrypoints.cli.views.listings import events_view
from fairlead.ports.audit import ExportScope
from fairlead.runtime.export import Exporter, ExportReader
from tests.databases import KINDS, opened
from tests.unit.adapters.sql.test_audit import Office

TABLES = [events, checkpoints, anchors, checkpoint_files]
PLACES = [(table, column.name) for table in TABLES[:3] for column in table.c]


class Record:
    """An office with some events and two checkpoints, whose tables take any value."""

    def __init__(self, office: Office) -> None:
        self.office = office
        office.happen("a", "b", "a")
        office.auditing.checkpoint()
        office.later(1000)
        office.happen("a", "c")
        office.auditing.checkpoint()
        self.file = Path(office.file.where)
        self.lines = self.file.read_bytes()
        self.rows = {table.name: self.read(table) for table in TABLES}
        for table in TABLES:
            # Whoever has the database takes its constraints away.
            self.send(f"ALTER TABLE {table.name} RENAME TO taken")
            self.send(f"CREATE TABLE {table.name} AS SELECT * FROM taken")
            self.send("DROP TABLE taken")

    def send(self, statement: str, rows: Sequence[dict[str, Any]] = ()) -> None:
        with self.office.database.transaction() as connection:
            connection.execute(sa.text(statement), rows or None)

    def read(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return the rows as the driver has them."""
        query = sa.text(f"SELECT * FROM {table.name}")
        with self.office.database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def put(self, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        names = [column.name for column in table.c]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(f":{name}" for name in names)
        with self.office.database.transaction() as connection:
            connection.execute(sa.text(f"DELETE FROM {table.name}"))
            insert = f"INSERT INTO {table.name} ({columns}) VALUES ({values})"
            connection.execute(sa.text(insert), rows)

    def restore(self) -> None:
        for table in TABLES:
            self.put(table, self.rows[table.name])
        self.file.write_bytes(self.lines)

    def export(self) -> list[str]:
        """Export everything, and return what is found in it."""
        office, lines = self.office, list[str]()
        Exporter(store=office.store, signer=office.signer, write=lines.append).export(ExportScope())
        reader = ExportReader(verifier=office.verifier)
        return [finding.what for finding in reader.findings(lines)]


@pytest.fixture(scope="module", params=KINDS)
def record(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Record]:
    folder = tmp_path_factory.mktemp("record")
    with opened(request.param, request, folder) as database:
        yield Record(Office(database, folder))


anything = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.sampled_from(["[" * 100_000, "[" * 500 + "]" * 500, '{"a":1e999}', '{"a":NaN}']),
    st.sampled_from(['{"a":1,"a":2}', '{"a": 1}', "5", "null", '{"a":"\\ud800"}', "{}{}"]),
)


def test_what_nobody_wrote_over_holds(record: Record) -> None:
    record.restore()
    assert record.office.findings() == []
    assert record.export() == []


@pytest.mark.parametrize(("table", "column"), PLACES, ids=lambda one: getattr(one, "name", one))
@settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(value=anything, which=st.integers(0, 9))
@example(value="abc", which=0)
@example(value=None, which=1)
@example(value=-(2**63), which=1)
@example(value=2**63 - 1, which=1)
@example(value=float("inf"), which=0)
@example(value=b"\xff\x00", which=1)
def test_whatever_stands_in_a_row_is_found(
    record: Record, table: sa.Table, column: str, value: object, which: int
) -> None:
    record.restore()
    rows = [dict(row) for row in record.rows[table.name]]
    rows[which % len(rows)][column] = value
    try:
        record.put(table, rows)
    except (sa.exc.SQLAlchemyError, FairleadError, ValueError):
        assume(False)  # the database itself does not take it
    assume(repr(record.read(table)) != repr(record.rows[table.name]))
    office = record.office
    assert office.findings() != []
    for event in office.events.list():
        assert events_view([event], 80)
    if table is events:
        assert [found for chain in office.events.chains() if (found := verify_chain(chain))] or (
            column in ("chain", "sequence", "time")
        )
    record.export()
    # The next checkpoint covers it up no more than the one before did.
    office.happen("d")
    try:
        office.auditing.checkpoint()
    except AuditBroken as error:
        assert error.code == "FL-701"
    assert office.findings() != []


def test_a_number_that_was_written_over_sends_nobody_back(record: Record) -> None:
    """Whoever copies checkpoints goes on from the last one that they got."""
    record.restore()
    rows = [dict(row) for row in record.rows["checkpoints"]]
    try:
        record.put(checkpoints, [rows[0], {**rows[1], "number": 2.5}])
    except FairleadError:
        pytest.skip("PostgreSQL keeps no such number")
    found = [one.number for one in record.office.store.after(1, 10)]
    assert [number for number in found if number <= 1] == []


def test_text_that_is_none_is_said(record: Record) -> None:
    """SQLite keeps any bytes as text; they are no finding of one event, for nothing reads them."""
    if record.office.database.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps no such text")
    record.restore()
    record.send("UPDATE events SET type = CAST(x'ff00' AS TEXT) WHERE sequence = 2")
    with pytest.raises(StoreCorrupt, match="holds text that is none"):
        record.office.findings()


@pytest.mark.parametrize("table", TABLES[:3], ids=lambda table: table.name)
def test_a_table_that_is_gone_is_said(record: Record, table: sa.Table) -> None:
    record.restore()
    record.send(f"ALTER TABLE {table.name} RENAME TO away")
    try:
        with pytest.raises(StoreCorrupt, match=rf"lacks a table of ours.*{table.name}"):
            record.office.findings()
        with pytest.raises(StoreCorrupt, match="lacks a table of ours"):
            record.office.auditing.checkpoint(empty=True)
    finally:
        record.send(f"ALTER TABLE away RENAME TO {table.name}")


def test_facts_of_an_event_are_read_as_they_were_written_or_not_at_all(record: Record) -> None:
    """Two values under one name are read as either of them, by whoever reads them next."""
    record.restore()
    office = record.office
    office.events.append([Fact(chain="worker:x", type="worker.died", data={"by": "ann"})])
    record.send("""UPDATE events SET data = '{"by":"eve","by":"ann"}' WHERE chain = 'worker:x'""")
    (event,) = office.events.list(chain="worker:x")
    assert event.data == {"not as it was written": '{"by":"eve","by":"ann"}'}
    assert [one.chain for one in office.findings()] == ["worker:x"]
