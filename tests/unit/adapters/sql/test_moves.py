"""A run is moved on SQL: it ends here and goes on there, in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.core.calls import Done
from fairlead.core.errors import RunFinished, RunPinned
from fairlead.ports.journal import CallVerdict
from fairlead.ports.runs import RunRecord
from tests.unit.adapters.sql.test_concurrency import at_once
from tests.unit.adapters.sql.test_runs import CALL, ORDER, TIMING, Stores


@pytest.fixture
def stores(database: Database) -> Stores:
    """A run with three calls, which a worker executes."""
    made = Stores(database)
    made.admit(start_key="k", conversation="talk")
    made.claim()
    for number in (1, 2, 3):
        call = replace(CALL, number=number, effect="read")
        made.journal.finish(call, Done(value=number), TIMING, CallVerdict())
    return made


def move(stores: Stores, id: str = "bb22", check: Callable[[], None] = lambda: None) -> Any:
    """Move the run, and return what was copied."""
    copied: list[str] = []
    fresh = replace(
        stores.runs.get("aa11"), id=id, root_id="", release="other", state="queued", claims=1
    )
    stores.control.move(
        stores.runs.get("aa11"), fresh, ORDER, before=3, copy=lambda: copied.append(id), check=check
    )
    return copied


def test_a_moved_run_ends_here_and_goes_on_there(stores: Stores) -> None:
    stores.admit(id="cc33", root_id="cc33", lineage="cc33", conversation="talk")
    assert move(stores) == ["bb22"]
    old, new = stores.runs.get("aa11"), stores.runs.get("bb22")
    assert (old.state, old.worker_id, old.start_key) == ("cancelled", None, None)
    assert old.outcome["moved_to"] == "bb22"  # type: ignore[index, call-overload]
    assert "goes on as run bb22 on release other" in old.reason
    assert (new.state, new.release, new.start_key) == ("queued", "other", "k")
    # Its first place is taken by the one that ended, and the next one waits already.
    assert [stores.runs.get(one).turn for one in ("aa11", "cc33", "bb22")] == [1, 2, 3]
    assert [call.number for call in stores.journal.of_run("bb22")] == [1, 2]
    assert stores.types()[-1] == "run.cancelled"
    assert stores.types("bb22") == [
        "run.admitted",
        "call.finished",
        "call.finished",
        "run.moved",
    ]
    last = stores.events.list(chain="run:bb22")[-1]
    assert last.data == {
        "by": "ann",
        "reason": "a mistake",
        "origin": "aa11",
        "before": 3,
        "from": "d",
        "release": "other",
    }
    assert stores.events.gaps() == []


def test_its_start_key_gives_the_run_that_goes_on(stores: Stores) -> None:
    move(stores)
    again = stores.admit(id="dd44", start_key="k", conversation="talk")
    assert again.id == "bb22"


def test_what_has_ended_is_not_moved(stores: Stores) -> None:
    stores.control.cancel("aa11", ORDER)
    with pytest.raises(RunFinished):
        move(stores)
    assert [run.id for run in stores.runs.list()] == ["aa11"]


def test_a_refusal_at_the_last_moment_leaves_all_as_it_was(stores: Stores) -> None:
    before = stores.runs.get("aa11")

    def refuse() -> None:
        raise RunPinned("it has paid meanwhile", run="aa11")

    with pytest.raises(RunPinned):
        move(stores, check=refuse)
    assert stores.runs.get("aa11") == before
    assert [run.id for run in stores.runs.list()] == ["aa11"]
    assert stores.events.gaps() == []


def test_of_many_who_move_a_run_one_does(stores: Stores) -> None:
    def try_it(id: str) -> Callable[[], RunRecord | None]:
        def moving() -> RunRecord | None:
            try:
                move(stores, id)
            except RunFinished:
                return None
            return stores.runs.get(id)

        return moving

    found = at_once(*(try_it(f"m{number}") for number in range(4)))
    (fresh,) = [run for run in found if run is not None]
    assert sorted(run.id for run in stores.runs.list()) == sorted(["aa11", fresh.id])
    assert stores.runs.get("aa11").outcome["moved_to"] == fresh.id  # type: ignore[index, call-overload]
    assert stores.events.gaps() == []


def test_a_run_that_is_held_stays_held_where_it_goes(stores: Stores) -> None:
    stores.control.pause("aa11", ORDER)
    move(stores)
    assert stores.runs.get("bb22").state == "paused"
    assert stores.types("bb22")[-2:] == ["run.moved", "run.paused"]
    assert stores.control.resume("bb22", ORDER).state == "queued"
