"""Delivery metrics where baselines are enforced: they follow what a rollback would do."""

from __future__ import annotations

from fairlead.delivery.deployed import Log
from fairlead.delivery.dora import Scope, fold, readiness_of
from tests.unit.delivery.logs import DAY, HOUR, LogBook

T0 = 100 * DAY


def test_a_rollback_passes_over_what_no_accepted_baseline_was_above() -> None:
    """As `fairlead rollback` does: so a drill to such a release shows nothing."""
    log = LogBook()
    log.activate(T0 - DAY, "a")
    log.enforced(T0, "old", 1)
    log.release(T0 + HOUR, "b", baseline="old")
    log.activate(T0 + 2 * HOUR, "b", "a")
    log.enforced(T0 + DAY, "new", 2, window_s=HOUR)
    log.release(T0 + 25 * HOUR, "c", baseline="new")
    log.activate(T0 + 26 * HOUR, "c", "b")
    read = Log.of(log.events)
    assert read.standing("live", T0 + DAY + HOUR - 1.0) == ("c", "b")
    # Nothing says with which baseline `a` was made, so it may be accepted.
    assert read.standing("live", T0 + DAY + HOUR) == ("c", "a")
    log.release(T0 - 2 * DAY, "a", baseline=None)
    read = Log.of(log.events)
    assert read.standing("live", T0 + DAY + HOUR) == ("c", "")
    assert readiness_of(read, "live", T0 + DAY + HOUR).readiness == "nothing before"
    # What is enforced changes nothing for users: only the release that brings it is a deployment.
    scope = Scope(since=T0, until=T0 + 7 * DAY)
    log.run(T0 + 27 * HOUR, "r", "c")
    assert [one.release for one in fold(log.events, scope).deployments] == ["c"]
