"""What the engine keeps of real runs: JSON that a person can read, and each durable wait."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.support.scene import Scene, scene

pytestmark = pytest.mark.acceptance

PAYLOADS = ("inputs", "output", "error", "request", "value", "message")
NAP_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of one of the engine's tables, without what is empty."""

    table: str
    columns: dict[str, Any]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Runs that ended: one with every kind of call, one that slept, one whose worker died."""
    with scene(tmp_path_factory.mktemp("rows") / "app") as made:
        runs = [
            made.start("everything", "item"),
            made.start("nap", NAP_S),
            made.start("everything", "item", die="body:3"),
        ]
        assert made.play() == 1
        assert [made.run(run).state for run in runs] == ["succeeded", "succeeded", "waiting"]
        yield made


def rows(stage: Scene) -> list[Row]:
    """Return every row of the engine's tables that may hold what a run was given or returned."""
    found = []
    with closing(sqlite3.connect(stage.platform.database.where)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            known = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]
            if "workflow_uuid" in known or "serialization" in known:
                for row in connection.execute(f"SELECT * FROM {table}"):
                    columns = {key: row[key] for key in known if row[key] is not None}
                    found.append(Row(table=table, columns=columns))
    return found


def test_every_payload_of_the_engine_is_json_text(stage: Scene) -> None:
    payloads = [
        (row.table, name, value)
        for row in rows(stage)
        for name, value in row.columns.items()
        if name in PAYLOADS
    ]
    for table, name, value in payloads:
        assert isinstance(value, str), (table, name, value)
        try:
            json.loads(value)
        except ValueError:
            pytest.fail(f"{table}.{name} is no JSON: {value!r}")
    kinds = {name for _, name, _ in payloads}
    assert {"inputs", "output"} <= kinds
    text = "\n".join(value for _, _, value in payloads)
    assert "An item under load is an item that works." in text


def test_every_row_says_that_it_is_portable(stage: Scene) -> None:
    found = [row for row in rows(stage) if row.table in ("workflow_status", "operation_outputs")]
    assert {row.table for row in found} == {"workflow_status", "operation_outputs"}
    for row in found:
        assert row.columns.get("serialization") == "portable_json", row


def test_no_cell_of_the_engine_is_bytes(stage: Scene) -> None:
    for row in rows(stage):
        for name, value in row.columns.items():
            assert not isinstance(value, bytes), (row.table, name)


def test_a_run_that_slept_has_its_sleep_on_record(stage: Scene) -> None:
    """On record is when it wakes, so that a new worker waits for what is left only."""
    naps = [run for run in stage.platform.runs.list() if run.workflow == "nap"]
    (nap,) = naps
    before, after = stage.platform.journal.of_run(nap.id)
    steps = [
        row.columns
        for row in rows(stage)
        if row.table == "operation_outputs" and row.columns["workflow_uuid"] == nap.id
    ]
    steps.sort(key=lambda step: step["function_id"])
    names = [step["function_name"] for step in steps]
    assert names == ["tool look #1", "wait w1", "answer w1", "tool look #2", "finish"]
    wait = json.loads(steps[2]["output"])
    assert wait == {**wait, "kind": "timer", "over": True, "answered": False}
    assert wait["due_at"] - wait["opened_at"] == pytest.approx(NAP_S, abs=0.001)
    assert before.finished_at is not None
    assert before.finished_at + NAP_S <= wait["due_at"] + 0.05
    assert wait["due_at"] <= after.started_at + 0.05
