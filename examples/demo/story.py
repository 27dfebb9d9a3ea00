"""The demo as it is told: its parts, its processes, and what was observed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.demo.material import Material
from fairlead import Principal
from fairlead.operations import Platform, Release, WorkerRecord

FINAL = frozenset(("succeeded", "escalated", "denied", "failed", "cancelled"))


@dataclass
class Story:
    """The demo as it goes on.

    Attributes:
        console: Where it is told.
        material: What it works with.
        platform: The open platform.
        observed: Each observation with whether it was made.
        parts: Parts told so far.
        names: A letter for each release, by its digest.
    """

    console: Console
    material: Material
    platform: Platform
    observed: dict[str, bool] = field(default_factory=dict)
    parts: int = 0
    names: dict[str, str] = field(default_factory=dict)

    def part(self, title: str) -> None:
        """Begin a part."""
        self.parts += 1
        self.console.print(f"\n[bold]{self.parts}. {title}[/bold]", highlight=False)

    def name(self, release: Release) -> str:
        """Return a release's letter and id; a new one gets the next letter."""
        letter = self.names.setdefault(release.digest, chr(ord("A") + len(self.names)))
        return f"{letter} ({release.id})"

    def say(self, what: str) -> None:
        """Tell something in a line, or in several that hang together."""
        self._line("", what)

    def see(self, what: str, seen: bool) -> None:
        """Note whether something was observed."""
        self.observed[what] = seen
        self._line("[green]✓[/green]" if seen else "[red]✗[/red]", what)

    def _line(self, mark: str, what: str) -> None:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=2)
        if mark:
            table.add_column()
        table.add_column()
        table.add_row("", *([mark] if mark else []), what)
        self.console.print(table)

    def living(self) -> Sequence[WorkerRecord]:
        """Return the workers whose lease holds."""
        return self.platform.workers.living(self.platform.settings.lease_s)

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker process and wait until it takes runs."""
        command = [sys.executable, "-m", "examples.demo.worker"]
        arguments = [str(self.material.app), str(self.material.executions)]
        process = subprocess.Popen(command + arguments, cwd=Path(__file__).parents[2])
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            if any(worker.pid == process.pid for worker in self.living()):
                return process
            time.sleep(0.05)
        raise SystemExit("the worker did not start")

    def ask(self, release: Release, texts: list[str], user: str) -> list[str]:
        """Start a run per question; return their ids."""
        start = self.platform.admission.start
        principal = Principal(user=user)
        return [
            start(release, "answer", {"question": text}, principal=principal).id for text in texts
        ]

    def wait(self, ids: list[str]) -> None:
        """Wait until all runs have ended, with progress."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("runs ended", total=len(ids))
            for run_id in ids:
                asyncio.run(self.platform.admission.wait(run_id, 60.0))
                progress.advance(task)

    def states(self, ids: list[str]) -> list[str]:
        """Return the states of runs."""
        return [self.platform.runs.get(run_id).state for run_id in ids]
