"""Backup, restore and drill on each database: what is held, what is refused, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.core.backup import differences
from fairlead.core.errors import (
    BackupExists,
    RestoreUnsound,
    RoleMissing,
    StoreOccupied,
    StoreUnavailable,
)
from fairlead.core.event import Fact
from fairlead.operations import (
    Platform,
    RestoreOptions,
    acting,
    back_up_store,
    drill_store,
    restore_store,
    verify_events,
)
from fairlead.ports.documents import Query
from tests.unit.operations.stores import REPLACE, Site, admit, content, ingest, sqlite


@pytest.mark.both
def test_a_restored_store_holds_what_was_backed_up(site: Site) -> None:
    with site.open() as platform:
        ingest(platform, "another leave")
        written = back_up_store(platform, site.folder / "a.zip")
    assert written.file.stat().st_mode & 0o777 == 0o600
    with site.elsewhere() as settings:
        restored = restore_store(settings, written.file)
        assert restored.findings == ()
        # Nobody knows what was erased since.
        assert str(settings.erasures_file) in restored.unchecked
        assert (restored.alive, restored.payloads) == (2, 1)
        with site.open(settings) as platform:
            run = platform.runs.get("r2")
            assert run.input == {"text": "tab\t, \\N, ünïcode and \n a line"}
            assert run.environment == "live"
            assert platform.runs.get("r1").reason == "a\tb\\c\n\\."
            assert [run.id for run in platform.runs.list(limit=9)] == ["r2", "r1"]
            query = Query(text="leave", tenant="default", collections=("notes",), top_k=3)
            assert len(platform.documents.search(query)) == 1
            assert verify_events(platform).findings == ()
            before = number(platform)
            ingest(platform, "a third leave")
            # What gives numbers goes on behind the last one; SQLite has nothing that does.
            assert sqlite(site) or number(platform) > before
            assert len(platform.documents.search(query)) == 1
            chain = platform.events.list(chain="store")
        assert [event.type for event in chain] == ["store.restored"]
        assert chain[0].data["backup"] == written.digest
        assert chain[0].data["erasures_unchecked"] is True
        assert chain[0].data["events"] == written.manifest.content.heads.events
    with site.open() as platform:
        kept = platform.events.list(chain="store")
    assert [event.type for event in kept] == ["store.backed_up"]
    assert kept[0].data["backup"] == written.digest


def number(platform: Platform) -> int:
    """Return the number of the newest passage."""
    with platform.database.reading() as connection:
        return int(connection.execute(sa.text("SELECT max(id) FROM passages")).scalar_one())


def test_a_drill_verifies_and_leaves_nothing_but_an_event(site: Site) -> None:
    file = site.back_up()
    before = content(site.settings)
    beside = sorted(path.name for path in site.settings.folder.rglob("*"))
    with site.open() as platform:
        drilled = drill_store(platform, file)
        assert (drilled.place, drilled.events, drilled.alive) == (None, 2, 2)
        chain = platform.events.list(chain="store")
        if not sqlite(site):
            query = sa.text("SELECT count(*) FROM pg_database WHERE datname LIKE 'fairlead_drill%'")
            with platform.database.reading() as connection:
                assert connection.execute(query).scalar_one() == 0
    assert [event.type for event in chain] == ["store.backed_up", "store.drilled"]
    assert chain[1].data["sound"] is True
    after = content(site.settings)
    assert differences(before, after) == [
        "table events has 4 rows, and the backup had 3 rows",
        "the event log has 4 events, and the backup had 3",
    ]
    assert sorted(path.name for path in site.settings.folder.rglob("*")) == beside


def test_a_store_that_holds_something_is_replaced_only_on_request(site: Site) -> None:
    file = site.back_up()
    with site.open() as platform:
        admit(platform, "r3")
    with pytest.raises(StoreOccupied, match=r"runs: 3, not ended: 3, events: 4"):
        restore_store(site.settings, file)
    assert site.runs() == ["r1", "r2", "r3"]
    restored = restore_store(site.settings, file, REPLACE)
    assert site.runs() == ["r1", "r2"]
    if site.settings.database_url.startswith("sqlite"):
        assert restored.aside is not None
        aside = replace(site.settings, database_url=f"sqlite:///{restored.aside}")
        assert site.runs(aside) == ["r1", "r2", "r3"]
        assert Path(restored.aside).stat().st_mode & 0o777 == 0o600
    else:
        assert restored.aside is None


def test_whoever_has_the_store_open_sees_the_restored_one(site: Site) -> None:
    file = site.back_up()
    with site.open() as platform:
        admit(platform, "r3")
        assert len(platform.runs.list(limit=9)) == 3
        restore_store(site.settings, file, REPLACE)
        assert len(platform.runs.list(limit=9)) == 2
        admit(platform, "r4")
        assert verify_events(platform).findings == ()
    assert site.runs() == ["r1", "r2", "r4"]


def test_a_living_worker_is_in_the_way(site: Site) -> None:
    file = site.back_up()
    with site.elsewhere() as settings:
        from fairlead.ports.workers import WorkerRecord

        with site.open(settings) as platform:
            worker = WorkerRecord(
                id="w1", code_digest="c", host="h", pid=1, started_at=0.0, heartbeat_at=0.0
            )
            platform.workers.start(worker, 2.0)
        patient = replace(settings, lease_s=3600.0)
        with pytest.raises(StoreOccupied, match="living workers: 1"):
            restore_store(patient, file)


def test_what_is_done_after_a_restore_is_in_place_together_with_it(site: Site) -> None:
    file = site.back_up()

    def erase(platform: Platform) -> Sequence[str]:
        with platform.database.transaction() as connection:
            if not sqlite(site):
                connection.execute(sa.text("DELETE FROM passages_words"))
            gone = connection.execute(sa.text("DELETE FROM passages WHERE text = 'leave'"))
        if sqlite(site):
            # Nobody else sees it yet; PostgreSQL has whoever looks wait.
            assert site.runs() == ["r1", "r2", "r3"]
        with pytest.raises(StoreUnavailable, match="before a restore has ended"):
            platform.queue.forget(["r1"])
        return [f"erased {gone.rowcount} passages"]

    with site.open() as platform:
        admit(platform, "r3")
    options = replace(REPLACE, after_restore=(erase,))
    assert restore_store(site.settings, file, options).after == ("erased 1 passages",)
    with site.open() as platform, platform.database.reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM passages")).scalar() == 0
    with site.open() as platform:
        data = platform.events.list(chain="store")[-1].data
    assert (data["changes"], data["after"]) == (1, ["erased 1 passages"])


def test_what_fails_after_a_restore_leaves_the_old_store(site: Site) -> None:
    file = site.back_up()
    with site.open() as platform:
        admit(platform, "r3")

    def fails(platform: Platform) -> Sequence[str]:
        admit(platform, "r9")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        restore_store(site.settings, file, replace(REPLACE, after_restore=(fails,)))
    assert site.runs() == ["r1", "r2", "r3"]
    with site.open() as platform:
        with pytest.raises(RuntimeError):
            drill_store(platform, file, (fails,))
        assert [event.type for event in platform.events.list(chain="store")] == ["store.backed_up"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE blobs SET data = :data", "the payload .* was changed"),
        ("UPDATE events SET data = '{}' WHERE chain = 'run:r1'", "event 1 of run:r1"),
        ("DELETE FROM events WHERE chain = 'run:r1'", "r1"),
    ],
)
def test_a_store_that_does_not_hold_is_put_in_place_only_on_request(
    site: Site, damage: str, found: str
) -> None:
    with site.open() as platform, platform.database.transaction() as connection:
        statement = sa.text(damage)
        connection.execute(statement, {"data": b"{}"} if ":data" in damage else {})
    file = site.back_up()
    with site.open() as platform:
        with pytest.raises(RestoreUnsound, match=found):
            drill_store(platform, file)
        assert platform.events.list(chain="store")[-1].data["sound"] is False
    with site.elsewhere() as settings:
        with pytest.raises(RestoreUnsound, match=found):
            restore_store(settings, file)
        restored = restore_store(settings, file, RestoreOptions(unsound=True))
        assert restored.findings
        with site.open(settings) as platform:
            assert platform.events.list(chain="store")[-1].data["found"] == len(restored.findings)


def test_only_an_admin_backs_up_and_restores(site: Site) -> None:
    file = site.back_up()
    ada = Principal(user="ada", tenant="acme", roles=("operator",), issuer="fairlead")
    with site.open() as platform:
        for act in (back_up_store, lambda p: drill_store(p, file)):
            with pytest.raises(RoleMissing):
                act(acting(platform, ada))
    with pytest.raises(RoleMissing):
        restore_store(site.settings, file, REPLACE, by=ada)


def test_a_backup_without_a_name_is_named_by_the_time(site: Site) -> None:
    with site.open() as platform:
        first, second = back_up_store(platform), back_up_store(platform)
        assert first.file.parent == second.file.parent == site.settings.folder / ".fairlead/backups"
        assert first.file != second.file
        with pytest.raises(BackupExists):
            back_up_store(platform, first.file)
        again = back_up_store(platform, first.file, force=True)
    assert again.digest != first.digest
    # It is the store of that moment, so it does not know of itself.
    assert again.manifest.content.heads.events == first.manifest.content.heads.events + 2


def test_the_events_of_the_store_verify(site: Site) -> None:
    file = site.back_up()
    restore_store(site.settings, file, REPLACE)
    with site.open() as platform:
        platform.events.append([Fact(chain="store", type="store.drilled")])
        assert verify_events(platform).findings == ()
