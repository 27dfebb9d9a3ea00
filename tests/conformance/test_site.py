"""What the suite's own tests stand on tells a fault from a death."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.testing.conformance import EngineConformance, Site, SqliteDatabase, open_site
from fairlead.testing.conformance.nursery import nursery_of

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    nursery = nursery_of(EngineConformance.worker, EngineConformance.rehearsal)
    with open_site(tmp_path / "site", SqliteDatabase(tmp_path / "a.db"), nursery) as made:
        yield made


def test_a_worker_that_ends_by_itself_is_a_fault(site: Site, tmp_path: Path) -> None:
    """It is not replaced again and again until the time is up."""
    site.employ(plan=tmp_path / "no-such-plan")
    with pytest.raises(AssertionError, match=r"ended with 2: .*no-such-plan"):
        site.until(lambda: False, "never")
    assert len(site.workers) == 1


def test_a_worker_that_is_killed_is_replaced(site: Site) -> None:
    site.employ()
    (first,) = site.workers
    first.kill()
    run_id = site.start("series", ["look:a"])
    site.until_ended(run_id)
    (execution,) = site.executions(run_id)
    assert execution.pid == site.workers[1].pid != first.pid


def test_a_frozen_worker_goes_on_when_it_is_thawed(site: Site) -> None:
    """And `end` waits until it has drained."""
    worker = site.worker()
    site.freeze(worker)
    site.hold("a")
    run_id = site.start("series", ["look:a"])
    worker.thaw()
    site.until(lambda: site.did(run_id) == ["look:a"], "the run is inside a body")
    site.release("a")
    worker.end()
    assert (worker.status, site.run(run_id).state) == (0, "succeeded")


def test_nobody_writes_during_an_outage(site: Site) -> None:
    worker = site.worker()
    site.until(lambda: worker.ready, "the worker is ready")
    with site.database.outage():
        before = site.platform.workers.living(60.0)
        site.until(lambda: not site.platform.workers.living(1.0), "its lease has lapsed")
        assert site.platform.workers.living(60.0) == before
    site.until(lambda: site.platform.workers.living(1.0), "it is renewed")
    worker.end()
