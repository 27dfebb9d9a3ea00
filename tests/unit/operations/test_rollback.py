"""A rollback by hand: what it is meant for, also when somebody or something was there before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import fairlead.operations.releases as module
from fairlead import Principal
from fairlead.core.analysis import AnalysisTerms, MetricTerms
from fairlead.core.errors import (
    InvalidInput,
    NoPreviousRelease,
    OtherRollout,
    RolledBackAlready,
    RouteClosed,
)
from fairlead.core.release import Release
from fairlead.core.rollout import Rollout, RolloutTerms, Step
from fairlead.operations import (
    Order,
    Platform,
    abort_rollout,
    activate_release,
    pause_rollout,
    promote_rollout,
    roll_back_release,
    roll_back_rollout,
    start_rollout,
)
from fairlead.ports.workers import WorkerRecord
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

ORDER = Order(by="ann", reason="a try")
ALL = RolloutTerms(
    steps=(Step(kind="set_weight", weight=1.0), Step(kind="analysis")),
    analysis=AnalysisTerms(metrics=(MetricTerms(name="success", p_max=0.5),)),
)


def made(platform: Platform, prompt: str) -> Release:
    manifest = manifest_of(echo)
    terms = replace(manifest.workflows["echo"], prompt=prompt)
    return platform.releases.create(replace(manifest, workflows={"echo": terms}))[0]


def serve(platform: Platform, release: Release) -> None:
    """Let a worker of the release's code live."""
    worker = WorkerRecord(
        id="w",
        code_digest=release.manifest.code_digest,
        host="h",
        pid=7,
        started_at=0.0,
        heartbeat_at=0.0,
    )
    platform.workers.start(worker, 60.0)


def activated(platform: Platform, prompt: str) -> Release:
    release = made(platform, prompt)
    return activate_release(platform, release.id, override="a try")


def active(platform: Platform) -> str:
    return platform.releases.current().id


def bad(platform: Platform) -> set[str]:
    return {release.id for release in platform.release_store.list() if release.bad}


def test_the_second_of_two_operators_takes_no_good_release_away(platform: Platform) -> None:
    _, good, harms = (activated(platform, name) for name in "abc")
    roll_back_release(platform, reason="harm")
    with pytest.raises(RolledBackAlready, match=rf"{harms.id}.*\(harm\); {good.id} is active"):
        roll_back_release(platform, reason="harm")
    assert (active(platform), bad(platform)) == (good.id, {harms.id})


def test_whoever_names_the_release_goes_back_further(platform: Platform) -> None:
    first, second, third = (activated(platform, name) for name in "abc")
    roll_back_release(platform, reason="harm", release=third.id)
    with pytest.raises(RolledBackAlready, match=f"{third.id} gets no new runs"):
        roll_back_release(platform, reason="harm", release=third.id)
    with pytest.raises(RolledBackAlready):
        roll_back_release(platform, reason="harm", release="")
    assert roll_back_release(platform, reason="too", release=second.id)[1] == first
    assert bad(platform) == {second.id, third.id}


def test_later_it_is_another_rollback(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = (activated(platform, name) for name in "abc")
    roll_back_release(platform, reason="harm")
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)
    assert roll_back_release(platform, reason="harm")[1] == first


def test_a_new_release_behind_a_rollback_is_rolled_back_at_once(platform: Platform) -> None:
    good, _ = (activated(platform, name) for name in "ab")
    roll_back_release(platform, reason="harm")
    harms = activated(platform, "c")
    assert roll_back_release(platform, reason="harm") == (harms.digest, good)


def test_it_is_no_second_rollback_of_what_evidence_rolled_back(platform: Platform) -> None:
    _, good = (activated(platform, name) for name in "ab")
    candidate = made(platform, "c")
    start_rollout(platform, candidate.id, override="a try")
    platform.rollouts.abort(Order(by="evidence", reason="it harms"), bad=True)
    platform.controller.carry_on(platform.rollout_store.list("default")[0].id)
    assert platform.rollout_store.open("default") is None
    with pytest.raises(RolledBackAlready, match=f"{candidate.id} was rolled back"):
        roll_back_release(platform, reason="harm")
    assert (active(platform), bad(platform)) == (good.id, {candidate.id})


def test_what_is_aborted_for_days_does_not_stand_before_what_harms(platform: Platform) -> None:
    good, candidate = activated(platform, "a"), made(platform, "b")
    serve(platform, candidate)
    begun = start_rollout(platform, candidate.id, terms=ALL, override="a try")
    platform.controller.carry_on(begun.id)
    run = platform.admission.start_routed("echo", "hi", principal=Principal(user="ann"))
    assert run.release == candidate.digest
    assert abort_rollout(platform, ORDER).phase == "aborting"
    # Its run has not ended. As long as nothing came behind it, it is the one that is meant.
    assert roll_back_release(platform, reason="harm") == (candidate.digest, good)
    harms = activated(platform, "c")
    assert roll_back_release(platform, reason="harm") == (harms.digest, good)
    assert (active(platform), bad(platform)) == (good.id, {candidate.id, harms.id})


def test_an_order_for_a_rollout_that_goes_on_no_more_hits_no_other_one(platform: Platform) -> None:
    activated(platform, "a")
    first = start_rollout(platform, made(platform, "b").id, override="a try")
    abort_rollout(platform, ORDER, rollout_id=first.id)
    verbs = (
        lambda name: abort_rollout(platform, ORDER, rollout_id=name),
        lambda name: pause_rollout(platform, ORDER, rollout_id=name),
        lambda name: promote_rollout(platform, ORDER, override=True, rollout_id=name),
        lambda name: roll_back_rollout(platform, ORDER, rollout_id=name),
        lambda name: roll_back_release(platform, reason="harm", rollout_id=name),
    )
    for verb in verbs:
        with pytest.raises(OtherRollout, match=f"{first.id}.* does not go on"):
            verb(first.id)
    second = start_rollout(platform, made(platform, "c").id, override="a try")
    for verb in verbs:
        for name in (first.id, ""):
            with pytest.raises(OtherRollout, match=f"rollout {second.id} of release .* does"):
                verb(name)
    assert platform.rollouts.current() == second
    assert pause_rollout(platform, ORDER, rollout_id=second.id[:-1]).phase == "paused"
    with pytest.raises(InvalidInput, match="and not both"):
        roll_back_release(platform, reason="x", release=second.candidate, rollout_id=second.id)
    gone, _ = roll_back_release(platform, reason="harm", rollout_id=second.id)
    assert (gone, platform.rollout_store.get(first.id).bad) == (second.candidate, False)


def test_a_rollback_does_not_hit_what_began_while_it_looked(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    activated(platform, "a")
    first = start_rollout(platform, made(platform, "b").id, override="a try")
    act = module.roll_back_rollout

    def late(*given: Any, **more: Any) -> Rollout:
        abort_rollout(platform, ORDER)
        start_rollout(platform, made(platform, "c").id, override="a try")
        return act(*given, **more)

    monkeypatch.setattr(module, "roll_back_rollout", late)
    with pytest.raises(OtherRollout, match=first.id):
        roll_back_release(platform, reason="harm")
    assert bad(platform) == set()


def test_a_release_that_came_between_look_and_move_is_not_marked(platform: Platform) -> None:
    first, second = (activated(platform, name) for name in "ab")
    store, history = platform.release_store, platform.release_store.history
    looks: list[Callable[[], object]] = [lambda: activated(platform, "c"), lambda: None]

    class Raced:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def history(self, environment: str) -> object:
            seen = history(environment)
            looks.pop(0)()
            return seen

    releases = replace(platform.releases, store=Raced())  # type: ignore[arg-type]
    with pytest.raises(RouteClosed, match="in place of"):
        releases.rollback(by="ann", reason="harm")
    assert bad(platform) == set()
    assert active(platform) not in (first.id, second.id)


def test_in_the_wrong_environment_it_names_the_right_one(platform: Platform) -> None:
    activated(platform, "a")
    releases = replace(platform.releases, environment="prod")
    with pytest.raises(NoPreviousRelease, match="'prod'; environments that have one: default"):
        releases.rollback(by="ann", reason="harm")


def test_with_nothing_before_it_is_said_how_to_stop_it(platform: Platform) -> None:
    activated(platform, "a")
    with pytest.raises(NoPreviousRelease) as caught:
        roll_back_release(platform, reason="harm")
    assert "fairlead kill release" in caught.value.hint
