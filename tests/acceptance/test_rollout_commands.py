"""The commands of rollouts as a person types them, with what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app

pytestmark = pytest.mark.acceptance

PLAN = """\
steps:
  - setWeight: 25
  - pause: {}
  - analysis: {min_runs: 5}
observe_s: 600
analysis:
  metrics: [{name: success, p_max: 0.2}]
"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """An app with an active release, and a second one that passed its gate."""
    made = ready_app(tmp_path / "handbook")
    toml = made.folder / "fairlead.toml"
    toml.write_text(toml.read_text().replace("top_k = 5", "top_k = 4"))
    made("check")
    return made


def candidate(cli: Cli) -> str:
    return str(cli.json("release", "list")[0]["release"])


def test_each_order_of_delivery_says_for_which_environment_it_is(cli: Cli) -> None:
    release, there = candidate(cli), ("--env", "staging")
    before = str(cli.json("release", "list")[1]["release"])
    said = cli("release", "activate", before, *there).stdout
    assert "is active in staging" in said
    begun = cli("rollout", "start", release, *there).stdout
    assert "began in staging" in begun
    assert "Next: fairlead rollout status --watch --env staging" in begun
    [rollout] = cli.json("rollout", "list", *there)
    assert (rollout["environment"], cli.json("rollout", "list")) == ("staging", [])
    assert "rollout promote --env staging" in cli("rollout", "pause", *there).stdout
    assert cli.json("rollout", "status", *there)["rollout"]["phase"] == "paused"
    cli("rollout", "promote", *there)
    for verb in ("status", "pause", "promote", "abort"):
        cli.refuses("FL-931", "rollout", verb)
    cli("rollout", "abort", rollout["id"], *there)
    cli.refuses("FL-978", "rollout", "abort", rollout["id"], *there)
    cli("release", "activate", release, *there)
    standing = {one["release"]: one["state"] for one in cli.json("release", "list", *there)}
    assert standing[release] == "current"
    said = cli("rollback", *there, "--reason", "harm").stdout
    assert f"release {before[:12]} is active again in staging" in said
    assert [one["active"] for one in cli.json("release", "list")] == [False, True]


def test_runs_are_told_apart_by_their_environment(cli: Cli) -> None:
    staging = cli.with_environment(FAIRLEAD_ENVIRONMENT="staging")
    release = candidate(cli)
    staging("release", "activate", release)
    here, there = cli.ask(), staging.ask()
    [listed] = cli.json("runs", "list", "--env", "staging")
    assert (listed["id"], listed["environment"]) == (there, "staging")
    assert "environment staging  user " in cli("runs", "show", there).stdout
    standing = cli.json("release", "list", "--env", "staging")
    assert {one["release"]: one["in_flight"] for one in standing}[release] == 1
    said = cli("runs", "cancel", "--env", "staging", "--reason", "not there").stdout
    assert (there in said, here in said) == (True, False)


def test_a_rollout_is_started_drawn_held_and_given_up(cli: Cli) -> None:
    release = candidate(cli)
    plan = cli.folder / "rollout.yaml"
    plan.write_text(PLAN)
    started = cli("rollout", "start", release).stdout
    assert "began in default" in started
    assert "Next: fairlead rollout status --watch" in started
    drawn = cli("rollout", "status").stdout
    for said in (
        f"Release {release[:12]} beside ",
        "set weight to 25 % waits for a worker of its code",
        "pause until promoted",
        "New runs",
        "that it harms",
        "1.0:1 of 20",
        "there is no traffic",
    ):
        assert said in " ".join(drawn.split()), said
    assert all(len(line) <= 100 for line in drawn.splitlines())
    status = cli.json("rollout", "status")
    assert (status["rollout"]["phase"], status["rollout"]["weight"]) == ("progressing", 0.0)
    assert (status["verdict"]["status"], status["canary_runs"]) == ("Running", 0)
    with cli.worker():
        wait = ("rollout", "status", "--watch", "--every", "0.2")
        watching = cli.start(*wait)
        for _ in range(100):
            if cli.json("rollout", "status")["rollout"]["waits"] == "step":
                break
        assert cli.json("rollout", "status")["rollout"]["weight"] == 0.25
        assert "25% of new runs" in cli("rollout", "promote").stdout
        cli.refuses("FL-935", "rollout", "promote")
        assert "paused" in cli("rollout", "pause", "--reason", "lunch").stdout
        assert "lunch" in cli("rollout", "status").stdout
        said = cli("rollback", "--reason", "answers are short").stdout
        assert f"{release[:12]} is marked bad" in said
        watching.wait(30)
        page = watching.communicate()[0]
        assert "rolled back" in page
        assert watching.returncode == 1
    cli.refuses("FL-931", "rollout", "pause")
    cli.refuses("FL-302", "rollout", "start", release)
    ended = cli("rollout", "status", status=1).stdout
    for said in ("rolled back", "answers are short", "New runs  safe", "In flight safe"):
        assert said in ended, said
    [row] = cli.json("rollout", "list")
    assert (row["phase"], row["bad"]) == ("rolled_back", True)
    listed = cli("release", "list").stdout
    assert "bad" in listed and "current" in listed
    assert "none was changed" in cli("events", "verify").stdout


def test_a_file_that_could_prove_nothing_starts_nothing(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    for text, said in (
        (PLAN.replace("setWeight: 25", "setWeight: 125"), "from 0 to 100 percent"),
        (PLAN.replace("  - analysis: {min_runs: 5}\n", ""), "no step is an analysis"),
        (PLAN.replace("name: success,", "name: success, source: guess,"), "unknown source 'guess'"),
        ("steps: [", "not understood"),
    ):
        plan.write_text(text)
        error = cli.refuses("FL-934", "rollout", "start", candidate(cli), "--plan", str(plan))
        assert said in error, error
    cli.refuses("FL-934", "rollout", "start", candidate(cli), "--plan", str(tmp_path / "none"))
    cli.refuses("FL-931", "rollout", "status")
    active = cli.json("release", "list")[1]["release"]
    cli.refuses("FL-938", "rollout", "start", active)


def test_feedback_is_good_bad_or_a_number(cli: Cli) -> None:
    done = cli.json("run", "answer", "How many days of PTO?")["run"]
    unheard = f"noted; run {done} is in no rollout, so none counts it\n"
    assert cli("feedback", done, "bad", "--reason", "too short", "--id", "t1").stdout == unheard
    assert "said before" in cli("feedback", done, "bad", "--id", "t1").stdout
    assert cli("feedback", done, "4.5", "--name", "stars").stdout == unheard
    cli.refuses("FL-937", "feedback", done, "fine")
    cli.refuses("FL-937", "feedback", done, "nan")
    cli.refuses("FL-937", "feedback", cli.ask(), "good")
    # What nothing would count is no "noted".
    for value, name in (
        ("4.5", "outcome"),
        ("bad", "breach:typo"),
        ("good", "breach:secret_leaked"),
    ):
        cli.refuses("FL-937", "feedback", done, value, "--name", name)
    other = cli.json("run", "answer", "How many days of PTO?")["run"]
    assert f"run {done}" in cli.refuses("FL-937", "feedback", other, "bad", "--id", "t1")
    cli.refuses("FL-400", "feedback", "nobody", "good")
    given = [one for one in cli.json("events", "list") if one["type"] == "feedback.given"]
    assert [one["data"]["value"] for one in given] == ["bad", 4.5]


def test_runs_that_wait_are_moved_in_bulk_with_a_count_before(cli: Cli) -> None:
    runs = [cli.ask() for _ in range(3)]
    active, release = cli.json("release", "list")[1]["release"], candidate(cli)
    chosen = ("--release", active, "--to", release, "--reason", "a better one")
    dry = cli("runs", "move", *chosen, "--dry-run").stdout
    assert "would move 3 runs; nothing was done" in dry
    moved = cli("runs", "move", *chosen).stdout
    assert all(f"run {one} goes on as run " in moved for one in runs)
    # Those that are there by now are no part of what would be moved.
    by_workflow = ("--workflow", "answer", *chosen[2:])
    assert "would move 0 runs" in cli("runs", "move", *by_workflow, "--dry-run").stdout
    none = cli("runs", "move", *by_workflow).stdout
    assert none == "there is no such run to move; nothing was done\n"
    queued = [one for one in cli.json("runs", "list") if one["state"] == "queued"]
    assert {one["release"] for one in queued} == {release}
    assert len(queued) == 3
    with cli.worker():
        for one in queued:
            cli.until(one["id"], "succeeded")
