"""Nothing happens after a run was cancelled."""

from __future__ import annotations

import pytest

from fairlead.core.errors import ApprovalClosed, RunFinished
from fairlead.operations import answer_approval
from fairlead.testing.conformance.site import ANN, Site

HELD = "b"


class CancellationConformance:
    """A cancelled run, its children and what it waited for have no further effect."""

    def test_a_cancelled_run_does_nothing_more_and_neither_do_its_children(
        self, site: Site
    ) -> None:
        """They are at work: inside a body, which is let end, and between two calls."""
        site.hold(HELD)
        plain = site.start("series", ["look:a", f"put:{HELD}", "pay:c"])
        parent = site.start("family", [["look:a", f"put:{HELD}", "pay:c"] for _ in range(2)])
        spared = site.start("series", ["look:a", f"put:{HELD}", "pay:d"])
        worker = site.worker()
        site.until(
            lambda: sum(one.item == HELD for one in site.executions()) == 4,
            "four runs are inside a body",
        )
        site.until_waiting(parent)
        cancelled = [
            *site.platform.control.cancel(plain, ANN),
            *site.platform.control.cancel(parent, ANN),
        ]
        assert len(cancelled) == len(set(cancelled)) == 4
        before = {run_id: site.run(run_id) for run_id in cancelled}
        site.release(HELD)
        site.until_ended(spared)
        # It has drained: whatever it had in its hands has come to an end.
        worker.end()
        _assert_cancelled(site, cancelled)
        assert {run_id: site.run(run_id) for run_id in cancelled} == before
        assert [one.run for one in site.executions() if one.tool == "pay"] == [spared]
        with pytest.raises(RunFinished):
            site.platform.control.cancel(parent, ANN)

    def test_a_run_that_was_cancelled_while_it_waits_does_nothing_more(self, site: Site) -> None:
        """It waits for a person or for a time; its worker lives on, and so does the next one."""
        asking = site.start("series", ["look:a", "approve:b"])
        sleeping = site.start("series", ["look:a", "sleep:0.5", "pay:c"])
        worker = site.worker()
        site.until_waiting(asking, sleeping)
        (question,) = site.platform.approvals.list()
        assert site.platform.control.cancel(sleeping, ANN) == [sleeping]
        assert site.platform.control.cancel(asking, ANN) == [asking]
        with pytest.raises(ApprovalClosed):
            answer_approval(site.platform, question.id, True, ANN)
        # It sleeps for longer than the cancelled one, which would have gone on by then.
        later = site.start("series", ["sleep:0.7", "look:d"])
        site.until_ended(later)
        worker.kill()
        queued = site.start("series", ["pay:c"])
        site.platform.control.cancel(queued, ANN)
        site.employ()
        last = site.start("series", ["look:d"])
        site.until_ended(last)
        site.dismiss()
        _assert_cancelled(site, [asking, sleeping, queued])
        assert {one.tool for one in site.executions()} == {"look"}


def _assert_cancelled(site: Site, runs: list[str]) -> None:
    for run_id in runs:
        run = site.run(run_id)
        assert (run.state, run.reason) == ("cancelled", ANN.reason)
        types = site.types(run_id)
        assert (types["run.cancelled"], types["run.finished"]) == (1, 0)
