"""The log of real runs as rows, and what somebody with the database can make of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.audit import SqlAuditStore
from fairlead.adapters.sql.schema import anchors, checkpoint_files, checkpoints, events
from fairlead.core.digests import canonical_json
from fairlead.core.event import GENESIS, Fact, seal
from fairlead.operations import (
    AuditReport,
    Order,
    fork_run,
    init_audit,
    make_checkpoint,
    prune_runs,
    verify_audit,
)
from tests.acceptance.support.durable_app import write_durable_app
from tests.acceptance.support.scene import Scene, scene

ANN = Order(by="ann", reason="looked at it")
Row = dict[str, Any]
TABLES = (events, anchors, checkpoints, checkpoint_files)
SETTINGS = "\n[retention]\nkeep_per_release = 0\n\n[audit]\nevery_s = 0.3\n"


def write_audited_app(folder: Path, *, concurrency: int) -> Path:
    """Write the durable app; its workers make checkpoints often."""
    return write_durable_app(folder, concurrency=concurrency, settings=SETTINGS)


@dataclass(kw_only=True)
class Evidence:
    """A log with its checkpoints and their file, which a test changes and puts back.

    Attributes:
        stage: Where it was made.
        tables: Every row, by table.
        file: The checkpoint file.
        text: What stands in it.
    """

    stage: Scene
    tables: dict[str, list[Row]] = field(default_factory=dict)
    file: Path = field(init=False)
    text: bytes = b""

    def __post_init__(self) -> None:
        self.file = self.stage.platform.settings.audit_file
        self.text = self.file.read_bytes()
        with self.stage.platform.database.reading() as connection:
            for table in TABLES:
                query = sa.select(table).order_by(*table.primary_key.columns)
                rows = connection.execute(query).all()
                self.tables[table.name] = [dict(row._mapping) for row in rows]

    @property
    def log(self) -> list[Row]:
        """The events, chain by chain."""
        return [dict(row) for row in self.tables["events"]]

    @property
    def chains(self) -> list[str]:
        """The names of all chains."""
        return sorted({row["chain"] for row in self.tables["events"]})

    def put(self, table: sa.Table, rows: Sequence[Row]) -> None:
        """Write a table anew, behind everybody's back."""
        with self.stage.platform.database.transaction() as connection:
            connection.execute(sa.delete(table))
            if rows:
                connection.execute(sa.insert(table), rows)

    def report(self, **options: Any) -> AuditReport:
        """Verify."""
        return verify_audit(self.stage.platform, **options)

    def restore(self) -> None:
        """Put everything back."""
        for table in TABLES:
            self.put(table, self.tables[table.name])
        self.file.write_bytes(self.text)

    @contextmanager
    def changed(
        self, rows: Sequence[Row] | None = None, *, table: sa.Table = events
    ) -> Iterator[None]:
        """Let a table hold other rows; the file is put back as well."""
        if rows is not None:
            self.put(table, rows)
        try:
            yield
        finally:
            if rows is not None:
                self.put(table, self.tables[table.name])
            self.file.write_bytes(self.text)

    def missed(
        self, changes: Iterator[tuple[str, list[Row]]], *, table: sa.Table = events
    ) -> list[str]:
        """Make each change by itself; return those that verification did not find."""
        missed, made = [], 0
        for name, rows in changes:
            with self.changed(rows, table=table):
                made += 1
                if not self.report().found:
                    missed.append(name)
        assert made, "nothing was changed"
        return missed


def forged(rows: Sequence[Row]) -> list[Row]:
    """Return rows with sequences and hashes as somebody computes them who knows how."""
    made: list[Row] = []
    for row in rows:
        before = made[-1] if made and made[-1]["chain"] == row["chain"] else None
        fact = Fact(chain=row["chain"], type=row["type"], data=json.loads(row["data"]))
        event = seal(
            fact,
            sequence=1 if before is None else before["sequence"] + 1,
            id=row["id"],
            time=row["time"],
            previous=GENESIS if before is None else before["hash"],
        )
        made.append(
            {**row, "sequence": event.sequence, "previous": event.previous, "hash": event.hash}
        )
    return made


def of_data(row: Row, **changes: Any) -> Row:
    """Return an event's row with something else in its data."""
    return {**row, "data": canonical_json({**json.loads(row["data"]), **changes})}


@contextmanager
def evidence(folder: Path, url: str) -> Iterator[Evidence]:
    """Make a log: runs of every kind, an approval, a fork, a takeover, a pruned run.

    Its newest checkpoint is dated an hour later, as if the log had grown on: what is put in with a
    time of today is old by then.
    """
    with scene(folder, concurrency=2, write=write_audited_app, url=url) as stage:
        platform = stage.platform
        init_audit(platform)
        first = stage.start("buy", "book")
        stage.start("saga", "book")
        stage.start("family", [1, 2])
        stage.start("ask", "book")
        killed = stage.start("buy", "lamp", die="recorded:1")
        assert stage.play() == 1
        assert stage.run(killed).takeovers == 1
        (approval,) = platform.approvals.list()
        platform.approvals.answer(approval.id, True, ANN)
        fork_run(platform, killed, 1, ANN)
        stage.faults.clear()
        stage.play()
        with platform.database.transaction() as connection:
            old = "UPDATE runs SET finished_at = finished_at - 864000 WHERE id = :run"
            connection.execute(sa.text(old), {"run": first})
        assert prune_runs(platform, ANN, older_than_days=5).runs == 1
        make_checkpoint(platform)
        auditing = platform.auditing
        assert auditing is not None
        later = SqlAuditStore(platform.database, now=lambda: time.time() + 3600)
        assert replace(auditing, store=later).checkpoint(empty=True)
        yield Evidence(stage=stage)
