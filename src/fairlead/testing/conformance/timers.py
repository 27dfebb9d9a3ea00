"""A run's sleep outlives its worker."""

from __future__ import annotations

import time

from fairlead.testing.conformance.site import LEASE_S, Execution, Site

LATE_S_MAX = 2.0 * LEASE_S
"""A timer fires at most so long after it is due; less than a sleep that is begun anew."""

LONG_S = 3 * LEASE_S
SHORT_S = 0.5 * LEASE_S


class TimerConformance:
    """A sleep fires once: when it is due, or at once when that is past."""

    def test_a_sleep_survives_its_worker_and_fires_when_it_is_due(self, site: Site) -> None:
        """Its worker is killed while it lasts; the next one does not begin it anew."""
        run_id, due_at = _asleep(site, LONG_S)
        site.employ()
        site.until_ended(run_id)
        woken = _woken(site, run_id)
        assert due_at <= woken.at <= due_at + LATE_S_MAX

    def test_a_sleep_that_is_past_due_fires_at_once(self, site: Site) -> None:
        """No worker lives when it is due."""
        run_id, due_at = _asleep(site, SHORT_S)
        site.until(lambda: time.time() > due_at + LEASE_S, "it is past due")
        assert site.did(run_id) == ["look:a"]
        started_at = time.time()
        site.employ()
        site.until_ended(run_id)
        assert _woken(site, run_id).at <= started_at + LATE_S_MAX + LEASE_S


def _asleep(site: Site, seconds: float) -> tuple[str, float]:
    """Kill the worker of a run that sleeps; return the run, and when it is due."""
    run_id = site.start("series", ["look:a", f"sleep:{seconds}", "put:b"])
    worker = site.worker()
    site.until_waiting(run_id)
    due_at = site.run(run_id).wake_at
    assert due_at is not None
    (before,) = site.executions(run_id)
    assert before.at + seconds <= due_at
    worker.kill()
    return run_id, due_at


def _woken(site: Site, run_id: str) -> Execution:
    """Return the one execution after the sleep."""
    assert site.answer(run_id) == ["a", "b"]
    assert site.did(run_id) == ["look:a", "put:b"]
    return site.executions(run_id)[-1]
