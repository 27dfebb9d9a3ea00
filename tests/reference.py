"""Writes docs/reference from the source: `make reference`.

A page that is written by hand drifts. `tests/test_reference.py` asserts that these do not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from fairlead.core.breaker import BreakerTerms
from fairlead.core.budget import BUDGETS_MAX
from fairlead.core.errors import error_classes
from fairlead.core.event import EVENT_TYPES
from fairlead.core.limits import Limits
from fairlead.core.rates import DEFAULT_RATE
from fairlead.delivery.memory import RULES_MAX
from fairlead.entrypoints.cli.tree import tree
from fairlead.settings import SETTINGS

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
COLUMNS = 90

Row = tuple[str, ...]

_LIMITS = Limits()
_BREAKER = BreakerTerms()
_NONE = "the decorator's value"

WORKFLOW_KEYS: tuple[Row, ...] = (
    ("model", _NONE, "`provider:model`, or `fairlead:extractive`, which needs no key."),
    ("model_settings", "none", "A table of settings for the model, such as `temperature`."),
    (
        "fallbacks",
        f"{_NONE}, else none",
        "A list of models that are asked in this order when the one before has failed in a way "
        "that may pass.",
    ),
    ("prompt", _NONE, "A file in `prompts/`."),
    ("collection", _NONE, "The collection that is searched before the model is asked."),
    ("top_k", f"{_NONE}, else 5", "Most passages per question, from 1 to 100."),
    ("min_score", f"{_NONE}, else 0.0", "Passages below this relevance (0.0 to 1.0) are left out."),
    (
        "integrity",
        f"{_NONE}, else untrusted",
        "`trusted` when only people whom the team trusts write the collection.",
    ),
    (
        "remember.kinds",
        _NONE,
        "A list of kinds of memory that it may use: `working`, `episodic`, `semantic`, "
        "`procedural`. A workflow that declares no memory has no `[workflow.NAME.remember]`.",
    ),
    ("remember.top_k", f"{_NONE}, else 5", "Most items for a question, from 1 to 100."),
    ("remember.min_score", f"{_NONE}, else 0.0", "Items of less relevance (to 1.0) are left out."),
    (
        "remember.grounding",
        f"{_NONE}, else false",
        "Whether `run.answer` recalls for its question, beside what it retrieves.",
    ),
    (
        "remember.subject",
        f"{_NONE}, else anything",
        "Whom or what `run.answer` recalls about, such as `customer:{customer}`: a name in braces "
        "is a required field of the input, text or a whole number. It needs `remember.grounding`.",
    ),
    ("flags.KEY", "that in `[flags]`", "A flag's value for this workflow, of the same type."),
    ("limits.steps", f"{_NONE}, else {_LIMITS.steps}", "Most calls of any kind in one run."),
    ("limits.cost_usd", f"{_NONE}, else {_LIMITS.cost_usd:g}", "Most US dollars for one run."),
    (
        "limits.wall_time_s",
        f"{_NONE}, else {_LIMITS.wall_time.total_seconds():g}",
        "Most seconds at work; waits for people, signals, timers and children do not count.",
    ),
    (
        "limits.attempts",
        f"{_NONE}, else {_LIMITS.attempts}",
        "Most tries of a model turn or of a tool with effect `read` or `idempotent`.",
    ),
    (
        "limits.repeats",
        f"{_NONE}, else {_LIMITS.repeats}",
        "The same tool calls with the same results in a row; the next one stops the run.",
    ),
    (
        "limits.call_timeout_s",
        f"{_NONE}, else {_LIMITS.call_timeout.total_seconds():g}",
        "Most seconds for one try of one call.",
    ),
    (
        "limits.reasks",
        f"{_NONE}, else {_LIMITS.reasks}",
        "Times in a row that a model is asked again after an answer or a tool call that does not "
        "fit.",
    ),
    (
        "limits.context_tokens",
        f"{_NONE}, else {_LIMITS.context_tokens}",
        "Most tokens of one model turn's input, estimated as its bytes divided by 3.",
    ),
    (
        "limits.history_messages",
        f"{_NONE}, else {_LIMITS.history_messages}",
        "Most messages of its conversation that a run reads: two for each earlier turn and two "
        "for each of its uses of tools.",
    ),
    (
        "limits.history_chars",
        f"{_NONE}, else {_LIMITS.history_chars}",
        "Most characters of these messages.",
    ),
    (
        "limits.unknown_wait_s",
        f"{_NONE}, else {_LIMITS.unknown_wait.total_seconds():g}",
        "Most seconds that a run waits for somebody to find out about an unknown effect.",
    ),
    ("queue", f"{_NONE}, else `default`", "Which workers take its runs: those that name it."),
    ("retention_days", "30", "Days for which finished runs are kept; see `fairlead runs prune`."),
    ("slo.success", _NONE, "Share of runs that must succeed, above 0.0 and below 1.0."),
    ("slo.latency_p95_s", _NONE, "95 of 100 runs end within so many seconds."),
)
OTHER_TABLES: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    (
        "`[collections.NAME]`",
        "A collection of documents; `fairlead ingest` brings it up to date.",
        (("path", "required", "A folder or a file; a relative path starts at the app's folder."),),
    ),
    (
        "`[flags]`",
        "Flags of all workflows that need no rule; those with rules stand in `flags/*.json`.",
        (("KEY", "none", "The flag's value: a bool, a text, a number, a table or a list."),),
    ),
    (
        "`[gate.WORKFLOW]`",
        "What a workflow must answer before a release of it is activated.",
        (
            ("dataset", "required", "A file in `evals/`, in pydantic-evals' YAML format."),
            ("threshold", "required", "Share of cases that must pass, above 0.0 and at most 1.0."),
        ),
    ),
    (
        '`[rates."NAME"]`',
        "How often all runs on this database together may call a tool, or ask a model, which is "
        "written as `provider:model`. A rate here wins over the one in the tool's decorator. What "
        f"has none may be asked {DEFAULT_RATE.calls:,} times in {DEFAULT_RATE.per_s:g} seconds.",
        (
            ("calls", "required", "So many calls; as many may also come at once."),
            ("per_s", "required", "In so many seconds."),
        ),
    ),
    (
        "`[[budgets]]`",
        "What runs may use together, shared by all workers. A release has at most "
        f"{BUDGETS_MAX}. At least one of `calls`, `tokens`, `cost_usd`, `seconds` must be there.",
        (
            ("name", "required", "Its name, which no other budget of the release has."),
            ("scope", "required", "`run`, `workflow`, `tenant`, `app` or `model`."),
            ("which", "each one", "One workflow, tenant or model; else each has a pot of its own."),
            ("per_s", "required", "Seconds of a window; none for the scope `run`."),
            ("calls", "none", "Calls of any kind; all tries of a call are one."),
            ("tokens", "none", "Tokens of model turns, in and out."),
            ("cost_usd", "none", "US dollars for models."),
            ("seconds", "none", "Seconds for which bodies of calls are executed."),
        ),
    ),
    (
        "`[memory]`",
        "What the release says of all its memory.",
        (
            ("schema", "1", "Version of the app's memory schema that it writes, from 1."),
            (
                "reads",
                "`[schema, schema]`",
                "The oldest and the newest version that it reads. Where another one has written, "
                "memory is refused with FL-803.",
            ),
            ("embedder", "`none`", "Id of the embedding model; `none` finds by words alone."),
        ),
    ),
    (
        "`[[memory.admit]]`",
        "What may become memory, by where it comes from. The first rule that speaks of an origin "
        "counts, the strictest verdict over all origins holds. Without a rule, what came from "
        f"outside and what a model said is quarantined. At most {RULES_MAX} rules.",
        (
            (
                "source",
                "required",
                "An origin, such as `tool:read_mail`; `*` stands for any letters.",
            ),
            (
                "admit",
                "required",
                "`active`: it is believed, and trusted from then on, which is recorded; "
                "`quarantined`: it is only quoted; `refused`: it is not remembered.",
            ),
            ("kinds", "all", "A list of kinds of memory that the rule is about."),
        ),
    ),
    (
        "`[policy]`",
        "Policies that are only tried; see the how-to on trying a policy.",
        (
            (
                "shadow",
                "none",
                "A folder below the app's, of letters, digits, `-`, `_` and `.`, with `.cedar` "
                "files: each live call is also decided by them.",
            ),
        ),
    ),
    (
        "`[breaker]`",
        "When a tool or a model that fails is left alone for a while.",
        (
            ("failures", f"{_BREAKER.failures}", "Failures in a row that open it."),
            ("ratio", f"{_BREAKER.ratio:g}", "Share of failures that opens it, at most 1.0."),
            ("calls", f"{_BREAKER.calls}", "The share counts from so many calls on."),
            (
                "window_s",
                f"{_BREAKER.window_s:g}",
                "Seconds in which failures count together, from the first one on.",
            ),
            ("open_s", f"{_BREAKER.open_s:g}", "Seconds for which it stays open."),
            (
                "probes",
                f"{_BREAKER.probes}",
                "Calls that may pass at the same time after that; so many must succeed.",
            ),
        ),
    ),
    (
        "`[[telemetry.must_emit]]`",
        "A signal that runs of the app must emit, beside the platform's own; the gate checks it.",
        (
            ("span", "required", "Name of the span's operation, such as `retrieval`."),
            ("attributes", "none", "Attributes that each such span must carry."),
            ("when", "required", "What obliges to it: `run`, `model`, `tool` or `retrieval`."),
        ),
    ),
)
EXIT_STATUS: tuple[Row, ...] = (
    ("0", "It did what was asked; a run succeeded."),
    ("1", "It found something wrong: a check failed, a file was refused, a run did not succeed."),
    ("2", "An error with a code (`FL-nnn`), or arguments that are not understood."),
    ("70", "A mistake in Fairlead itself; the traceback is on stderr."),
    ("130, 143", "It was interrupted by SIGINT or SIGTERM; `worker` ends with 0 on the first one."),
)
GROUPS = {
    "0": "What was given",
    "1": "Documents",
    "2": "The database",
    "3": "Releases",
    "4": "Runs",
    "5": "Calls that were denied",
    "6": "Models, tools and guardrails",
    "7": "The event log",
    "53": "Who asks, and what they may do",
    "8": "What is remembered",
    "85": "Embedding models",
    "9": "Delivery",
}
"""Titles by how a code's number begins; the longest beginning counts."""


def pages() -> dict[str, str]:
    """Return each page's text by its file name."""
    return {
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "events.md": events_page(),
        "settings.md": settings_page(),
    }


def cli_page() -> str:
    """Return the help of every command."""
    parts = [
        "# Command line",
        "`--app` names the app's folder; without it, `FAIRLEAD_APP` does, else it is the current "
        "one. With `--json` a command prints one JSON document and nothing else. Errors go to "
        "stderr: a line with the code and the message, and a line with what to do. `NO_COLOR` "
        "switches colours off, and `COLUMNS` sets the width.",
        table(("exit status", "meaning"), EXIT_STATUS),
    ]
    # Typer's terminal looks must not depend on where the page is written.
    with mock.patch.dict(os.environ, {"NO_COLOR": "1", "TERMINAL_WIDTH": str(COLUMNS)}):
        parts += [f"## {name}\n\n```text\n{text}\n```" for name, text in _helps()]
    return page(parts)


def errors_page() -> str:
    """Return every error class with its code, meaning and hint."""
    parts = [
        "# Errors",
        "Each error has a code that does not change. Look it up here, or search logs for it.",
    ]
    found = sorted(error_classes().items())
    for group, title in sorted(GROUPS.items()):
        rows = [
            (f"`{code}`", f"`{cls.__name__}`", _first_line(cls), cls.hint)
            for code, cls in found
            if code != "FL-000" and _group(code) == group
        ]
        parts += [f"## {title}", table(("code", "class", "meaning", "what to do"), rows)]
    return page(parts)


def events_page() -> str:
    """Return every event type with its meaning."""
    return page(
        [
            "# Events",
            "Every fact is one event in an append-only log. Each chain belongs to one run or one "
            "control object, and each event holds the hash of the one before it. "
            "`fairlead events verify` checks all of them. Payloads are not in the log, only their "
            "digests.",
            table(("type", "meaning"), [(f"`{name}`", text) for name, text in EVENT_TYPES.items()]),
        ]
    )


def settings_page() -> str:
    """Return every key of fairlead.toml."""
    rows = [(f"`{s.key}`", s.default, f"`{s.env}`" if s.env else "", s.meaning) for s in SETTINGS]
    parts = [
        "# Settings",
        "All of them stand in the app's `fairlead.toml`. An environment variable wins over the "
        "file. The tables `database`, `worker`, `retention`, `ingest` and `identity` say how a "
        "process runs; everything else is part of a release.",
        table(("key", "default", "environment", "meaning"), rows),
        "## `[workflow.NAME]`",
        "Values here win over those in the decorator. An unknown key is an error, as in all of the "
        "file.",
        table(("key", "default", "meaning"), _named(WORKFLOW_KEYS)),
    ]
    for title, text, keys in OTHER_TABLES:
        parts += [f"## {title}", text, table(("key", "default", "meaning"), _named(keys))]
    return page(parts)


def table(head: Row, rows: Iterable[Row]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in r)} |" for r in lines
    )


def page(parts: Sequence[str]) -> str:
    """Return a page's text."""
    note = "<!-- Written by `make reference` from the source; do not edit. -->"
    return "\n\n".join([parts[0], note, *parts[1:]]) + "\n"


def _named(rows: Sequence[Row]) -> list[Row]:
    return [(f"`{row[0]}`", *row[1:]) for row in rows]


def _group(code: str) -> str:
    return max((name for name in GROUPS if code[3:].startswith(name)), key=len)


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _helps() -> list[tuple[str, str]]:
    root: Any = typer.main.get_command(tree)
    found: list[tuple[str, str]] = []

    def visit(command: Any, name: str, parent: Any) -> None:
        context = command.make_context(
            name, [], parent=parent, resilient_parsing=True, max_content_width=COLUMNS,
            terminal_width=COLUMNS,
        )  # fmt: skip
        path = f"{parent.command_path} {name}" if parent else name
        found.append((path, command.get_help(context).rstrip()))
        if hasattr(command, "commands"):
            for each in command.list_commands(context):
                visit(command.get_command(context, each), each, context)

    visit(root, "fairlead", None)
    return found


def write() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
