"""Environments with rules, from outside: gates run on a real app, people approve with tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app
from tests.acceptance.test_identity import bearing, token_of

pytestmark = pytest.mark.acceptance

RULES = """
tier = "production"
gates = ["check", "approval"]
[evidence_s]
check = 86400
"""
FREEZE = """
[[freeze]]
weekly = "mon 00:00 - sun 24:00"
zone = "Europe/Vienna"
reason = "a fair"
"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return ready_app(tmp_path / "handbook")


def with_rules(cli: Cli, text: str) -> Cli:
    path = cli.folder.parent / "rules.toml"
    path.write_text(text)
    cli("environment", "set", "production", str(path), "--reason", "we go live")
    return cli.with_environment(FAIRLEAD_ENVIRONMENT="production")


def changed(cli: Cli, before: str = "top_k = 5", after: str = "top_k = 4") -> None:
    """Change what a release of the folder holds."""
    file = cli.folder / "fairlead.toml"
    file.write_text(file.read_text().replace(before, after))


def test_a_release_goes_to_production_by_its_gates_and_two_people(cli: Cli) -> None:
    ann = token_of(cli, "ann", "--role", "operator")
    bob = token_of(cli, "bob", "--role", "approver")
    production = with_rules(cli, RULES)
    changed(cli)
    maker, approver = bearing(production, ann), bearing(production, bob)
    release = maker.json("release", "create")["release"]
    said = production.refuses("FL-302", "release", "activate", release)
    assert "check: it has not been checked; approval: " in said

    # What CI does; then what a deploy asks, here and from another environment.
    report = maker.json("gate", "run", release, status=1)
    assert {one["name"]: one["conclusion"] for one in report["gates"]} == {
        "check": "success", "approval": "action_required",
    }  # fmt: skip
    assert len(report["evidence"][0]["checks"]) == 10
    maker.refuses("FL-538", "gate", "approve", release, "--reason", "mine")
    approver("gate", "approve", release, "--reason", "it reads well")
    shown = maker("gate", "show", release).stdout
    assert "may go to production" in shown
    assert "bob" in shown
    maker("release", "activate", release)
    [_, approval] = maker.json("release", "show", release)["gates"][::-1]
    assert (approval["gate"], approval["environment"], approval["by"]) == (
        "approval", "production", "bob",
    )  # fmt: skip
    assert "approval" in maker("release", "show", release).stdout
    # Of one environment: what holds there, and what holds everywhere.
    there, elsewhere = (
        maker.json("release", "show", release, "--env", name) for name in ("production", "staging")
    )
    assert {one["environment"] for one in there["gates"]} == {"", "production"}
    assert [one["gate"] for one in elsewhere["gates"]] == ["check"]
    assert (there["state"], elsewhere["state"]) == ("current", "inactive")
    assert elsewhere["rollback"]["environment"] == "staging"
    cli("events", "verify")


def test_a_release_whose_files_are_elsewhere_is_judged_by_its_evidence(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check"]')
    checked = production.json("check")["release"]
    changed(cli)
    unchecked = production.json("release", "create")["release"]
    # The folder holds the second one, so the first cannot be looked at; its evidence stands.
    report = production.json("gate", "run", checked)
    assert [one["conclusion"] for one in report["gates"]] == ["success"]
    production("gate", "run", unchecked)
    file = cli.folder / "fairlead.toml"
    file.write_text(file.read_text().replace("top_k = 4", "top_k = 3"))
    third = production.json("release", "create")["release"]
    file.write_text("[app\n")
    production.refuses("FL-005", "gate", "run", third)
    file.write_text('[app]\nmodule = "nowhere.py:app"\n')
    [gate] = production.json("gate", "run", third, status=1)["gates"]
    assert gate["conclusion"] == "skipped"
    assert production.json("gate", "run", checked)["passed"] is True


def test_a_freeze_stops_releases_and_no_rollback(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check"]')
    first = production.json("check")["release"]
    production("release", "activate", first)
    changed(cli)
    second = production.json("check")["release"]
    production("release", "activate", second)
    with_rules(cli, 'gates = ["check"]' + FREEZE)
    assert "a fair" in production.refuses("FL-940", "release", "activate", first)
    assert "a fair" in production.refuses("FL-940", "rollout", "start", first)
    assert "a fair" in production("gate", "show", first, status=1).stdout
    production("rollback", "--reason", "it is worse")
    again = production.json("release", "list")
    assert [one["id"] for one in again if one["active"]] == [first[:12]]
    production("release", "activate", second, "--override", "the shop is down")
    shown = production("environment", "show").stdout
    assert "frozen mon 00:00 - sun 24:00 Europe/Vienna: a fair" in shown
    assert "production" in production("environment", "list").stdout


def test_what_is_not_understood_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("tier = 'prod'")
    cli.refuses("FL-941", "environment", "set", "production", str(path), "--reason", "r")
    cli.refuses("FL-941", "environment", "set", "production", str(tmp_path), "--reason", "r")
    path.write_text("")
    assert "needs a reason" in cli("environment", "set", "p", str(path), status=2).stderr
    release = cli.json("release", "list")[0]["release"]
    cli.refuses("FL-942", "gate", "run", release, "--gate", "luck")
    cli.refuses("FL-300", "gate", "show", "nothing")
    assert cli.json("environment", "list") == []
    assert "it has no rules of its own" in cli("environment", "show").stdout


def test_the_gate_replay_executes_recorded_runs_on_the_release(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check", "replay"]')
    for question in ("How many days of paid leave does every employee get?",) * 2:
        cli("run", "answer", question)
    changed(cli)
    release = production.json("check")["release"]
    assert "replay: there is no evidence" in production.refuses(
        "FL-302", "release", "activate", release
    )
    report = production.json("gate", "run", release, "--gate", "replay", status=1)
    found = {one["name"]: one for one in report["gates"]}
    # Two pairs show nothing yet, and what shows nothing does not pass.
    assert (found["check"]["conclusion"], found["replay"]["conclusion"]) == ("success", "neutral")
    assert sum(found["replay"]["figures"]["verdicts"].values()) == 2
    [kept] = [one for one in report["evidence"] if one["gate"] == "replay"]
    assert (kept["environment"], kept["conclusion"]) == ("production", "neutral")
    assert "replay: " in production.refuses("FL-302", "release", "activate", release)


def test_the_gate_rollback_drill_is_the_drill_of_that_environment(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check", "rollback_drill"]')
    first = production.json("check")["release"]
    [_, missing] = production.json("gate", "run", first, status=1)["gates"]
    assert (missing["name"], missing["conclusion"]) == ("rollback_drill", "neutral")
    production("release", "activate", first, "--override", "the first release")
    changed(cli)
    second = production.json("check")["release"]
    production("gate", "run", second, "--gate", "rollback_drill")
    changed(cli, "top_k = 4", "top_k = 3")
    third = production.json("check")["release"]
    production("release", "activate", third, "--override", "it cannot wait")
    # A rollback would go to another release by now, and nobody has tried that.
    assert "its drill went back to" in production.refuses("FL-302", "release", "activate", second)
    production("gate", "run", second, "--gate", "rollback_drill")
    production("release", "activate", second)


def test_a_gate_that_hangs_is_ended_from_outside(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check"]')
    passed = production.json("check")["release"]
    path = cli.folder / "app.py"
    path.write_text(path.read_text() + "\nimport re\nre.fullmatch('(a|a)*b', 'a' * 60)\n")
    [found] = production.json("gate", "run", passed, "--timeout", "5", status=1)["gates"]
    assert (found["name"], found["conclusion"]) == ("check", "timed_out")
    last = "it took longer than 5 s, and was ended; the last that it did: the app was read"
    assert found["summary"].startswith(last)
    # So is `fairlead check`, which has no release to say it of.
    said = production("check", "--timeout", "5", status=2).stderr
    assert "FL-914" in said and last in " ".join(said.split())
    # What took too long shows nothing, also of a release that passed before.
    assert "check: " in production.refuses("FL-302", "release", "activate", passed)


def test_a_gate_whose_process_ends_without_a_word_shows_nothing(cli: Cli) -> None:
    production = with_rules(cli, 'gates = ["check"]')
    passed = production.json("check")["release"]
    path = cli.folder / "app.py"
    path.write_text(path.read_text() + "\nimport os\nos._exit(3)\n")
    [found] = production.json("gate", "run", passed, status=1)["gates"]
    assert found["conclusion"] == "neutral"
    assert found["findings"] == ["FL-943: the process of gate check ended with status 3"]
    production.refuses("FL-943", "check")
