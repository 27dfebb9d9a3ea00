"""`fairlead memory` as an operator types it: at the widths of a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from fairlead.bootstrap.embedding import Embedders
from fairlead.entrypoints.cli import ending
from fairlead.entrypoints.cli.tree import tree
from fairlead.testing import HashEmbedder

Say = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command on an app of its own; returns what stdout and stderr say."""
    (tmp_path / "fairlead.toml").write_text('[app]\nname = "shop"\n')
    monkeypatch.setenv("FAIRLEAD_APP", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")

    def typed(*arguments: str, columns: int = 0, status: int = 0) -> str:
        monkeypatch.setenv("COLUMNS", str(columns or ""))
        capsys.readouterr()
        with ending.ended() as end:
            tree(args=list(arguments), prog_name="fairlead")
        said = capsys.readouterr()
        assert end.status == status, said
        return said.out + said.err

    return typed


def asked(say: Say, *arguments: str, **options: Any) -> Any:
    return json.loads(say("memory", *arguments, "--json", **options))


HOSTILE = "\x85call [red]me[/red] by phone \u202e" + "and again " * 50


@pytest.fixture
def imported(tmp_path: Path) -> str:
    file = tmp_path / "crm.jsonl"
    rows = [{"text": HOSTILE, "subject": "customer:1", "predicate": "contact"}]
    rows += [{"text": f"phone number {n}", "subject": f"customer:{n}"} for n in range(30)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(file)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_search_fits_the_screen_and_shows_nothing_that_a_terminal_obeys(
    say: Say, imported: str, columns: int
) -> None:
    say("memory", "add", "--file", imported)
    say("memory", "add", "Ada is called by phone", "--subject", "customer:2")
    for command in (["search", "call by phone"], ["history", "customer:1"], ["stats"]):
        lines = say("memory", *command, columns=columns).splitlines()
        assert max(map(cell_len, lines)) <= columns, command
        assert not set("".join(lines)) & {"\x85", "\u202e", "\x1b"}
    head, first, facts, text = say("memory", "search", "Ada phone", "--top-k", "1").splitlines()
    assert head.split() == ["score", "state", "id", "about"]
    assert "active" in first
    assert "customer:2" in first
    assert "semantic, from user:" in facts
    assert text.strip() == "Ada is called by phone"
    found = say("memory", "search", "call me again", "--subject", "customer:1")
    assert "quarantined" in found
    assert "quoted: \ufffdcall [red]me[/red] by phone" in found


def test_an_item_is_shown_and_corrected(say: Say) -> None:
    added = asked(say, "add", "tea", "--subject", "c:1", "--predicate", "drink")
    changed = asked(say, "supersede", added["id"], "coffee")
    assert changed["superseded"] == added["id"]
    shown = say("memory", "show", added["id"])
    assert all(word in shown for word in ("superseded", "c:1 drink", "trusted", "coffee"))
    assert [one["text"] for one in asked(say, "history", "c:1")] == ["tea", "coffee"]
    assert asked(say, "show", added["id"])["state"] == "superseded"
    assert "FL-801" in say("memory", "show", "m-none", status=2)


def test_a_poisoned_source_is_looked_at_and_taken_back(say: Say, imported: str) -> None:
    assert asked(say, "add", "--file", imported)["quarantined"] == 31
    stats = say("memory", "stats")
    assert "31 of 31 items from import:crm.jsonl are quarantined" in stats
    assert "`fairlead memory retract --source import:crm.jsonl --dry-run`" in stats
    source = ("--source", "import:crm.jsonl")
    assert "would retract 31 of 31 items" in say("memory", "retract", *source, "--dry-run")
    assert "say why" in say("memory", "retract", *source, status=2)
    done = asked(say, "retract", *source, "--reason", "junk")
    assert (done["changed"], len(done["reach"]["items"])) == (31, 31)
    assert asked(say, "search", "phone")["items"] == []
    assert len(asked(say, "search", "phone", "--all-states", "--top-k", "50")["items"]) == 31


def test_items_are_promoted_quarantined_and_forgotten(say: Say, imported: str) -> None:
    say("memory", "add", "--file", imported)
    id = asked(say, "search", "number 7", "--top-k", "1")["items"][0]["item"]["id"]
    assert "promoted: 1 of 1 items" in say("memory", "promote", id, "--reason", "checked")
    assert "promoted: 0 of 1 items" in say("memory", "promote", id, "--reason", "checked")
    assert asked(say, "quarantine", id, "--reason", "doubt")["changed"] == [id]
    assert asked(say, "forget", id, "--reason", "asked for")["changed"] == [id]


def test_an_export_is_written_and_never_over_another_file(say: Say, tmp_path: Path) -> None:
    say("memory", "add", "tea")
    file = str(tmp_path / "out.jsonl")
    assert "1 item is in" in say("memory", "export", file)
    assert "FL-821" in say("memory", "export", file, status=2)
    assert asked(say, "export", file, "--force")["items"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x", "--as-of", "yesterday"],
        ["search", "x", "--kind", "secret"],
        ["add"],
        ["add", "x", "--file", "y"],
        ["add", "x", "--trusted"],
        ["add", "x", "--kind", "working"],
        ["add", " "],
        ["add", "x", "--valid-from", "9999-12-31T23:59:59-12:00"],
        ["quarantine", "--reason", "x"],
        ["retract", "--dry-run"],
    ],
)
def test_what_makes_no_sense_is_refused(say: Say, arguments: list[str]) -> None:
    assert say("memory", *arguments, status=2)
    assert asked(say, "stats")["items"] == {}


@pytest.mark.parametrize("at", ["0001-01-01", "9999-12-31T23:59:59"])
def test_times_may_be_as_far_away_as_there_are_years(say: Say, at: str) -> None:
    say("memory", "add", "tea", "--subject", "c", "--valid-from", at)
    assert at[:4] in say("memory", "history", "c")
    assert asked(say, "search", "tea", "--as-of", at, "--valid-at", at)["items"] is not None


def test_memory_is_embedded_anew(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    say("memory", "add", "Ada likes tea")
    assert "FL-859" in say("memory", "embed", status=2)
    say("memory", "add", "Ada likes coffee")
    monkeypatch.setattr(Embedders, "get", lambda *_: HashEmbedder())
    lines = say("memory", "embed", "--most", "1").splitlines()
    assert lines == [
        "1 embedded",
        "1 item has a vector of hash-64 now, in tenant default",
        "There are more. Next: the same again",
    ]
    done = asked(say, "embed")
    assert done == {"tenant": "default", "embedder": "hash-64", "items": 1, "left": False}
    assert "0 items have vectors of hash-64" in say("memory", "embed")
