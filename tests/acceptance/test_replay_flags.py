"""Flags in a replay: those of the release are tried with it, and nobody outside is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.operations import make_worker
from tests.acceptance.support.flags_app import write_flags_app, write_provider_app
from tests.acceptance.support.scene import Scene, scene
from tests.acceptance.test_flags import asked
from tests.acceptance.test_replay import candidate, replayed
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """The app with the flags of its release."""
    with scene(tmp_path / "app", write=write_flags_app) as made:
        yield made


@pytest.fixture(params=KINDS)
def fickle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app with a provider that says something else each time."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url, write=write_provider_app) as made,
    ):
        yield made


def played(stage: Scene) -> str:
    """Run the workflow that asks for a flag."""
    worker = make_worker(stage.platform)
    worker.start()
    try:
        run_id = stage.start("speak", "")
        assert stage.wait(run_id).state == "succeeded"
        return run_id
    finally:
        worker.stop()


def test_a_flag_of_the_release_is_evaluated_by_the_release_that_is_tried(stage: Scene) -> None:
    run_id = played(stage)
    (one,) = replayed(stage, stage.release.digest, run_id).runs
    assert (one.verdict, one.differences, one.noise) == ("same", (), "same")
    digest = candidate(stage, toml=('tone = "plain"', 'tone = "warm"'))
    (one,) = replayed(stage, digest, run_id).runs
    assert (one.verdict, one.noise) == ("diverged", "same")
    assert one.why == "tool use, call 1, is not on record with these arguments"


def test_a_provider_of_the_app_s_own_is_not_asked(fickle: Scene) -> None:
    run_id = played(fickle)
    assert asked(fickle) == 1
    (one,) = replayed(fickle, fickle.release.digest, run_id).runs
    assert (one.verdict, one.differences, one.noise) == ("same", (), "same")
    fickle.edit(
        "app.py",
        'run.flag("tone", default="none")\n    return [',
        'run.flag("mood", "none")\n    return [',
    )
    (one,) = replayed(fickle, fickle.release_again().digest, run_id).runs
    assert (one.verdict, one.after) == ("diverged", None)
    assert one.why == "flag mood is not on record, and the app's own provider is not asked"
    assert asked(fickle) == 1
