"""What was decided of calls, on SQL: on record with the call, bounded, and pruned with the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.recorded import SqlRecordedCalls
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.core.calls import Done, Unknown
from fairlead.core.event import Event
from fairlead.core.release import Manifest, Release, manifest_digest
from fairlead.ports.journal import DIFFERENCES_MAX, CallVerdict
from tests.unit.adapters.sql.archive import Archive
from tests.unit.adapters.sql.test_runs import CALL, RUN, TIMING, Stores
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

QUERY = {"action": "call", "resource": "pay", "context": {"n": 1}}
DIFFERS = CallVerdict(
    effect="allow",
    rules=("old",),
    policy="p1",
    query=QUERY,
    shadow=CallVerdict(said="tried", effect="deny", rules=("new",), policy="p2"),
)


class Book(Stores):
    """The stores, with releases of two apps."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.releases = SqlReleaseStore(database, self.clock)
        self.recorded = SqlRecordedCalls(database)
        self.release = self.make("ours")
        self.other = self.make("theirs")

    def make(self, app: str) -> str:
        manifest: Manifest = replace(manifest_of(echo), app=app)
        release = Release(digest=manifest_digest(manifest), manifest=manifest, created_at=1.0)
        self.releases.put(release)
        return release.digest

    def run(self, id: str, release: str, *verdicts: CallVerdict) -> None:
        """Admit a run and record a read for each verdict."""
        self.clock.time += 1
        at = self.clock.now()
        self.admit(RUN, id=id, root_id=id, lineage=id, release=release, created_at=at)
        for number, verdict in enumerate(verdicts, 1):
            call = replace(CALL, run_id=id, number=number, effect="read", lineage=id)
            self.journal.finish(call, Done(value=number), TIMING, verdict)

    def differs(self, run: str) -> list[Event]:
        chain = self.events.list(chain=f"run:{run}", limit=1000)
        return [event for event in chain if event.type == "policy.differs"]


def test_the_calls_of_an_apps_newest_runs_are_found(database: Database) -> None:
    book = Book(database)
    book.run("r1", book.release, DIFFERS)
    book.run("r2", book.other, DIFFERS)
    book.run("r3", book.release, CallVerdict(query=QUERY), CallVerdict())
    found = book.recorded.calls("ours", 10)
    assert [(one.run_id, one.number, one.query) for one in found] == [
        ("r3", 1, QUERY),
        ("r3", 2, None),
        ("r1", 1, QUERY),
    ]
    assert (found[0].release, found[0].workflow, found[0].kind) == (book.release, "w", "tool")
    assert {one.run_id for one in book.recorded.calls("ours", 1)} == {"r3"}
    assert [one.run_id for one in book.recorded.calls("theirs", 10)] == ["r2"]
    assert book.events.gaps() == []


def test_a_difference_is_an_event_with_facts_and_digests_only(database: Database) -> None:
    book = Book(database)
    book.run("r1", book.release, DIFFERS, CallVerdict(effect="allow", query=QUERY))
    book.run("r2", book.other, DIFFERS)
    (event,) = book.differs("r1")
    assert event.data == {
        "key": "r1:1",
        "call": 1,
        "kind": "tool",
        "name": "pay",
        "arguments": replace(CALL, run_id="r1").arguments_digest,
        "enforced": {"digest": "p1", "effect": "allow", "rules": ["old"]},
        "shadow": {"digest": "p2", "effect": "deny", "rules": ["new"]},
    }
    (found,) = book.recorded.differences("ours", 10)
    assert (found.run_id, found.number, found.enforced, found.shadow, found.rules) == (
        "r1", 1, "allow", "deny", ("new",),
    )  # fmt: skip
    assert book.recorded.differences("nobody", 10) == []


def test_a_run_records_so_many_differences_and_no_more(database: Database) -> None:
    book = Book(database)
    book.run("r1", book.release, *[DIFFERS] * (DIFFERENCES_MAX + 3))
    assert len(book.differs("r1")) == DIFFERENCES_MAX
    assert len(book.recorded.calls("ours", 1)) == DIFFERENCES_MAX + 3


def test_an_unknown_effect_that_is_looked_at_again_differs_once(database: Database) -> None:
    book = Book(database)
    book.run("r1", book.release)
    call = replace(CALL, run_id="r1", lineage="r1")
    for result in (Unknown(reason="?"), Unknown(reason="?"), Done(value=1)):
        book.journal.finish(call, result, TIMING, DIFFERS)
    assert len(book.differs("r1")) == 1


def test_the_active_release_of_each_environment(database: Database) -> None:
    from fairlead.ports.releases import Activation

    book = Book(database)
    assert book.releases.active() == {}
    for environment, release in (("a", book.other), ("b", book.other), ("a", book.release)):
        move = Activation(release=release, kind="activate", reason="", by="ann", time=1.0)
        book.releases.activate(environment, move)
    assert book.releases.active() == {"a": book.release, "b": book.other}


def test_what_was_decided_goes_with_the_run(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    run_id = archive.admit("x")
    archive.call(run_id, 1, Done(value=1))
    archive.end(run_id)
    with archive.database.reading() as connection:
        before = connection.exec_driver_sql("SELECT query_digest FROM calls").scalar_one()
    assert before is not None
    archive.later(2)
    archive.prune()
    assert archive.count("blobs") == 0
    assert archive.findings() == []
    archive.database.close()


@pytest.mark.parametrize("taken", [True, False])
def test_a_payload_of_a_decision_that_is_gone_is_found(tmp_path: Path, taken: bool) -> None:
    archive = Archive(tmp_path)
    run_id = archive.admit("x")
    archive.call(run_id, 1, Done(value=1))
    archive.end(run_id)
    if taken:
        archive.sql("DELETE FROM blobs WHERE digest = (SELECT query_digest FROM calls)")
    assert bool(archive.findings()) is taken
    archive.database.close()
