"""A word that a rollout counts for nothing: whoever says it hears so, and it is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fairlead import Principal
from fairlead.core.analysis import INVARIANTS, AnalysisTerms, MetricTerms
from fairlead.core.digests import Json
from fairlead.entrypoints.cli.tree import tree
from fairlead.operations import Platform, give_feedback, start_rollout
from tests.unit.operations.test_rollback import ALL, ORDER, activated, made, serve

WORDS = AnalysisTerms(
    metrics=(
        MetricTerms(name="success", p_max=0.5),
        MetricTerms(name="helpful", source="feedback:helpful"),
        MetricTerms(name="stars", kind="score", source="feedback:stars"),
    ),
    invariants=tuple(one for one in INVARIANTS if one != "policy_bypass"),
)


@pytest.fixture
def run_id(platform: Platform) -> str:
    """A run that has ended, in a rollout that goes on."""
    activated(platform, "a")
    candidate = made(platform, "b")
    serve(platform, candidate)
    start_rollout(platform, candidate.id, terms=replace(ALL, analysis=WORDS), override="a try")
    platform.controller.tick()
    run = platform.admission.start_routed("echo", "hi", principal=Principal(user="ann"))
    platform.control.cancel(run.id, ORDER)
    return run.id


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("outcome", "bad", ""),
        ("helpful", "good", ""),
        ("stars", 4, ""),
        ("breach:secret_leaked", "bad", ""),
        (
            "helpfull",
            "bad",
            "no metric of it counts 'helpfull'; did you mean 'helpful'? it knows: helpful, outcome,"
            " stars",
        ),
        ("helpful", 4, "its metric helpful counts good or bad, and not 4"),
        ("stars", "good", "its metric stars counts a number, and not 'good'"),
        ("breach:policy_bypass", "bad", "its analysis.invariants leave breach:policy_bypass out"),
    ],
)
def test_a_word_that_no_metric_has_is_kept_with_a_warning(
    platform: Platform, run_id: str, name: str, value: Json, said: str
) -> None:
    heard = give_feedback(platform, run_id, value, name=name, order=ORDER)
    assert (heard.new, heard.counts, heard.warning) == (True, True, said)


def test_a_rollout_that_has_ended_counts_nothing_and_so_warns_of_nothing(
    platform: Platform, run_id: str
) -> None:
    platform.rollouts.abort(ORDER, bad=False)
    platform.controller.tick()
    heard = give_feedback(platform, run_id, "bad", name="helpfull", order=ORDER)
    assert (heard.new, heard.counts, heard.warning) == (True, False, "")


def test_the_command_warns_and_succeeds_and_its_document_has_the_warning(
    platform: Platform, run_id: str
) -> None:
    def told(name: str, *more: str) -> Result:
        words = ["feedback", run_id, "bad", "--name", name, *more]
        done = CliRunner().invoke(tree, [*words, "--app", str(platform.settings.folder)])
        assert done.exit_code == 0, done.output
        return done

    done = told("helpfull")
    assert done.stdout == "noted\n"
    assert done.stderr.startswith("warning: rollout ")
    assert "did you mean 'helpful'?" in done.stderr
    assert told("helpful").stderr == ""
    document = json.loads(told("helpfull", "--json").stdout)
    assert (document["new"], document["counts"], document["run_id"]) == (True, True, run_id)
    assert "did you mean 'helpful'?" in document["warning"]
