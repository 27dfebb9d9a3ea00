"""Workers die around a person's answer."""

from __future__ import annotations

import pytest

from fairlead.core.errors import ApprovalClosed
from fairlead.operations import answer_approval
from fairlead.testing.conformance.site import ANN, Site
from fairlead.testing.faults import Fault, Kill

STEPS = ["look:a", "approve:b", "put:c"]
DONE = ["look:a", "charge:b", "put:c"]

DEATHS = [
    Fault(boundary="store", name="approvals.ask", moment="before", action=Kill()),
    Fault(boundary="human", name="charge", moment="asked", action=Kill()),
    Fault(boundary="human", name="charge", moment="answered", action=Kill()),
    Fault(boundary="human", name="charge", moment="resumed", action=Kill()),
    Fault(boundary="store", name="approvals.consume", moment="before", action=Kill()),
    Fault(boundary="store", name="approvals.consume", moment="after", action=Kill()),
    Fault(boundary="tool", name="charge", moment="before", action=Kill()),
    Fault(boundary="tool", name="charge", moment="after", action=Kill()),
]
"""Where a worker dies in a call that a person must agree to, in the order of the protocol."""


class ApprovalConformance:
    """An answer is never lost, and used for exactly one call, whoever dies when."""

    def test_invariant_06_an_answer_that_nobody_waits_for_is_kept(self, site: Site) -> None:
        """Its worker is killed while the run is parked; it is answered while no worker lives."""
        yes, no = site.start("series", STEPS), site.start("series", STEPS)
        worker = site.worker()
        site.until_waiting(yes, no)
        worker.kill()
        asked = _asked(site)
        answer_approval(site.platform, asked[yes], True, ANN)
        answer_approval(site.platform, asked[no], False, ANN)
        assert {site.run(run_id).state for run_id in (yes, no)} <= {"waiting", "queued"}
        site.employ()
        site.until_ended(yes, no)
        _assert_used_once(site, yes)
        assert (site.run(no).state, site.did(no)) == ("denied", ["look:a"])
        with pytest.raises(ApprovalClosed):
            answer_approval(site.platform, asked[no], True, ANN)

    def test_invariant_06_an_answer_survives_a_kill_right_after_it(self, site: Site) -> None:
        """The worker is killed from outside as soon as the answer is committed."""
        run_id = site.start("series", STEPS)
        worker = site.worker()
        site.until_waiting(run_id)
        answer_approval(site.platform, _asked(site)[run_id], True, ANN)
        worker.kill()
        site.employ()
        site.until_ended(run_id)
        _assert_used_once(site, run_id)

    def test_invariant_06_an_answer_survives_kills_at_every_point_of_its_call(
        self, site: Site
    ) -> None:
        """One worker after the other dies of the same call: asked, answered, used up, made."""
        plan = site.plan(*DEATHS)
        run_id = site.start("series", STEPS)
        site.employ(plan=plan)
        site.until_waiting(run_id)
        site.until(lambda: run_id in _asked(site), "the question is on record")
        answer_approval(site.platform, _asked(site)[run_id], True, ANN)
        site.until_ended(run_id)
        assert {one.fault for one in site.fired(plan)} == set(range(len(DEATHS)))
        _assert_used_once(site, run_id)


def _asked(site: Site) -> dict[str, str]:
    """Return the open questions by their run."""
    return {one.run_id: one.id for one in site.platform.approvals.list()}


def _assert_used_once(site: Site, run_id: str) -> None:
    assert site.answer(run_id) == ["a", "b", "c"]
    assert site.did(run_id) == DONE
    (asked,) = (one for one in site.platform.approvals.list(state=None) if one.run_id == run_id)
    assert asked.state == "consumed"
    types = site.types(run_id)
    names = ("approval.asked", "approval.answered", "approval.consumed")
    assert [types[name] for name in names] == [1, 1, 1]
