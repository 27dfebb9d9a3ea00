"""`fairlead replay`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli
from tests.acceptance.support.replay_app import lines, write_replay_app

pytestmark = pytest.mark.acceptance


def test_replay_says_what_it_shows_and_ends_with_it(tmp_path: Path) -> None:
    folder = write_replay_app(tmp_path / "app")
    cli = Cli(folder)
    first = cli.json("release", "create")["release"]
    cli("release", "activate", first, "--override", "a test")
    empty = cli("replay", first[:12], status=3)
    assert "there is no recorded run to replay" in empty.stdout
    for number in range(8):
        cli("run", "reply", f"an angry letter {number}")
    said = cli("replay", first[:12], status=3).stdout
    assert "? inconclusive  release" in said
    assert "0 of 8 runs passed before and not with the candidate; 74 more that agree" in said
    prompt = folder / "prompts" / "reply.md"
    prompt.write_text("Reply in a rude way.\n")
    second = cli.json("release", "create")["release"]
    written = lines(folder)
    worse = cli("replay", second[:12], status=1).stdout
    assert "✗ failure  release" in worse and "8 harmed" in worse
    assert "outcome: succeeded > denied" in worse
    assert lines(folder) == [*written, *["model"] * 8]
    report = cli.json("replay", second[:12], "--model", "recorded", "--runs", "2", status=3)
    assert report["verdicts"] == {"same": 0, "changed": 0, "diverged": 2}
    assert report["noise"]["same"] == 2
    (event,) = [e for e in cli.json("events", "list") if e["type"] == "replay.finished"][-1:]
    assert event["data"]["evidence"] == report["evidence"]


def test_replay_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    cli = Cli(write_replay_app(tmp_path / "app"))
    digest = cli.json("release", "create")["release"]
    for given, code in (
        (("--tool", "pay=live"), "FL-911"),
        (("--tool", "pay=maybe"), "FL-912"),
        (("--tool", "pay=stub:{"), "FL-912"),
        (("--on-miss", "guess"), "FL-912"),
        (("--on-miss", "ask"), "FL-912"),
        (("--model", "guess"), "FL-912"),
    ):
        assert code in cli("replay", digest, *given, status=2).stderr
    assert "FL-300" in cli("replay", "ffff", status=2).stderr
    assert "FL-4" in cli("replay", digest, "nobody", status=2).stderr


def test_a_candidate_of_other_code_is_replayed_from_its_archive(tmp_path: Path) -> None:
    folder = write_replay_app(tmp_path / "app")
    app, cli = folder / "app.py", Cli(folder)
    first = cli.json("release", "create")["release"]
    cli("release", "activate", first, "--override", "a test")
    for _ in range(2):
        cli("run", "charged", "A-1 please")
    written, before = lines(folder), app.read_text()
    assert written == ["charge"], "the second run found the effect of the first"
    app.write_text(before.replace("    return said\n", "    return said.upper()\n"))
    second = cli.json("release", "create")["release"]
    app.write_text(before)
    said = cli.json("replay", second, status=3)
    assert said["verdicts"] == {"same": 0, "changed": 2, "diverged": 0}
    assert {one["noise"] for one in said["runs"]} == {None}
    cli_gate = Cli(folder, FAIRLEAD_ENVIRONMENT="production")
    rules = tmp_path / "rules.toml"
    rules.write_text('gates = ["replay"]\n')
    cli("environment", "set", "production", str(rules), "--reason", "a test")
    [gate] = cli_gate.json("gate", "run", second, status=1)["gates"]
    assert (gate["conclusion"], gate["figures"]["verdicts"]) == ("neutral", said["verdicts"])
    # Nothing was executed: neither beside the app, nor where the archive's code is.
    assert lines(folder) == written
    assert list(folder.rglob("book.txt")) == [folder / "book.txt"]
