"""Which runs an order concerns, and what a verb that is none says."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead import Principal
from fairlead.core.errors import InvalidInput
from fairlead.operations import Platform, Selection, activate_release, control, control_runs
from fairlead.operations.control import select_runs
from tests.unit.operations.test_moving import ORDER, made, started


def test_described_runs_are_the_newest_of_all_states_and_no_more_than_the_bound(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    runs = started(platform, 5)
    for run in runs[::2]:
        platform.control.pause(run.id, ORDER)
    all_of_them = Selection(workflow="echo")
    newest = [run.id for run in reversed(runs)]
    assert [run.id for run in select_runs(platform, "cancel", all_of_them)] == newest
    monkeypatch.setattr(control, "SELECTED_MAX", 3)
    assert [run.id for run in select_runs(platform, "cancel", all_of_them)] == newest[:3]
    assert len(control_runs(platform, "cancel", all_of_them, ORDER)) == 3
    assert [run.state for run in map(platform.runs.get, newest)].count("cancelled") == 3


def test_a_run_that_is_named_twice_is_one(platform: Platform) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    [run] = started(platform, 1)
    twice = Selection(ids=(run.id, run.id[:-1]))
    assert [one.id for one in select_runs(platform, "cancel", twice)] == [run.id]


def test_runs_are_described_by_their_environment(platform: Platform) -> None:
    release = activate_release(platform, made(platform, "a").id, override="a try")
    # Nobody draws the release of this one.
    run = platform.admission.start(release, "echo", "hi", principal=Principal(user="eve"))
    assert run.environment == platform.settings.environment
    here = Selection(workflow="echo", environment=platform.settings.environment)
    assert [one.id for one in select_runs(platform, "cancel", here)] == [run.id]
    assert select_runs(platform, "cancel", Selection(environment="staging")) == []
    both = Selection(ids=(run.id,), environment=platform.settings.environment)
    with pytest.raises(InvalidInput, match="or environment"):
        select_runs(platform, "cancel", both)


@pytest.mark.parametrize("verb", ["move", "fork"])
def test_a_verb_with_a_function_of_its_own_names_it(platform: Platform, verb: Any) -> None:
    with pytest.raises(InvalidInput, match=f"call {verb}_runs"):
        control_runs(platform, verb, Selection(workflow="echo"), ORDER)
