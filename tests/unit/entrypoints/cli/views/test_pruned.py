"""What pruning removed, and what a pruned run says of itself."""

from __future__ import annotations

from dataclasses import replace

from fairlead.entrypoints.cli.views.pruned import pruned_view
from fairlead.entrypoints.cli.views.run import run_view
from fairlead.entrypoints.cli.views.waterfall import Drawing
from fairlead.ports.pruning import Pruned
from tests.unit.entrypoints.cli.views.test_parts import RUN, text

MANY = Pruned(runs=2, payloads=30, bytes=4_500_000)


def test_what_went_is_one_line() -> None:
    assert text(*pruned_view(MANY, dry_run=False)) == "pruned 2 runs: 30 payloads, 4.5 MB"
    one = Pruned(runs=1, payloads=1, bytes=9)
    assert text(*pruned_view(one, dry_run=False)) == "pruned 1 run: 1 payload, 9 B"


def test_memory_that_is_past_its_retention_has_a_line_of_its_own() -> None:
    said = text(*pruned_view(replace(MANY, memories=1), dry_run=False)).splitlines()
    assert said[1:] == ["pruned 1 item of memory that is past its retention"]
    said = text(*pruned_view(Pruned(memories=1200), dry_run=True)).splitlines()
    assert said == [
        "no run is old enough to be pruned",
        "would prune 1,200 items of memory that are past their retention",
        "Next: the same without --dry-run, with --reason",
    ]


def test_a_rehearsal_says_that_nothing_went_and_what_to_type() -> None:
    said = text(*pruned_view(MANY, dry_run=True)).splitlines()
    assert said == [
        "would prune 2 runs: 30 payloads, 4.5 MB",
        "Next: the same without --dry-run, with --reason",
    ]
    assert "no run" in text(*pruned_view(Pruned(), dry_run=True))


def test_a_pruned_run_says_when_and_where_to_read_why() -> None:
    drawing = Drawing(columns=80, unicode=True, now=9.0)
    said = text(*run_view(replace(RUN, pruned_at=86_400.0, input=None), [], drawing))
    assert "pruned  1970-01-02 00:00:00 UTC" in said
    assert "Next: fairlead events list --chain run:r1" in said
    assert "outcome  escalated" in said
    assert "pruned" not in text(*run_view(RUN, [], drawing))
