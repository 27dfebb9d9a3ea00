"""What is erased is gone: from rows, runs, payloads, the engine, documents, exports and raw bytes.

A worker writes, derives, recalls and talks; then a process erases, and may be killed at each stage.
Beside each absence stands a sibling that survives everything.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGKILL

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.schema_memory import memory_exported, memory_exports
from fairlead.core.digests import canonical_json
from fairlead.core.memory import Item, MemoryQuery, Note, Reader, item_to_json
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import (
    ErasureReport,
    Order,
    Signal,
    Target,
    erase,
    ingest,
    load_settings,
    open_platform,
    reapply,
    resume_erasure,
    send_signal,
    verify_erasure,
    verify_events,
)
from fairlead.ports.memory import Search, Stamp
from fairlead.testing.faults import Fault, FaultPlan, Kill
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.erasure_app import write_erasure_app
from tests.acceptance.support.scene import ROOT, Scene, scene, wait_for
from tests.acceptance.support.workers import STAY
from tests.forked import forked

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

ORDER = Order(by="ann", reason="asked for")
CANARY = "kX7vQ2mZ9tR4wB8n"
PASSPORT = "P-4471-ZQ98-XK03"
SIBLING = "hJ5sD1fL6gP3yC0a"
TEXT = f'Ada lives in "Rue {CANARY}", flat 7'
KEPT = f"Bob lives in {SIBLING} square"
OPERATOR = Reader(tenant="default", app="memory")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app on each database, and workers for it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with scene(tmp_path / "app", concurrency=4, write=write_erasure_app, url=url) as made:
        yield made


def everything(stage: Scene) -> Iterator[tuple[str, str]]:
    """Yield every value of every table, the engine's included, without the code under test."""
    engine = stage.platform.database.engine
    schemas = [None] if engine.dialect.name == "sqlite" else ["public", "dbos"]
    with engine.connect() as connection:
        names = [
            (schema, name)
            for schema in schemas
            for name in sa.inspect(connection).get_table_names(schema=schema)
        ]
        for schema, name in names:
            where = f'"{name}"' if schema is None else f'"{schema}"."{name}"'
            for row in connection.exec_driver_sql(f"SELECT * FROM {where}"):
                for value in row:
                    kept = bytes(value) if isinstance(value, bytes | memoryview) else str(value)
                    yield name, kept.decode("latin-1") if isinstance(kept, bytes) else kept


def holders(stage: Scene, word: str) -> set[str]:
    """Return the tables and files that hold a word, whatever its case."""
    word = word.lower()
    found = {name for name, value in everything(stage) if word in value.lower()}
    for path in (stage.folder / ".fairlead").rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes().lower():
            found.add(path.name)
    return found


def live(stage: Scene) -> dict[str, str]:
    """Write, derive, recall in a talk, embed, ingest and export; return the runs by their names."""
    note = f"# Moves\n\nShe wrote: {TEXT}. And her passport is {PASSPORT}. {KEPT}.\n"
    (stage.folder / "notes/b.md").write_text(note)
    ingest(stage.platform)
    runs = {
        "tell": stage.start("tell", {"text": TEXT, "subject": "customer:1"}),
        "sibling": stage.start("tell", {"text": KEPT, "subject": "customer:2"}),
    }
    assert stage.play() == 0
    vectors = [b"\0\0\x80?" + b"\0\0\0\0", b"\0\0\0\0" + b"\0\0\x80?"]
    more = [
        Note(kind="semantic", text=f"Ada's passport is {PASSPORT}", subject="customer:1"),
        Note(kind="semantic", text=f"Bob's house has number {SIBLING}", subject="customer:2"),
    ]
    stage.platform.memory.write(OPERATOR, more, Stamp(embedder="test", vectors=vectors))
    runs["ask"] = stage.start("ask", f"Where is Rue {CANARY}?", conversation="talk")
    runs["later"] = stage.start("ask", "And who is Bob?", conversation="talk")
    runs["other"] = stage.start("ask", f"{SIBLING} square")
    assert stage.play() == 0
    assert CANARY in answer(stage, runs["ask"])
    export(stage)
    return runs


def answer(stage: Scene, run_id: str) -> str:
    """Return what a run answered."""
    return str(stage.run(run_id).outcome["answer"])


def items(stage: Scene) -> list[Item]:
    return list(stage.platform.memory.each(OPERATOR))


def export(stage: Scene) -> Path:
    """Write an export as `memory export` does, and note it."""
    path = stage.folder / "export.jsonl"
    there = items(stage)
    lines = [canonical_json({"export": "x1", "items": len(there)}).ljust(100)]
    lines += [canonical_json(item_to_json(one)) for one in there]
    path.write_text("\n".join(lines) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with stage.platform.database.transaction() as connection:
        row = {"id": "x1", "tenant": "default", "path": str(path), "digest": digest}
        connection.execute(sa.insert(memory_exports).values(**row, by="ann", at=0.0))
        rows = [{"export": "x1", "item": one.id} for one in there]
        connection.execute(sa.insert(memory_exported), rows)
    return path


def whole(stage: Scene, report: ErasureReport) -> None:
    """The erased is nowhere, what is beside it is everywhere, and the log holds."""
    assert report.clean, report
    for word in (CANARY, PASSPORT):
        assert holders(stage, word) == set()
        assert word not in (stage.folder / "export.jsonl").read_text()
    assert {"memories", "blobs", "passages"} <= holders(stage, SIBLING)
    exported = (stage.folder / "export.jsonl").read_text().splitlines()
    assert json.loads(exported[0])["items"] == len(exported) - 1 == 3
    assert SIBLING in exported[-1]
    assert verify_events(stage.platform).findings == ()
    query = MemoryQuery(text=CANARY, kinds=("semantic",))
    for word, count in ((CANARY, 0), (SIBLING, 3)):
        found = stage.platform.memory.candidates(
            OPERATOR, query, Search(terms={word.lower(): word.lower()})
        )
        assert len(found.found) == count


def feed_again(stage: Scene) -> None:
    """Feed the source once more, by a run, and see it refused; the sibling's merges."""
    again = stage.start("tell", {"text": f"  {TEXT.upper()}!", "subject": "customer:9"})
    sibling = stage.start("tell", {"text": KEPT, "subject": "customer:2"})
    assert stage.play() == 0
    assert answer(stage, again) == "refused"
    assert answer(stage, sibling).startswith("m-")
    assert not [one for one in items(stage) if CANARY.lower() in one.text.lower()]


def test_what_is_erased_is_nowhere_and_is_not_learned_again(stage: Scene) -> None:
    runs = live(stage)
    assert {"memories", "blobs", "passages", "documents"} <= holders(stage, CANARY)
    assert {"memories", "passages"} <= holders(stage, PASSPORT)
    erasure = erase(stage.platform, Target(subject="customer:1", values=(PASSPORT,)), ORDER)
    assert (erasure.stage, erasure.left) == ("done", ())
    whole(stage, verify_erasure(stage.platform, erasure.id, (TEXT, PASSPORT, CANARY)))
    # What got it is gone but for its events; a turn that read of it, too; the others stay.
    for name in ("tell", "ask", "later"):
        assert stage.run(runs[name]).pruned_at is not None, name
    for name in ("sibling", "other"):
        assert stage.run(runs[name]).pruned_at is None, name
    receipts = [e for e in stage.platform.events.list() if e.type == "memory.erased"]
    assert [e.data["erasure"] for e in receipts] == [erasure.id]
    # A file that was changed, and still holds it, does not bring it back.
    (stage.folder / "notes/b.md").write_text(f"# Moved\n\n{TEXT}. Passport {PASSPORT}. {KEPT}.\n")
    assert [one.written for one in ingest(stage.platform)] == [1]
    whole(stage, verify_erasure(stage.platform, erasure.id, (TEXT, PASSPORT, CANARY)))
    feed_again(stage)


def killed(stage: Scene, point: str, moment: str, *arguments: str) -> None:
    """Erase in a process that is killed at a point."""
    kill = Fault(boundary="store", name=point, moment=moment, action=Kill())  # type: ignore[arg-type]
    plan = FaultPlan(kill).save(stage.folder / f"{point}-{moment}.json")
    command = [forked("tests.acceptance.support.erasing")]
    ended = subprocess.run(
        [*command, str(stage.folder), str(plan), *arguments], cwd=ROOT, check=False
    )
    assert ended.returncode == -SIGKILL, (point, moment)


POINTS = {
    "runs": "pruning.prune",
    "scrub": "erasures.scrub",
    "rows": "erasures.purge",
    "exports": "erasures.rewrote",
    "compact": "erasures.compact",
    "verify": "erasures.traces",
    "receipt": "erasures.advance",
}


def open_ids(stage: Scene) -> Sequence[str]:
    return stage.platform.erasing.store.open()


def expire_holds(stage: Scene) -> None:
    """Let the time pass after which a dead process's work is taken over."""
    with stage.platform.database.transaction() as connection:
        connection.execute(sa.text("UPDATE erasures SET held_until = 0"))


@pytest.mark.parametrize("moment", [pytest.param("before", marks=pytest.mark.soak), "after"])
def test_a_process_that_is_killed_at_any_stage_is_taken_over(stage: Scene, moment: str) -> None:
    live(stage)
    killed(stage, "erasures.begin", "before", "customer:1", PASSPORT)
    assert open_ids(stage) == []
    killed(stage, "erasures.begin", "after", "customer:1", PASSPORT)
    [erasure_id] = open_ids(stage)
    expire_holds(stage)
    reached = []
    for name in POINTS.values():
        kill = Fault(boundary="store", name=name, moment=moment, action=Kill())  # type: ignore[arg-type]
        plan = FaultPlan(kill).save(stage.folder / f"{name}.json")
        command = [forked("tests.acceptance.support.resuming")]
        ended = subprocess.run(
            [*command, str(stage.folder), str(plan), erasure_id], cwd=ROOT, check=False
        )
        reached.append((name, ended.returncode, stage.platform.erasing.store.get(erasure_id).stage))
        expire_holds(stage)
    erasure = resume_erasure(stage.platform, erasure_id)
    assert erasure.ended, reached
    # A process that died behind the rows knew the values; who followed it did not.
    assert set(erasure.left) <= {"no value was searched: verify with `--value`"}, reached
    deaths = [status for _, status, _ in reached if status == -SIGKILL]
    assert len(deaths) >= 4, reached
    whole(stage, verify_erasure(stage.platform, erasure.id, (TEXT, PASSPORT)))
    feed_again(stage)


def test_a_run_that_lives_is_waited_for_and_a_worker_ends_the_erasure(stage: Scene) -> None:
    stage.platform.memory.write(OPERATOR, [Note(kind="semantic", text=TEXT, subject="customer:1")])
    (stage.folder / STAY).touch()
    run = stage.start("linger", "In which Rue, and in which flat?")
    worker = stage.spawn()
    platform = stage.platform
    wait_for(lambda: stage.run(run).state == "waiting")
    erasure = erase(platform, Target(subject="customer:1"), ORDER)
    assert erasure.stage == "runs"
    assert erasure.receipt["runs_living"] == [run]
    # What the run holds is scrubbed, and nobody recalls it any more.
    own = {"memories", "memories_fts", "memories_words", "fairlead.db", "fairlead.db-wal"}
    assert holders(stage, CANARY) <= own
    send_signal(platform, Signal(run_id=run, name="word", payload="go", by="ann"))
    wait_for(lambda: stage.run(run).state in FINAL_STATES)
    wait_for(lambda: platform.erasing.store.get(erasure.id).ended)
    (stage.folder / STAY).unlink()
    assert worker.wait(timeout=60) == 0
    assert platform.erasing.store.get(erasure.id).left == ()
    assert stage.run(run).pruned_at is not None
    assert verify_erasure(platform, erasure.id, (TEXT, CANARY)).clean
    assert holders(stage, CANARY) == set()
    assert verify_events(platform).findings == ()


def test_a_restored_backup_is_brought_up_to_date(tmp_path: Path) -> None:
    with scene(tmp_path / "app", concurrency=4, write=write_erasure_app) as stage:
        live(stage)
        backup = tmp_path / "backup.db"
        with stage.platform.database.glance() as connection:
            connection.exec_driver_sql(f"VACUUM INTO '{backup}'")
        target = Target(subject="customer:1", values=(PASSPORT,))
        erasure = erase(stage.platform, target, ORDER)
        assert reapply(stage.platform) == []
        folder, release = stage.folder, stage.release
    database = folder / ".fairlead/fairlead.db"
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
    database.write_bytes(backup.read_bytes())
    with open_platform(load_settings(folder)) as platform:
        stage = Scene(folder=folder, platform=platform, release=release)
        assert "memories" in holders(stage, CANARY)
        hidden, ended = reapply(platform)
        assert erasure.id in hidden
        assert "3 items were there again" in hidden
        assert "has ended" in ended
        assert reapply(platform) == []
        # A text is known by the item that says it; a further value by nothing in the backup.
        whole_now = verify_erasure(platform, erasure.id, (TEXT,))
        assert whole_now.clean, whole_now
        assert holders(stage, CANARY) == set()
        assert "memories" in holders(stage, SIBLING)
        feed_again(stage)


def test_principals_of_another_tenant_keep_what_is_the_same(stage: Scene) -> None:
    other = Reader(tenant="other", app="memory")
    stage.platform.memory.write(OPERATOR, [Note(kind="semantic", text=TEXT, subject="customer:1")])
    (kept,) = stage.platform.memory.write(other, [Note(kind="semantic", text=TEXT)])
    run = stage.platform.admission.start(
        stage.release, "ask", TEXT, principal=Principal(user="o", tenant="other")
    )
    erasure = erase(stage.platform, Target(subject="customer:1"), ORDER)
    assert [one.id for one in stage.platform.memory.each(other)] == [kept.id]
    assert stage.platform.runs.get(run.id).input == TEXT
    # It says so: the value stands there, and is not this tenant's to take out.
    assert any("memories.text" in one for one in erasure.left)


def test_the_command_line_erases_verifies_and_refuses_bad_input(tmp_path: Path) -> None:
    with scene(tmp_path / "app", write=write_erasure_app) as stage:
        notes = [
            Note(kind="semantic", text=TEXT, subject="customer:1"),
            Note(kind="semantic", text=KEPT, subject="customer:2"),
        ]
        gone, kept = stage.platform.memory.write(OPERATOR, notes)
        (stage.folder / "notes/b.md").write_text(f"# B\n\n{TEXT}\n")
        ingest(stage.platform)
        folder = stage.folder
    cli = Cli(folder, FAIRLEAD_DATABASE_SYNCHRONOUS="normal")
    why = ("--reason", "asked for")
    cli.refuses("FL-811", "memory", "erase", "m-nothing", *why)
    cli.refuses("FL-811", "memory", "erase", "--subject", "customer:3", *why)
    cli.refuses("FL-813", "memory", "erase", gone.id, "--value", "short", *why)
    cli.refuses("FL-810", "memory", "verify", "e-nothing")
    cli.refuses("FL-810", "memory", "erase", "--resume", "e-nothing")
    for wrong in ((), (gone.id,), (gone.id, "--resume", "e-1", *why)):
        assert cli("memory", "erase", *wrong, status=2).stdout == ""
    assert CANARY in json.dumps([one.text for one in _items(folder)])
    done = cli.json("memory", "erase", gone.id, *why)
    assert (done["stage"], done["left"]) == ("done", [])
    verified = cli("memory", "verify", done["id"], "--value", TEXT, "--value", CANARY).stdout
    assert "NO" not in verified
    assert cli("memory", "erase", "--resume", done["id"]).stdout
    # What is still there is found: the sibling stands for it.
    found = cli("memory", "verify", done["id"], "--value", SIBLING, status=1)
    assert "found in memories.text: 1" in found.stdout
    assert found.stderr.startswith("FL-816  ")
    assert [one.id for one in _items(folder)] == [kept.id]


def _items(folder: Path) -> list[Item]:
    with open_platform(load_settings(folder)) as platform:
        return list(platform.memory.each(OPERATOR))
