"""What an erasure does in the database, on each kind: hides, scrubs, removes, and takes no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_memory import erasures, memories, memory_tombstones
from fairlead.core.erasure import HOLD_S, ITEMS_MAX, RENEW_S
from fairlead.core.errors import (
    ErasureHeld,
    ErasureTooLarge,
    ErasureUnknown,
    NothingToErase,
)
from fairlead.core.label import Label
from fairlead.core.memory import MemoryQuery, Provenance, Reader
from fairlead.guardrails.content.erasing import Eraser
from fairlead.ports.memory import Search, Stamp
from tests.unit.adapters.sql.erasing import (
    CANARY,
    ORDER,
    OWN,
    TEXT,
    Office,
    derived,
    note,
    office_of,
)


@pytest.fixture
def office(database: Database) -> Office:
    return office_of(database)


# What it is about.


def test_items_go_with_all_that_was_derived_from_them(office: Office) -> None:
    first, other = office.write(note("Ada lives in Paris now"), note("Bob lives in Rome", "c:2"))
    (second,) = office.write(derived("Somebody lives in Paris", first))
    (third,) = office.write(derived("Paris is lived in", second))
    assert set(office.begin(ids=(first,)).items) == {first, second, third}
    assert office.memory.get(OWN, [other])[0].state == "active"


@pytest.mark.parametrize("target", [{"subject": "c:1"}, {"source": "import:crm"}])
def test_a_subject_or_a_source_is_all_of_it(office: Office, target: dict[str, str]) -> None:
    made = Provenance(source="import:crm")
    mine = office.write(note("first of her facts"), note("second of her facts"))
    office.do(sa.update(memories).values(source="import:crm"))
    office.write(note("a fact of his own", "c:2"))
    assert made.source == "import:crm"
    assert set(office.begin(**target).items) == set(mine)


def test_a_source_is_also_what_a_run_had_from_there(office: Office) -> None:
    label = Label(integrity="untrusted", origins=("tool:crm", "user:ada"))
    (mine,) = office.write(note("a fact by way of a run", label=label))
    office.write(note("a fact of others", label=Label(origins=("tool:crm2",))))
    assert office.begin(source="tool:crm").items == (mine,)


def test_whatever_holds_a_further_value_goes_too(office: Office) -> None:
    held, quoted, value, kept = office.write(
        note("her passport is P-4471-ZQ", "x"),
        note('as json: {"p":"p-4471-zq"}', "y"),
        note("a document", "z", value={"no": "P-4471-ZQ"}),
        note("her passport is blue", "w"),
    )
    erasure = office.begin(values=("P-4471-ZQ",))
    assert set(erasure.items) >= {held, quoted, value}
    assert kept not in erasure.items
    assert "P-4471-ZQ" in office.store.values(erasure)[0]


def test_whatever_names_a_further_value_goes_too(office: Office) -> None:
    names = {
        "predicate": note("she likes tea", "x", predicate="likes ada@example.org"),
        "source": note("tea again", "y", provenance=Provenance(source="mail:ada@example.org")),
        "by": note("tea is hot", "z", provenance=Provenance(by="ada@example.org")),
        "thread": note("tea is cold", "w", thread="with ada@example.org"),
        "label": note("tea is dear", "v", label=Label(origins=("mail:ada@example.org",))),
    }
    held = office.write(*names.values())
    (kept,) = office.write(note("coffee"))
    erasure = office.begin(values=("ada@example.org",))
    assert set(held) <= set(erasure.items)
    assert kept not in erasure.items


def test_nothing_is_begun_for_what_is_not_there(office: Office) -> None:
    (mine,) = office.write(note("a fact of her own"))
    (others,) = office.write(note("a fact elsewhere"), who=Reader(tenant="other", app="a"))
    for target in ({"ids": (mine, "m-0")}, {"ids": (others,)}, {"subject": "c:9"}, {"source": "s"}):
        with pytest.raises(NothingToErase):
            office.begin(**target)
    assert office.store.open() == []
    assert office.all(sa.select(memory_tombstones)) == []


def test_a_value_that_nothing_holds_is_erased_all_the_same(office: Office) -> None:
    erasure = office.begin(values=("P-4471-ZQ",))
    assert office.store.feed(erasure, ["P-4471-ZQ"]) == (1, 0)


def test_more_than_one_erasure_takes_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.write(*(note(f"fact number {place}") for place in range(4)))
    assert ITEMS_MAX == 10_000
    monkeypatch.setattr("fairlead.adapters.sql.erasure_targets.ITEMS_MAX", 3)
    with pytest.raises(ErasureTooLarge, match="4 items"):
        office.begin(subject="c:1")


def test_what_was_begun_ends_although_more_was_derived_since(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = office.write(*(note(f"fact number {place}") for place in range(3)))
    monkeypatch.setattr("fairlead.adapters.sql.erasure_targets.ITEMS_MAX", 3)
    # The values are kept as items as well, until all of them go.
    erasure = office.begin(subject="c:1", values=("P-4471-ZQ", "P-4471-ZR"))
    assert len(erasure.items) == 5
    office.write(derived("in short, a fact", mine[0]))
    assert office.store.purge(erasure) == 6
    assert office.texts() == []
    with office.database.transaction() as connection:
        connection.execute(sa.delete(erasures))
    back = office.write(*(note(f"another fact {place}") for place in range(4)))
    assert set(office.store.restore(replace(erasure, items=tuple(back)), ORDER)) == set(back)


# Hidden at once.


def test_from_the_first_moment_nobody_recalls_it_not_even_as_of_before(office: Office) -> None:
    office.write(note(TEXT), note(f"Bob keeps {CANARY}x", "c:2"))
    before = office.clock.now()
    office.clock.time += 10
    office.begin(subject="c:1")
    search = Search(terms={"said": "said", "keep": "keeps"})
    for reader in (OWN, Reader(tenant="acme", app="a", user="ada")):
        for known_at in (None, before):
            asked = MemoryQuery(text=CANARY, kinds=("semantic",), known_at=known_at)
            found = office.memory.candidates(reader, asked, search).found
            assert [one.text for one in found] == [f"Bob keeps {CANARY}x"]


def test_no_cleaning_takes_it_before_it_is_taken_out_everywhere(office: Office) -> None:
    office.write(note(TEXT, expires_at=office.clock.now() + 5))
    erasure = office.begin(subject="c:1")
    office.clock.time += 10
    assert office.memory.expire() == 0
    assert office.store.values(erasure)[0] == [TEXT]


def test_the_record_and_the_log_hold_no_value(office: Office) -> None:
    office.write(note(TEXT))
    office.begin(subject="c:1", values=("VALUE-4471",))
    tables = ("erasures", "events", "memory_tombstones")
    for table in tables:
        with office.database.reading() as connection:
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
        assert rows
        assert not [row for row in rows if CANARY in str(row) or "VALUE-4471" in str(row)]


@pytest.mark.parametrize("again", [TEXT, TEXT.upper() + "!", f"  {TEXT}  "])
def test_a_tombstone_keeps_it_from_being_learned_again_of_anybody(
    office: Office, again: str
) -> None:
    office.write(note(TEXT))
    erasure = office.begin(subject="c:1")
    assert office.memory.write(OWN, [note(again, "somebody else")])[0].refused
    assert not office.memory.write(OWN, [note("something else", "somebody else")])[0].refused
    assert not office.memory.write(Reader(tenant="other", app="a"), [note(again)])[0].refused
    assert office.store.feed(erasure, [TEXT, "something that was never erased"]) == (1, 0)


def test_feeding_writes_nothing_even_when_it_is_not_refused(office: Office) -> None:
    office.write(note(TEXT))
    erasure = office.begin(subject="c:1")
    office.do(sa.delete(memory_tombstones))
    assert office.store.feed(erasure, [TEXT]) == (1, 2)
    assert office.texts() == [TEXT]
    assert office.store.remains(erasure).stones == 0


def test_what_others_say_as_well_is_kept_of_them_and_searched_nowhere(office: Office) -> None:
    common = "prefers an email to a call"
    office.write(note(common, "c:1"), note(common, "c:2"))
    erasure = office.begin(subject="c:1")
    assert office.store.values(erasure) == ([], 1)
    assert office.memory.write(OWN, [note(common, "c:1")])[0].refused
    assert not office.memory.write(OWN, [note(common, "c:3")])[0].refused
    office.store.purge(erasure)
    assert office.texts() == [common, common]
    assert office.store.remains(erasure).known_again == ()


# One at a time.


def test_one_process_is_at_it_until_it_dies(office: Office) -> None:
    office.write(note(TEXT))
    name = office.begin(subject="c:1").id
    erasure = office.store.hold(name, "p1")
    office.store.hold(name, "p1")
    with pytest.raises(ErasureHeld, match="another process works at"):
        office.store.hold(name, "p2")
    office.clock.time += HOLD_S + 1
    office.store.hold(name, "p2")
    with pytest.raises(ErasureHeld):
        office.store.advance(erasure, "p1", "runs", {})
    office.store.advance(erasure, "p2", "scrub", {"n": 1})
    with pytest.raises(ErasureHeld):
        office.store.advance(erasure, "p2", "runs", {})
    office.store.release(name, "p1")
    with pytest.raises(ErasureHeld):
        office.store.hold(name, "p3")
    office.store.release(name, "p2")
    assert office.store.hold(name, "p3").receipt["n"] == 1
    with pytest.raises(ErasureUnknown):
        office.store.get("e-0")


def payloads(office: Office, count: int) -> list[str]:
    names = []
    for number in range(count):
        names.append(office.put({"text": f"{TEXT} {number}"}))
        office.run(f"r{number}", input_digest=names[-1])
    return names


class Slow(Eraser):
    """Some time passes whenever something is looked at."""

    def __init__(self, office: Office, each_s: float) -> None:
        super().__init__([CANARY])
        self._office, self._each_s = office, each_s

    def count(self, data: str | bytes) -> int:
        self._office.clock.time += self._each_s
        return super().count(data)


def test_a_long_stage_is_held_as_long_as_it_goes_on(office: Office) -> None:
    payloads(office, 40)
    office.write(note(TEXT))
    erasure = office.store.hold(office.begin(subject="c:1").id, "p1")
    begun = office.clock.time
    office.store.scrub(erasure, Slow(office, 2.0))
    assert office.clock.time - begun > 2 * HOLD_S
    with pytest.raises(ErasureHeld):
        office.store.hold(erasure.id, "p2")
    for looked in (False, True):
        # Nothing is committed while it is verified, and it is held all the same.
        assert not looked or office.store.traces(erasure, Slow(office, 2.0))
        office.clock.time += HOLD_S - RENEW_S - 100.0
        with pytest.raises(ErasureHeld):
            office.store.hold(erasure.id, "p2")


def test_whoever_was_away_too_long_commits_nothing(office: Office) -> None:
    names = payloads(office, 3)
    office.write(note(TEXT))
    first = office.store.hold(office.begin(subject="c:1").id, "p1")
    office.run("r9", reason=TEXT)
    office.clock.time += HOLD_S + 1
    second = office.store.hold(first.id, "p2")
    for act in (
        lambda: office.store.renew(first),
        lambda: office.store.scrub(first, Eraser([CANARY])),
        lambda: office.store.purge(first),
    ):
        with pytest.raises(ErasureHeld, match="by now"):
            act()
    assert CANARY in office.get(names[0])["text"]
    assert len(office.memory.get(OWN, first.items)) == 1
    assert office.store.scrub(second, Eraser([CANARY])).places == {
        "blobs.data": 3,
        "runs.reason": 1,
    }
    assert office.store.purge(second) == 1


def test_rows_are_committed_under_the_hold_as_well(office: Office) -> None:
    office.run("r9", reason=TEXT)
    office.write(note(TEXT))
    first = office.store.hold(office.begin(subject="c:1").id, "p1")
    office.clock.time += HOLD_S + 1
    office.store.hold(first.id, "p2")
    with pytest.raises(ErasureHeld):
        office.store.scrub(first, Eraser([CANARY]))
    assert office.all(sa.select(runs.c.reason)) == [(TEXT,)]


# Removed.


def vector(*numbers: float) -> bytes:
    import struct

    return struct.pack(f"<{len(numbers)}f", *numbers)


def test_a_copy_in_memory_is_dropped_with_the_rows(office: Office) -> None:
    stamp = Stamp(embedder="test", vectors=[vector(1, 0), vector(0, 1)])
    gone, kept = office.write(note(TEXT), note("a sibling", "c:2"), stamp=stamp)
    asked = MemoryQuery(text="", kinds=("semantic",), vector=vector(1, 0), embedder="test")

    def near(store: SqlMemoryStore) -> list[str]:
        return [one.id for one in store.candidates(OWN, asked, Search(terms={})).found]

    assert set(near(office.memory)) == {gone, kept}
    # Another process does it.
    erasure = office.begin(subject="c:1")
    assert near(office.memory) == [kept]
    assert office.store.purge(erasure) == 1
    assert near(office.memory) == [kept]
    kept_in_memory = getattr(office.memory._vectors, "_kept", {})
    for matrix in kept_in_memory.values():
        assert len(matrix.numbers) == 1


def test_what_was_derived_while_it_went_on_goes_too(office: Office) -> None:
    (first,) = office.write(note(TEXT))
    erasure = office.begin(ids=(first,))
    (late,) = office.write(derived("made of it by a run that had it in hand", first))
    assert office.store.purge(erasure) == 2
    assert office.memory.get(OWN, [late]) == []
    assert office.store.purge(erasure) == 0
    assert office.store.remains(erasure).items == ()


def test_rows_that_are_removed_stand_in_no_file_after_compaction(office: Office) -> None:
    engine = office.database.engine
    if engine.dialect.name == "sqlite":
        # Some are built to write over what is deleted, and others are not.
        off = "PRAGMA secure_delete=OFF"
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute(off))
        engine.dispose()
    ids = office.write(
        *(note(f"{CANARY}-{place} is one of her things") for place in range(200)),
        note("sibling-7kq2 is one of his things", "c:2"),
    )
    with office.database.glance() as connection:
        # PostgreSQL's planner keeps samples of what columns hold.
        connection.exec_driver_sql("ANALYZE")
    erasure = office.begin(subject="c:1")
    office.store.purge(erasure)
    assert list(office.store.compact(erasure)) == []
    files = [path for path in office.store.files() if path.exists()]
    assert files
    eraser = Eraser([CANARY])
    assert not [path for path in files if eraser.count_raw([path.read_bytes()])]
    assert [path for path in files if Eraser(["sibling-7kq2"]).count_raw([path.read_bytes()])]
    assert len(office.memory.get(OWN, ids)) == 1


def test_a_backup_that_is_restored_is_hidden_again(office: Office) -> None:
    office.write(note(TEXT), note("a sibling", "c:2"))
    erasure = office.begin(subject="c:1")
    office.store.purge(erasure)
    from fairlead.adapters.sql.schema_memory import erasures

    office.do(sa.delete(erasures), sa.delete(memory_tombstones))
    (back,) = office.write(note(TEXT.lower(), "another name"))
    known: Callable[[], Any] = lambda: office.store.get(erasure.id)  # noqa: E731
    with pytest.raises(ErasureUnknown):
        known()
    assert office.store.restore(erasure, ORDER) == [back]
    assert known().items == (*erasure.items, back)
    assert office.memory.write(OWN, [note(TEXT)])[0].refused
    assert json.dumps(known().receipt)
