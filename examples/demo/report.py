"""What the demo counts and draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from fairlead.operations import GateReport, Platform


def checks_table(report: GateReport) -> Table:
    """Draw a gate's checks."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 3))
    for check in report.checks:
        colour = "green" if check.conclusion == "success" else "red"
        table.add_row(check.name, f"[{colour}]{check.conclusion}[/{colour}]", check.summary)
    return table


def checks_line(report: GateReport) -> str:
    """Say what a gate's evaluation found."""
    return next(check.summary for check in report.checks if check.name == "eval")


def outcome_table(platform: Platform, names: Mapping[str, str]) -> Table:
    """Draw how runs ended, per release.

    Args:
        platform: The open platform.
        names: A letter for each release, by its digest.
    """
    table = Table(box=None, padding=(0, 2, 0, 3))
    columns = ("release", "runs", "succeeded", "escalated", "failed", "p50 ms", "p95 ms")
    for name in columns:
        table.add_column(name, justify="left" if name == "release" else "right", no_wrap=True)
    by_release = defaultdict(list)
    for run in platform.runs.list(limit=1000):
        by_release[run.release].append(run)
    for digest, runs in sorted(by_release.items(), key=lambda item: names.get(item[0], "")):
        states = [run.state for run in runs]
        times = sorted(((run.finished_at or 0.0) - (run.started_at or 0.0)) * 1000 for run in runs)
        failed = len(states) - states.count("succeeded") - states.count("escalated")
        table.add_row(
            f"{names.get(digest, '?')} {digest[:12]}",
            str(len(runs)),
            str(states.count("succeeded")),
            str(states.count("escalated")),
            str(failed),
            f"{times[len(times) // 2]:.0f}",
            f"{times[min(len(times) - 1, int(0.95 * len(times)))]:.0f}",
        )
    return table


def exit_status(observed: dict[str, bool]) -> int:
    """Return 0 only when something was observed and nothing was missed."""
    return 0 if observed and all(observed.values()) else 1


def re_executed(platform: Platform, executions: Path, ids: list[str]) -> tuple[int, int, int]:
    """Compare the bodies' own file with the journal.

    Args:
        platform: The open platform.
        executions: The file to which bodies appended: key, process, time.
        ids: The runs to look at.

    Returns:
        Executions of calls that were on record already, repeats of calls that were not, and all
        executions.
    """
    recorded = {
        call.key: call.finished_at
        for run_id in ids
        for call in platform.journal.of_run(run_id)
        if call.finished_at is not None
    }
    seen: set[str] = set()
    again = in_flight = total = 0
    for line in executions.read_text(encoding="utf-8").splitlines():
        key, _, moment = line.split()
        if key == "outside":
            # A body that executes outside of a call is the worst kind of repetition.
            again += 1
        if key not in recorded:
            continue
        total += 1
        if float(moment) > recorded[key]:
            again += 1
        elif key in seen:
            in_flight += 1
        seen.add(key)
    return again, in_flight, total
