"""The picture of a run: exact text, at the widths of a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from fairlead.core.calls import Usage
from fairlead.core.identity import Principal
from fairlead.entrypoints.cli.views.run import run_view
from fairlead.entrypoints.cli.views.waterfall import Drawing, waterfall
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord

RUN = RunRecord(
    id="01a2027f124161829022f23a",
    workflow="refund",
    release="49580a9440d0" * 5,
    code_digest="c",
    principal=Principal(user="anna", tenant="acme"),
    purpose="user",
    state="succeeded",
    input={},
    created_at=998.0,
    started_at=1000.0,
    finished_at=1010.0,
    takeovers=1,
    outcome={
        "answer": {"text": "It is refunded.", "citations": [], "abstained": False},
        "checks": [
            {"name": "grounded", "stage": "output", "passed": True, "reason": ""}
            | {"on_fail": "escalate"},
            {"name": "is_short", "stage": "output", "passed": False, "reason": "too long"}
            | {"on_fail": "warn"},
        ],
        "grounded_sources": [
            {"document": "refunds.md", "start": 12, "end": 27, "text": "It is refunded."}
        ],
        "reason": "",
        "code": "",
    },
)


def call(number: int, began: float, ended: float | None, **values: Any) -> CallRecord:
    given = {"kind": "tool", "name": "find_order", "state": "done", "attempts": 1, **values}
    return CallRecord(
        key=f"r:{number}",
        run_id=RUN.id,
        number=number,
        effect="read",
        arguments_digest="d",
        result=None,
        started_at=1000.0 + began,
        finished_at=None if ended is None else 1000.0 + ended,
        **given,
    )


CALLS = [
    call(1, 0.0, 0.02),
    call(2, 0.0, 5.0, kind="retrieval", name="refunds"),
    call(
        3,
        5.0,
        8.0,
        kind="model",
        name="openai:gpt-5",
        attempts=3,
        usage=Usage(input_tokens=12_345, output_tokens=840, cost_usd=0.0234),
    ),
    call(4, 8.0, 8.0, state="denied", reason="FL-500: no rule permits it"),
    call(5, 8.0, 10.0, state="unknown", name="pay", reason="the connection was reset"),
]


def drawn(columns: int, *, unicode: bool = True, now: float = 1010.0) -> list[str]:
    drawing = Drawing(columns=columns, unicode=unicode, now=now)
    return [line.plain.rstrip() for line in waterfall(RUN, CALLS, drawing)]


def test_at_80_columns() -> None:
    assert drawn(80) == [
        " #   kind      name         0 ─────────── 10.0 s    time    in/out    cost tries",
        "     queued                 ░░░░                  2.00 s",
        " 1 ✓ tool      find_order   ▇                      20 ms         -       -     1",
        " 2 ✓ retrieval refunds      ▇▇▇▇▇▇▇▇▇▇            5.00 s         -       -     1",
        " 3 ✓ model     openai:gpt-5           ▇▇▇▇▇▇      3.00 s   12k/840 $0.0234     3",
        " 4 ✗ tool      find_order                   ▇       0 ms         -       -     1",
        "     denied: FL-500: no rule permits it",
        " 5 ? tool      pay                          ▇▇▇▇  2.00 s         -       -     1",
        "     unknown: the connection was reset",
    ]


@pytest.mark.parametrize("columns", [64, 80, 99, 100, 120, 160])
def test_no_line_is_wider_than_the_screen_and_the_columns_line_up(columns: int) -> None:
    lines = drawn(columns)
    assert max(cell_len(line) for line in lines) == columns
    ends = {cell_len(line) for line in lines if line.endswith(("tries", " 1", " 3"))}
    assert ends == {columns}


def test_a_secret_that_was_sent_is_said() -> None:
    calls = [call(1, 0.0, 1.0, leaked=("aws-key", "jwt"))]
    lines = [
        line.plain for line in waterfall(RUN, calls, Drawing(columns=80, unicode=True, now=1010.0))
    ]
    assert lines[-1].rstrip() == "     a secret was in its arguments: aws-key, jwt"


def test_states_are_words_where_there_is_room() -> None:
    assert " 4 ✗ denied   tool" in drawn(120)[5]
    assert " 4 ✗ tool" in drawn(99)[5]


def test_without_unicode_only_ascii_is_drawn() -> None:
    assert "\n".join(drawn(80, unicode=False)).isascii()


def test_a_long_wait_does_not_press_the_calls_together() -> None:
    waited = replace(RUN, created_at=400.0)
    lines = waterfall(waited, CALLS, Drawing(columns=80, unicode=True, now=1010.0))
    assert "░»" in lines[1].plain
    assert "10m 00s" in lines[1].plain
    assert [line.plain.rstrip() for line in lines[2:]] == drawn(80)[2:]


def test_a_queued_run_has_no_calls() -> None:
    queued = replace(RUN, state="queued", started_at=None, finished_at=None, outcome=None)
    lines = waterfall(queued, [], Drawing(columns=80, unicode=True, now=1003.0))
    assert len(lines) == 2
    assert "5.00 s" in lines[1].plain


def test_a_call_that_is_under_way_ends_now() -> None:
    running = replace(RUN, state="running", finished_at=None)
    lines = waterfall(
        running,
        [call(1, 0.0, None, state="intended")],
        Drawing(columns=80, unicode=True, now=1004.0),
    )
    assert "· tool" in lines[2].plain
    assert "4.00 s" in lines[2].plain


def test_a_name_from_outside_moves_no_cursor() -> None:
    nasty = call(1, 0, 1, name="a\x1b[2Jb\nc" * 10, reason="x\x1b]0;title\x07[red]y")
    lines = waterfall(RUN, [nasty], Drawing(columns=80, unicode=True, now=1010.0))
    text = "\n".join(line.plain for line in lines)
    assert "\x1b" not in text
    assert "[red]" in text
    assert len(text.splitlines()) == 4


def test_the_whole_run() -> None:
    console = Console(width=80, color_system=None, record=True, file=None, quiet=False)
    with console.capture() as capture:
        for part in run_view(RUN, CALLS, Drawing(columns=80, unicode=True, now=1010.0)):
            console.print(part, markup=False, highlight=False)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines[:3] == [
        "run 01a2027f124161829022f23a  refund  succeeded  12.0 s",
        "release 49580a9440d0  user anna  tenant acme  taken over 1 time",
        "admitted 1970-01-01 00:16:38 UTC  queued 2.00 s  executed 10.0 s",
    ]
    assert lines[lines.index("guardrails") - 2 :] == [
        "     5 calls, 12k tokens in, 840 out, $0.0234",
        "",
        "guardrails",
        "  ✓ grounded on output",
        "  ✗ is_short on output: too long (warn)",
        "",
        "outcome  succeeded",
        "  It is refunded.",
        "",
        "sources",
        "  refunds.md:12-27",
        "    It is refunded.",
    ]


def test_a_call_without_an_outcome_ends_with_its_run() -> None:
    years_later = Drawing(columns=100, unicode=True, now=RUN.created_at + 1e8)
    lines = [line.plain for line in waterfall(RUN, [call(1, 4.0, None)], years_later)]
    assert "10.0 s" in lines[0]
    assert "6.00 s" in lines[2]
