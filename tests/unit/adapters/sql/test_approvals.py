"""Approvals on SQL: one answer, for one call, in one transaction with the run's going on."""

from __future__ import annotations

import pytest

from fairlead.adapters.sql.approvals import SqlApprovalStore
from fairlead.adapters.sql.database import Database
from fairlead.core.errors import ApprovalClosed, UnknownApproval
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Order
from tests.unit.adapters.sql.test_runs import ORDER, Stores

YES = Order(by="ann", reason="fine")
ASKED = ApprovalRecord(
    id="ap1",
    run_id="aa11",
    number=2,
    wait_key="a2",
    tenant="acme",
    tool="pay",
    release="d",
    subject={"arguments": {"item": "book"}},
    subject_digest="digest",
    state="pending",
    asked_at=0.0,
    expires_at=0.0,
)


class Asking(Stores):
    """A run that asks a person."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.approvals = SqlApprovalStore(database, self.clock)
        self.admit()
        self.fence: Fence = self.claim()[0].fence
        self.approvals.ask(ASKED, 60.0)


@pytest.fixture
def stores(database: Database) -> Asking:
    return Asking(database)


def test_a_question_is_asked_once(stores: Asking) -> None:
    again = stores.approvals.ask(ASKED.__class__(**{**vars(ASKED), "id": "ap2"}), 60.0)
    assert again.topic == "ap1"
    (listed,) = stores.approvals.list()
    assert (listed.id, listed.state, listed.subject) == ("ap1", "pending", ASKED.subject)
    assert listed.expires_at - listed.asked_at == pytest.approx(60.0)
    assert stores.types() == ["run.admitted", "approval.asked"]


def test_invariant_06_an_answer_wakes_the_run_in_the_same_transaction(stores: Asking) -> None:
    stores.dispatch.park("aa11", stores.fence, "a2")
    answered = stores.approvals.answer("ap", True, YES)
    assert (answered.state, answered.by) == ("approved", "ann")
    assert [*stores.dispatch.awake("w1", 9)] == ["aa11"]
    wait = stores.waits.close("aa11", "a2")
    assert wait.answer == {"approved": True, "by": "ann", "reason": "fine"}
    for name in ("ap1", "ap"):
        with pytest.raises(ApprovalClosed):
            stores.approvals.answer(name, False, YES)
    with pytest.raises(UnknownApproval):
        stores.approvals.answer("zz", True, YES)


def test_invariant_06_an_answer_that_is_not_committed_wakes_nobody(
    stores: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.dispatch.park("aa11", stores.fence, "a2")

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("fairlead.adapters.sql.approvals.append", fail)
    with pytest.raises(OSError, match="gone"):
        stores.approvals.answer("ap1", True, YES)
    assert stores.dispatch.awake("w1", 9) == ()
    assert stores.approvals.list()[0].state == "pending"


def test_invariant_06_an_approval_is_used_up_by_the_one_call_that_it_is_for(
    stores: Asking,
) -> None:
    assert stores.approvals.consume("aa11", 2, "digest") == "the approval is pending"
    stores.approvals.answer("ap1", True, YES)
    assert stores.approvals.consume("aa11", 3, "digest") == "nobody was asked"
    assert "not those that a person was shown" in stores.approvals.consume("aa11", 2, "other")
    assert stores.approvals.consume("aa11", 2, "digest") == ""
    # The same call again, after a crash between this and its outcome.
    assert stores.approvals.consume("aa11", 2, "digest") == ""
    assert stores.types()[-2:] == ["approval.answered", "approval.consumed"]


def test_invariant_06_what_has_expired_is_neither_answered_nor_used(stores: Asking) -> None:
    stores.approvals.answer("ap1", True, YES)
    stores.age(100.0)
    assert stores.approvals.consume("aa11", 2, "digest") == "the approval has expired"


def test_a_question_that_nobody_answered_expires(stores: Asking) -> None:
    stores.age(100.0)
    assert stores.approvals.list() == []
    assert [one.state for one in stores.approvals.list(state=None)] == ["expired"]
    with pytest.raises(ApprovalClosed, match="expired"):
        stores.approvals.answer("ap1", True, YES)
    for _ in range(2):
        stores.approvals.expire("aa11", "a2")
    assert stores.types().count("approval.expired") == 1


def test_the_approval_of_an_ended_run_is_closed(stores: Asking) -> None:
    stores.control.cancel("aa11", ORDER)
    assert stores.approvals.list() == []
    with pytest.raises(ApprovalClosed, match="cancelled"):
        stores.approvals.answer("ap1", True, YES)
