"""Orders that let many runs go on as new ones, and no work be done twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead import Principal
from fairlead.core.errors import GateRefused, InvalidInput, ReasonMissing, RetriedAlready
from fairlead.core.release import Release
from fairlead.operations import (
    Order,
    Platform,
    Selection,
    activate_release,
    control_runs,
    fork_run,
    fork_runs,
    move_runs,
)
from fairlead.ports.runs import Room, RunRecord
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

ORDER = Order(by="ann", reason="a try")


def made(platform: Platform, prompt: str) -> Release:
    manifest = manifest_of(echo)
    terms = replace(manifest.workflows["echo"], prompt=prompt)
    return platform.releases.create(replace(manifest, workflows={"echo": terms}))[0]


def started(platform: Platform, count: int) -> list[RunRecord]:
    person = Principal(user="eve")
    return [platform.admission.start_routed("echo", "hi", principal=person) for _ in range(count)]


def test_described_runs_are_counted_and_forked_each_in_any_state(platform: Platform) -> None:
    release = activate_release(platform, made(platform, "a").id, override="a try")
    first, second, third = started(platform, 3)
    platform.control.cancel(first.id, ORDER)
    of_release = Selection(release=release.digest)
    would = fork_runs(platform, of_release, 1, ORDER, dry_run=True)
    assert {one.run.id for one in would} == {first.id, second.id, third.id}
    assert len(platform.runs.list(limit=10)) == 3
    done = fork_runs(platform, of_release, 1, ORDER)
    fresh = [platform.runs.get(one.also[0]) for one in done]
    assert {run.lineage for run in fresh} == {first.id, second.id, third.id}
    assert {run.release for run in fresh} == {release.digest}


def test_what_cannot_be_forked_carries_its_error_and_the_others_are_forked(
    platform: Platform,
) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    first, second = started(platform, 2)
    chosen = Selection(ids=(first.id, second.id))
    refused = fork_runs(platform, chosen, 2, ORDER)
    assert [type(one.error) for one in refused] == [InvalidInput, InvalidInput]
    assert len(platform.runs.list(limit=10)) == 2
    with pytest.raises(InvalidInput, match="no call 2"):
        fork_run(platform, first.id, 2, ORDER)
    with pytest.raises(ReasonMissing):
        fork_runs(platform, chosen, 1, Order(by="ann", reason=" "))
    with pytest.raises(InvalidInput, match="name runs by their ids, or describe them"):
        fork_runs(platform, Selection(), 1, ORDER)


def test_the_other_release_is_asked_what_a_move_asks_of_it(platform: Platform) -> None:
    first = activate_release(platform, made(platform, "a").id, override="a try")
    other = made(platform, "b")
    [run] = started(platform, 1)
    for dry_run in (True, False):
        with pytest.raises(GateRefused):
            fork_runs(platform, Selection(state="queued"), 1, ORDER, to=other.id, dry_run=dry_run)
    activate_release(platform, other.id, override="a try")
    [done] = fork_runs(platform, Selection(release=first.digest), 1, ORDER, to=other.id)
    assert (done.run.id, platform.runs.get(done.also[0]).release) == (run.id, other.digest)


def test_of_two_operators_with_the_same_order_one_retries_each_run(platform: Platform) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    runs = started(platform, 2)
    for run in runs:
        platform.control.cancel(run.id, ORDER)
    chosen = Selection(ids=tuple(run.id for run in runs))
    first = control_runs(platform, "retry", chosen, ORDER)
    assert [one.error for one in first] == [None, None]
    again = control_runs(platform, "retry", chosen, ORDER)
    for one, done in zip(again, first, strict=True):
        assert isinstance(one.error, RetriedAlready)
        assert f"run {done.run.id} was retried as run {done.also[0]}, which is queued" in str(
            one.error
        )
    assert len(platform.runs.list(limit=10)) == 4


def test_at_the_same_moment_too_only_one_retries_it(platform: Platform) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    [run] = started(platform, 1)
    platform.control.cancel(run.id, ORDER)
    late = replace(run, id="late", lineage=run.id)

    def meanwhile() -> None:
        platform.control.retry(run.id, ORDER)

    with pytest.raises(RetriedAlready):
        platform.control.control.fork(run, late, ORDER, before=1, copy=meanwhile, retry=True)
    assert len(platform.runs.list(limit=10)) == 2


def test_a_retry_that_failed_is_no_reason_and_what_came_of_it_is(platform: Platform) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    [run] = started(platform, 1)
    platform.control.cancel(run.id, ORDER)
    retry = platform.control.retry(run.id, ORDER)
    # A fork is a try of its own, and goes on in nobody's place.
    fork_run(platform, run.id, 1, ORDER)
    platform.control.cancel(retry.id, ORDER)
    second = platform.control.retry(retry.id, ORDER)
    with pytest.raises(RetriedAlready, match=f"as run {second.id}"):
        platform.control.retry(run.id, ORDER)
    platform.control.cancel(second.id, ORDER)
    third = platform.control.retry(run.id, ORDER)
    other = activate_release(platform, made(platform, "b").id, override="a try")
    [moved] = move_runs(platform, Selection(ids=(third.id,)), other.id, ORDER)
    with pytest.raises(RetriedAlready, match=f"as run {moved.also[0]}"):
        platform.control.retry(run.id, ORDER)


def test_children_of_described_runs_are_started_by_their_parents_anew(platform: Platform) -> None:
    activate_release(platform, made(platform, "a").id, override="a try")
    [parent] = started(platform, 1)
    child = replace(parent, id="child", parent_id=parent.id, parent_call=1)
    platform.runs.admit(child, room=Room())
    described = Selection(workflow="echo")
    assert [one.run.id for one in fork_runs(platform, described, 1, ORDER)] == [parent.id]
    named = fork_runs(platform, Selection(ids=(child.id,)), 1, ORDER)
    assert [one.run.id for one in named] == [child.id]
