"""Who asks is on record with the run, as its admission found it, and so with its forks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.ports.runs import Order, Room
from tests.unit.adapters.sql.test_approvals import Asking
from tests.unit.adapters.sql.test_runs import BACKLOG, ORDER, RUN, Stores

ADA = Principal(
    user="ada",
    tenant="acme",
    roles=("operator",),
    scopes=("refunds:write",),
    issuer="https://id.example",
)
ROOM = Room(backlog=BACKLOG)
MINE = replace(RUN, principal=ADA)


@pytest.fixture
def stores(database: Database) -> Stores:
    made = Stores(database)
    made.runs.admit(MINE, room=ROOM)
    return made


def change(stores: Stores, grants: str | None) -> None:
    with stores.database.transaction() as connection:
        connection.execute(sa.text("UPDATE runs SET grants = :grants"), {"grants": grants})


def test_a_run_keeps_who_asked(stores: Stores) -> None:
    assert stores.runs.get("aa11").principal == ADA
    assert stores.runs.list()[0].principal == ADA
    event = stores.events.list(chain="run:aa11")[0]
    assert (event.data["user"], event.data["tenant"]) == ("ada", "acme")
    assert event.data["grants"] == (
        '{"issuer":"https://id.example","roles":["operator"],"scopes":["refunds:write"]}'
    )


def test_no_grants_are_not_the_same_as_none_at_all(stores: Stores) -> None:
    for id, scopes in (("b1", ()), ("b2", None)):
        principal = replace(ADA, scopes=scopes)
        stores.runs.admit(replace(MINE, id=id, principal=principal), room=ROOM)
        assert stores.runs.get(id).principal.scopes == scopes


def test_a_run_of_before_there_were_grants_reads_as_the_default(stores: Stores) -> None:
    change(stores, None)
    assert stores.runs.get("aa11").principal == Principal(user="ada", tenant="acme")


def test_a_run_without_a_token_has_no_grants_in_its_event(database: Database) -> None:
    stores = Stores(database)
    stores.runs.admit(RUN, room=ROOM)
    assert "grants" not in stores.events.list(chain="run:aa11")[0].data
    assert stores.events.gaps() == []


def test_a_fork_acts_for_whoever_asked(stores: Stores) -> None:
    fork = replace(stores.runs.get("aa11"), id="ff11", lineage="aa11")
    order = Order(by="carol", reason="again", roles=("operator",))
    stores.control.fork(MINE, fork, order, before=1, copy=lambda: None)
    assert stores.runs.get("ff11").principal == ADA
    forked = stores.events.list(chain="run:ff11")[-1].data
    assert (forked["by"], forked["roles"]) == ("carol", ["operator"])


@pytest.mark.parametrize(
    "grants", [None, '{"issuer":"https://id.example","roles":["admin"],"scopes":null}']
)
def test_a_role_that_was_written_in_later_is_found(stores: Stores, grants: str | None) -> None:
    assert stores.events.gaps() == []
    change(stores, grants)
    assert list(stores.events.gaps()) == ["run aa11 is not on record as it was admitted"]


def test_runs_of_one_tenant_are_listed(stores: Stores) -> None:
    stores.runs.admit(replace(RUN, id="b1", principal=Principal(tenant="globex")), room=ROOM)
    assert [run.id for run in stores.runs.list(tenant="acme")] == ["aa11"]
    assert [run.id for run in stores.runs.list(tenant="globex")] == ["b1"]
    assert len(stores.runs.list()) == 2


def test_an_answer_says_with_which_roles_it_was_given(database: Database) -> None:
    stores = Asking(database)
    assert stores.approvals.get("ap").state == "pending"
    assert stores.approvals.list(tenant="globex") == []
    order = Order(by="ada", reason="fine", roles=("approver",))
    assert stores.approvals.answer("ap1", True, order).roles == ("approver",)
    assert stores.approvals.list(state="approved", tenant="acme")[0].roles == ("approver",)
    said = stores.events.list(chain="run:aa11")[-1].data
    assert (said["by"], said["roles"]) == ("ada", ["approver"])


def test_an_order_without_a_token_says_no_roles() -> None:
    assert ORDER.fact() == {"by": "ann", "reason": "a mistake"}
