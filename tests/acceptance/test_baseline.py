"""The platform's baseline and the trial of policies, as an operator and real workers see them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.cli import Cli, ready_app

pytestmark = pytest.mark.acceptance

QUESTION = "How many days of PTO per calendar year?"
FORBIDS = '@id("no-words") forbid (principal, action == Action::"call", resource) when { %s };\n'
SECRET = 'context.arguments has text && context.arguments.text like "*secret*"'


def write_baseline(folder: Path, version: str, *, when: str = "true", limits: str = "") -> str:
    """Write a baseline whose one rule forbids tools under a condition; return its folder."""
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    text = f'name = "acme"\nversion = "{version}"\n[guardrails]\nrequired = ["grounded"]\n'
    (folder / "baseline.toml").write_text(f"{text}[limits]\n{limits}\n")
    (folder / "policies" / "words.cedar").write_text(FORBIDS % when)
    return str(folder)


def counted(cli: Cli) -> int:
    return int(cli.json("events", "verify")["events"])


def enforce(cli: Cli, folder: str, version: str, window: str) -> None:
    assert cli.json("baseline", "publish", folder)["new"] is True
    cli("baseline", "enforce", version, "--window", window)


@pytest.mark.soak
def test_a_baseline_is_tried_on_what_is_live_and_what_was_called(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    assert cli.json("run", "answer", QUESTION)["state"] == "succeeded"
    base = write_baseline(tmp_path / "base", "1", limits="steps = 3")
    assert cli.json("baseline", "check", base)["findings"] == []
    before = counted(cli)
    (trial,) = cli.json("baseline", "try", base, status=1)
    assert trial["findings"] == [
        "workflow answer: limits.steps is 8, and the baseline allows at most 3"
    ]
    assert [(one["kind"], one["before"], one["after"]) for one in trial["changes"]] == [
        ("tool", "allow", "deny")
    ]
    assert trial["changes"][0]["rules"] == ["baseline:no-words"]
    assert (trial["calls"], trial["untried"]) == (3, 0)
    assert "tool spell_out" in cli("baseline", "try", base, status=1).stdout
    assert counted(cli) == before
    assert cli.json("baseline", "list")["baselines"] == []


@pytest.mark.soak
def test_an_app_that_asks_for_more_gets_no_release(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    bare = cli.json("release", "list")[0]["release"]
    base = write_baseline(tmp_path / "base", "1", limits="steps = 3")
    first = cli.json("baseline", "publish", base)
    assert cli.json("baseline", "publish", base) == {**first, "new": False}
    assert cli.json("release", "create")["release"] == bare
    said = cli("baseline", "enforce", "1", "--window", "1h").stdout
    assert "was made with no baseline" in said
    assert "8" in cli.refuses("FL-313", "release", "create")
    failed = cli.json("check", status=1)
    assert {one["name"]: one["conclusion"] for one in failed["checks"]}["baseline"] == "failure"
    # Within the window the old release may still be activated; after it, not even with a reason.
    cli("release", "activate", bare)
    cli("baseline", "enforce", "1", "--window", "0s")
    cli.refuses("FL-314", "release", "activate", bare, "--override", "it must")


def test_a_release_under_a_baseline_is_decided_by_both(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    bare = cli.json("release", "list")[0]["release"]
    odd = write_baseline(
        tmp_path / "odd", "1", when="context.arguments.txt == 3", limits="steps = 3"
    )
    (trial,) = cli.json("baseline", "try", odd, status=1)
    assert [found.split(":")[0] for found in trial["findings"]] == [
        "workflow answer", "rule no-words",
    ]  # fmt: skip
    lax = write_baseline(tmp_path / "base", "2", when=SECRET)
    assert "no recorded call could be tried" in cli("baseline", "try", lax).stdout
    enforce(cli, lax, "2", "0s")
    checked = cli.json("check")
    assert checked["passed"] is True
    cli("release", "activate", checked["release"])
    shown = cli.json("release", "show", checked["release"])
    assert shown["baseline"]["version"] == "2"
    paths = {one["path"] for one in cli.json("release", "diff", bare, checked["release"])}
    assert {"baseline.version", "baseline.digest"} <= paths
    denied = cli.json("run", "answer", "What is the secret?", status=1)
    assert (denied["state"], denied["code"]) == ("denied", "FL-500")
    assert "baseline:no-words" in denied["reason"]
    assert verdicts(cli, denied["run"])[0]["rules"] == ["baseline:no-words"]
    listed = cli.json("baseline", "list")
    assert [row["state"] for row in listed["baselines"]] == ["in force"]
    assert listed["active"][0]["current"] is True
    assert "like" in cli("baseline", "show", "2").stdout
    assert cli.json("events", "verify")["findings"] == []


def verdicts(cli: Cli, run: str) -> list[Any]:
    events = cli.json("events", "list", "--chain", f"run:{run}")
    return [event["data"]["policy"] for event in events if event["type"] == "call.finished"]


@pytest.mark.soak
def test_a_run_keeps_the_baseline_that_its_release_was_made_with(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    lax = write_baseline(tmp_path / "base", "1", when='context.effect == "once"')
    enforce(cli, lax, "1", "0s")
    cli("release", "activate", cli.json("check")["release"])
    queued = cli.ask()
    enforce(cli, write_baseline(tmp_path / "base", "2"), "2", "0s")
    with cli.worker():
        cli.until(queued, "succeeded")


@pytest.mark.parametrize("text", ["version = 1", None])
def test_a_folder_that_is_no_baseline(tmp_path: Path, text: str | None) -> None:
    cli = ready_app(tmp_path / "app")
    base = tmp_path / "base"
    base.mkdir()
    if text is not None:
        (base / "baseline.toml").write_text(text)
    for verb in ("check", "try", "publish"):
        cli.refuses("FL-310", "baseline", verb, str(base))
    cli.refuses("FL-311", "baseline", "enforce", "9")


@pytest.mark.soak
def test_policies_are_tried_on_recorded_and_on_live_calls(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    assert cli.json("run", "answer", QUESTION)["state"] == "succeeded"
    following = cli.folder / "policies-next"
    shutil.copytree(cli.folder / "policies", following)
    rules = following / "answer.cedar"
    rules.write_text(rules.read_text().replace('@id("abbreviations', '@ask\n@id("abbreviations'))

    before = counted(cli)
    trial = cli.json("policy", "try", str(following))
    assert [(one["name"], one["before"], one["after"]) for one in trial["changes"]] == [
        ("spell_out", "allow", "ask")
    ]
    assert cli.json("policy", "try", str(cli.folder / "policies"))["changes"] == []
    cli.refuses("FL-004", "policy", "try", str(tmp_path / "nothing"))
    assert counted(cli) == before

    config = cli.folder / "fairlead.toml"
    config.write_text(config.read_text() + '\n[policy]\nshadow = "policies-next"\n')
    assert cli.json("policy", "diffs") == []
    cli("release", "activate", cli.json("check")["release"])
    # A person would have to be asked; nobody is, because the rule is only tried.
    runs = [cli.json("run", "answer", QUESTION) for _ in range(2)]
    assert {run["state"] for run in runs} == {"succeeded"}
    assert cli.json("approvals", "list") == []
    (group,) = cli.json("policy", "diffs")
    assert (group["calls"], group["name"], group["enforced"], group["shadow"]) == (
        2, "spell_out", "allow", "ask",
    )  # fmt: skip
    assert group["rules"] == ["abbreviations-may-be-spelled-out"]
    assert "spell_out" in cli("policy", "diffs").stdout
    assert cli.json("events", "verify")["findings"] == []


def test_a_shadow_that_is_no_policy_does_not_pass_the_check(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    config = cli.folder / "fairlead.toml"
    config.write_text(config.read_text() + '\n[policy]\nshadow = "policies-next"\n')
    cli.refuses("FL-005", "check")
    (cli.folder / "policies-next").mkdir()
    (cli.folder / "policies-next" / "a.cedar").write_text("permit (")
    found = {one["name"]: one for one in cli.json("check", status=1)["checks"]}
    assert found["policy"]["conclusion"] == "failure"
    assert "policies-next/a.cedar" in found["policy"]["findings"][0]
