"""Releases on SQL: kept as they were made, or called damaged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead import Limits
from fairlead.adapters.sql.backup import broken_payloads
from fairlead.adapters.sql.compare import differences
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.schema_memory import memories
from fairlead.adapters.sql.schema_releases import archives
from fairlead.core.archive import pack
from fairlead.core.digests import digest_bytes
from fairlead.core.errors import ReleaseDamaged, UnknownRelease
from fairlead.core.memory import MemoryQuery, Note, Reader
from fairlead.core.provenance import Provenance
from fairlead.core.release import Manifest, RecallTerms, Release, manifest_digest
from fairlead.delivery.release import Releases
from fairlead.ports.memory import Change, Search
from fairlead.ports.releases import Activation, Evidence
from fairlead.testing import FakeClock
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

MANIFEST = manifest_of(echo)


class Shelf:
    """The releases of one database."""

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.database = database
        self.store = SqlReleaseStore(self.database, self.clock)
        self.events = SqlEventLog(self.database, self.clock)

    def make(self, manifest: Manifest) -> Release:
        """Return a release of a manifest."""
        self.clock.time += 1
        return Release(
            digest=manifest_digest(manifest), manifest=manifest, created_at=self.clock.now()
        )

    def put(self, manifest: Manifest) -> Release:
        """Store a release of a manifest."""
        release = self.make(manifest)
        self.store.put(release)
        return release

    def spoil(self, statement: str) -> None:
        """Change the table behind our back."""
        with self.database.transaction() as connection:
            assert connection.execute(sa.text(statement)).rowcount == 1


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def test_a_release_comes_back_as_it_was_made(shelf: Shelf) -> None:
    release = shelf.put(MANIFEST)
    assert shelf.store.get(release.digest) == release
    assert shelf.store.get(release.id) == release
    assert shelf.store.list() == [release]


def test_identical_content_is_stored_once(shelf: Shelf) -> None:
    release = shelf.put(MANIFEST)
    later = replace(release, created_at=release.created_at + 60)
    assert shelf.store.put(later) is False
    assert shelf.store.get(release.digest).created_at == release.created_at
    assert len(shelf.events.list(chain=f"release:{release.digest}")) == 1


ARCHIVE = pack({"code/app.py": b"x = 1\n"})
ORIGIN = Provenance(
    commit="c" * 40, author="Ann", committed_at=5.0, dirty=True, first_commit_at=4.0
)


def facts(shelf: Shelf, release: Release) -> list[tuple[str, Any]]:
    return [
        (event.type, event.data) for event in shelf.events.list(chain=f"release:{release.digest}")
    ]


def test_a_release_keeps_its_archive_and_where_it_comes_from(shelf: Shelf) -> None:
    bare = shelf.make(MANIFEST)
    release = replace(bare, archive=ARCHIVE.digest, provenance=ORIGIN)
    assert shelf.store.put(release, ARCHIVE) is True
    assert shelf.store.get(release.digest) == release
    assert shelf.store.archive(release.archive) == ARCHIVE
    assert shelf.store.archive("f" * 64) is None
    [(kind, data)] = facts(shelf, release)
    assert (kind, data["archive"]) == ("release.created", ARCHIVE.digest)
    assert data["app"] == MANIFEST.app
    assert data["provenance"] == ORIGIN.json()
    assert differences_of(shelf) == []


def test_equal_archives_are_stored_once(shelf: Shelf) -> None:
    for prompt in "ab":
        release = shelf.make(with_terms(prompt=prompt))
        assert shelf.store.put(replace(release, archive=ARCHIVE.digest), ARCHIVE)
    with shelf.database.reading() as connection:
        assert len(connection.execute(sa.select(archives.c.digest)).all()) == 1
    assert differences_of(shelf) == []


def test_a_release_that_is_there_gets_what_it_lacks_and_keeps_what_it_has(shelf: Shelf) -> None:
    old = shelf.put(MANIFEST)
    given = replace(old, archive=ARCHIVE.digest, provenance=ORIGIN)
    assert shelf.store.put(given, ARCHIVE) is False
    assert shelf.store.get(old.digest) == given
    later = replace(given, provenance=replace(ORIGIN, commit="d" * 40))
    assert shelf.store.put(later, ARCHIVE) is False
    assert shelf.store.get(old.digest) == given
    said = facts(shelf, old)
    assert [kind for kind, _ in said] == ["release.created", "release.amended"]
    assert said[1][1] == {"archive": ARCHIVE.digest, "provenance": ORIGIN.json()}
    assert differences_of(shelf) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE archives SET data = :other", "was changed"),
        ("DELETE FROM archives", "is not there"),
        ("UPDATE releases SET archive = NULL", "with the archive that its events say"),
        ("UPDATE releases SET archive = :name", "with the archive that its events say"),
        ("UPDATE releases SET provenance = NULL", "does not come from where"),
        ("UPDATE releases SET provenance = '{}'", "does not come from where"),
        ("UPDATE releases SET provenance = '{'", "does not come from where"),
        ("INSERT INTO archives VALUES (:name, :other, 0.0)", "no event says of what"),
        ("DELETE FROM events", "no event says that it was made"),
    ],
)
def test_what_was_changed_behind_our_back_is_found(shelf: Shelf, statement: str, said: str) -> None:
    release = replace(shelf.make(MANIFEST), archive=ARCHIVE.digest, provenance=ORIGIN)
    shelf.store.put(release, ARCHIVE)
    asked = sa.text(statement)
    values = {"other": b"other", "name": digest_bytes(b"other")}
    names = {name: value for name, value in values.items() if f":{name}" in statement}
    with shelf.database.transaction() as connection:
        assert connection.execute(asked, names).rowcount == 1
    assert any(said in line for line in differences_of(shelf)), differences_of(shelf)


def test_a_backup_with_a_changed_archive_is_found(shelf: Shelf) -> None:
    shelf.store.put(replace(shelf.make(MANIFEST), archive=ARCHIVE.digest), ARCHIVE)
    with shelf.database.reading() as connection:
        assert list(broken_payloads(connection)) == []
    with shelf.database.transaction() as connection:
        connection.execute(sa.update(archives).values(data=b"other"))
        found = list(broken_payloads(connection))
    assert found == [f"the archive {ARCHIVE.digest[:12]} was changed"]


def differences_of(shelf: Shelf) -> list[str]:
    with shelf.database.reading() as connection:
        return list(differences(connection))


def with_terms(**values: Any) -> Manifest:
    """Return a manifest with other terms."""
    terms = replace(MANIFEST.workflows["echo"], **values)
    return replace(MANIFEST, workflows={"echo": terms})


NUMBERS = st.integers(0, 10) | st.floats(0.0, 10.0)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cost=NUMBERS,
    wall=st.floats(0.001, 1e6).map(lambda seconds: timedelta(seconds=seconds)),
    score=st.sampled_from([0, 0.0, 1, 0.25]),
    settings_of_model=st.dictionaries(st.text(max_size=5), NUMBERS | st.text(max_size=5)),
)
def test_whatever_the_numbers_a_release_is_not_damaged(
    shelf: Shelf, cost: float, wall: timedelta, score: float, settings_of_model: dict[str, Any]
) -> None:
    """`cost_usd = 1` in a file is a whole number; read back it is 1.0, and the release is whole."""
    release = shelf.put(
        with_terms(
            limits=Limits(cost_usd=cost, wall_time=wall),
            recall=RecallTerms(collection="c", min_score=score),
            model_settings=settings_of_model,
        )
    )
    found = shelf.store.get(release.digest)
    assert found.manifest == release.manifest


SPOILS = [
    "UPDATE releases SET manifest = replace(manifest, 'Be admitted', 'Be refused')",
    "UPDATE releases SET manifest = manifest || ' '",
    "UPDATE releases SET manifest = '{}'",
    "UPDATE releases SET manifest = ''",
    "UPDATE releases SET digest = '0' || substr(digest, 2) || '1'",
]


@pytest.mark.parametrize("statement", SPOILS)
def test_a_damaged_release_is_not_used(shelf: Shelf, statement: str) -> None:
    shelf.put(MANIFEST)
    shelf.spoil(statement)
    sound = shelf.put(with_terms(prompt="Another prompt."))
    assert shelf.store.list() == [sound]
    (damage,) = shelf.store.damaged()
    assert damage.code == "FL-305"
    with pytest.raises(ReleaseDamaged):
        shelf.store.get(damage.ids["release"])


def test_a_damaged_release_can_be_rolled_back(shelf: Shelf) -> None:
    good = shelf.put(MANIFEST)
    bad = shelf.put(with_terms(prompt="Another prompt."))
    verbs = Releases(store=shelf.store, clock=shelf.clock, environment="default")
    for release in (good, bad):
        verbs.activate(release.digest, by="ann", override="a test")
    shelf.spoil(f"UPDATE releases SET manifest = '{{}}' WHERE digest = '{bad.digest}'")
    assert verbs.rollback(by="ann", reason="it is damaged") == (bad.digest, good)
    assert verbs.current() == good


def test_a_prefix_names_a_release_when_it_is_the_only_one(shelf: Shelf) -> None:
    one = shelf.put(MANIFEST)
    shelf.put(with_terms(prompt="Another prompt."))
    assert shelf.store.get(one.digest[:32]) == one
    for name in ("", "%", "x"):
        with pytest.raises(UnknownRelease):
            shelf.store.get(name)


def test_the_latest_evidence_counts(shelf: Shelf) -> None:
    digest = shelf.put(MANIFEST).digest
    assert shelf.store.gate(digest) is None
    for number, conclusion in enumerate(("failure", "success")):
        checks = [{"name": "schema", "number": number}]
        evidence = Evidence(release=digest, conclusion=conclusion, checks=checks, time=1.0)
        shelf.store.record_gate(evidence)
        assert shelf.store.gate(digest) == evidence
    types = [event.type for event in shelf.events.list(chain=f"release:{digest}")]
    assert types == ["release.created", "gate.finished", "gate.finished"]


def test_each_environment_has_a_history_and_a_rollback_marks_what_was_active(shelf: Shelf) -> None:
    one, two = shelf.put(MANIFEST).digest, shelf.put(with_terms(prompt="Another.")).digest
    moves = [
        Activation(release=digest, kind=kind, reason="", by="ann", time=1.0)
        for digest, kind in ((one, "activate"), (two, "override"), (one, "rollback"))
    ]
    for move in moves:
        shelf.store.activate("default", move)
    shelf.store.activate("staging", moves[1])
    assert shelf.store.history("default") == moves
    assert shelf.store.history("staging") == moves[1:2]
    assert [shelf.store.get(digest).bad for digest in (one, two)] == [False, True]
    events = shelf.events.list(chain="environment:default")
    found = [(event.type, event.data["from"], event.data["release"]) for event in events]
    assert found == [
        ("release.activated", None, one),
        ("release.activated", one, two),
        ("release.rolled_back", two, one),
    ]


READER = Reader(tenant="t", app=MANIFEST.app, user="ada")
TEA, COFFEE = (
    Note(kind="semantic", subject="ada", predicate="drinks", text=text)
    for text in ("Ada drinks tea", "Ada drinks coffee")
)


def known(store: SqlMemoryStore, overlay: str = "") -> list[str]:
    """Return what is current for a run, on trial or not."""
    reader = replace(READER, overlay=overlay)
    query = MemoryQuery(text="", kinds=("semantic",))
    found = store.candidates(reader, query, Search(terms={"drink": "drinks"}))
    return [one.text for one in found.found]


def move(release: Release, kind: Any = "activate") -> Activation:
    return Activation(release=release.digest, kind=kind, reason="why", by="ann", time=1.0)


def test_what_a_release_remembers_on_trial_becomes_everybodys_when_it_is_activated(
    shelf: Shelf,
) -> None:
    old, new = shelf.put(MANIFEST), shelf.put(with_terms(queue="other"))
    memory = SqlMemoryStore(shelf.database, shelf.clock)
    assert not shelf.store.on_trial("default", new.digest)
    shelf.store.activate("default", move(old))
    assert shelf.store.on_trial("default", new.digest)
    assert not shelf.store.on_trial("default", old.digest)
    memory.write(READER, [TEA])
    memory.write(replace(READER, overlay=new.digest), [COFFEE])
    assert known(memory) == ["Ada drinks tea"]
    assert known(memory, new.digest) == ["Ada drinks coffee"]
    shelf.store.activate("default", move(new))
    assert not shelf.store.on_trial("default", new.digest)
    assert known(memory) == ["Ada drinks coffee"]
    (event,) = [
        one for one in shelf.events.list(chain=f"release:{new.digest}") if "memory" in one.type
    ]
    assert (event.type, event.data) == (
        "memory.merged",
        {"items": 1, "by": "ann", "reason": "why"},
    )


def test_what_is_written_on_trial_while_the_release_is_activated_is_everybodys(
    shelf: Shelf,
) -> None:
    release = shelf.put(MANIFEST)
    memory = SqlMemoryStore(shelf.database, shelf.clock)
    shelf.store.activate("default", move(release))
    # The run had looked before.
    memory.write(replace(READER, overlay=release.digest), [TEA])
    assert known(memory) == ["Ada drinks tea"]


def test_a_rollback_removes_what_the_bad_release_remembered_on_trial(shelf: Shelf) -> None:
    old, new = shelf.put(MANIFEST), shelf.put(with_terms(queue="other"))
    memory = SqlMemoryStore(shelf.database, shelf.clock)
    shelf.store.activate("default", move(old))
    memory.write(READER, [TEA])
    memory.write(replace(READER, overlay=new.digest), [COFFEE])
    trial = MANIFEST.app, new.digest
    assert memory.drop_overlay(*trial, Change(by="ann", reason="bad")) == 1
    assert known(memory, new.digest) == known(memory) == ["Ada drinks tea"]
    # One that got to the environment by another way, and left something on trial.
    shelf.store.activate("default", move(new))
    with shelf.database.transaction() as connection:
        connection.execute(sa.update(memories).values(overlay=new.digest))
    shelf.store.activate("default", move(old, "rollback"))
    assert known(memory) == known(memory, new.digest) == []
