"""The demo's rollouts: a bad prompt is rolled back by evidence, and a good one is promoted by it.

Nobody decides anything here: this process starts rollouts and traffic, and looks. The worker
carries the rollouts on, beside its runs.
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import cycle

from rich.padding import Padding

from examples.demo.material import add_line, set_value
from examples.demo.model import BAD_LINE, GOOD_LINE, IN_A_HURRY
from examples.demo.report import checks_line
from examples.demo.story import FINAL, Story
from fairlead import Principal
from fairlead.core.rollout import Rollout
from fairlead.entrypoints.cli.views.rollout import rollout_view
from fairlead.entrypoints.cli.views.waterfall import Drawing
from fairlead.operations import (
    Release,
    check_app,
    list_deployments,
    load_settings,
    open_platform,
    read_rollout_terms,
    rollout_status,
    start_rollout,
)

PLAN = """\
steps:
  - setWeight: 40
  - analysis: {min_runs: 10}
  - setWeight: 70
  - analysis: {min_runs: 5}
holdback: 5
observe_s: 3600
analysis:
  metrics:
    - {name: success, source: outcome, p_max: 0.2}
"""

IN_FLIGHT = 6
"""Runs that are under way at the same time, so that the traffic is as fast as the worker."""

_INDENT = 3

SECONDS_MAX = 40.0
"""The longest that a verdict may take; a demo must end."""


class Traffic:
    """Readers who ask, every other one in a hurry; each run's release is drawn."""

    def __init__(self, story: Story, texts: list[str]) -> None:
        self.ids: list[str] = []
        self._story = story
        self.open: deque[str] = deque()
        self._texts = self._endless(texts)

    @staticmethod
    def _endless(texts: list[str]) -> Iterator[str]:
        for number, text in enumerate(cycle(texts)):
            yield text + IN_A_HURRY if (number + number // len(texts)) % 2 else text

    def until(self, reached: Callable[[], bool]) -> bool:
        """Ask until something is reached; return whether it was."""
        end = time.monotonic() + SECONDS_MAX
        platform = self._story.platform
        while time.monotonic() < end:
            if reached():
                return True
            self.open = deque(one for one in self.open if platform.runs.get(one).state not in FINAL)
            while len(self.open) < IN_FLIGHT:
                self.open.append(self.ask())
            time.sleep(0.1)
        return False

    def ask(self) -> str:
        """Ask once, on the release that is drawn."""
        run = self._story.platform.admission.start_routed(
            "answer", {"question": next(self._texts)}, principal=Principal(user="reader")
        )
        self.ids.append(run.id)
        return run.id

    def end(self) -> None:
        """Wait until nobody's run is open."""
        self._story.wait(list(self.open))
        self.open.clear()


def roll_out(
    story: Story, worker: subprocess.Popen[bytes], good: Release, texts: list[str]
) -> None:
    """Tell how a bad candidate is rolled back, and a good one is promoted.

    Args:
        story: The demo.
        worker: The worker, which also carries the rollouts on.
        good: The release that is current.
        texts: Questions that it answers.
    """
    plan = story.material.app / "rollout.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    traffic = Traffic(story, texts)
    _bad(story, worker, good, traffic)
    _good(story, worker, good, traffic)


def _bad(story: Story, worker: subprocess.Popen[bytes], good: Release, traffic: Traffic) -> None:
    story.part("Release C changes one line of a prompt; it harms, and evidence rolls it back")
    story.say(
        f"Every other reader is in a hurry, and adds “{IN_A_HURRY.strip()}” The demo's model "
        "follows the prompt, as a provider's would."
    )
    bad = _candidate(story, BAD_LINE)
    rollout = _start(story, bad)
    traffic.until(lambda: _harm(story, rollout))
    _draw(story, f"after {len(traffic.ids)} runs", rollout)
    decided = traffic.until(lambda: _now(story, rollout).decided_at is not None)
    traffic.until(lambda: _now(story, rollout).final)
    traffic.end()
    _draw(story, "at its end", rollout)
    found = _now(story, rollout)
    took_s = (found.decided_at or found.began_at) - found.began_at
    story.see(
        f"C was rolled back {took_s:.1f} s after its start, "
        f"when it had been given {_given(story, traffic.ids, bad)} runs, and is marked bad",
        decided and found.phase == "rolled_back" and story.platform.release_store.get(bad.id).bad,
    )
    story.see(
        f"nobody's hand: every event behind the start was written by worker {worker.pid}",
        _by_worker(story, rollout, worker.pid),
    )
    later = [traffic.ask() for _ in range(10)]
    story.wait(later)
    story.see(
        "new runs start on A alone, and every run ended on the release that it was pinned to",
        _given(story, later, good) == len(later) and _pinned(story, traffic.ids),
    )


def _good(story: Story, worker: subprocess.Popen[bytes], good: Release, traffic: Traffic) -> None:
    story.part("Release D says it better, shows that it is good enough, and is promoted")
    better = _candidate(story, GOOD_LINE)
    rollout = _start(story, better)
    traffic.until(lambda: _now(story, rollout).promoted_at is not None)
    traffic.end()
    _draw(story, "at its promotion", rollout)
    found = _now(story, rollout)
    standing = {one.release: one for one in list_deployments(story.platform)}
    shares = tuple(round(standing[one.digest].weight, 6) for one in (better, good))
    story.see(
        f"D is {standing[better.digest].state}: {shares[0]:.0%} of new runs start on it, and "
        f"{shares[1]:.0%} stay on A while it is observed",
        found.phase == "observing"
        and standing[better.digest].state == "current"
        and shares == (0.95, 0.05),
    )
    story.see(
        "promoted by evidence: nobody but the worker wrote it, and it is the same process",
        _by_worker(story, rollout, worker.pid) and worker.poll() is None,
    )


def _candidate(story: Story, line: str) -> Release:
    """Change the prompt, and let the gate look at what comes of it."""
    app = story.material.app
    set_value(app / "fairlead.toml", "min_score", "0.2")
    add_line(app / "prompts" / "answer.md", line)
    story.say(f"prompts/answer.md: [cyan]+ {line}[/cyan]")
    with open_platform(load_settings(app)) as candidate:
        report = check_app(candidate)
    named = story.name(report.release)
    story.see(
        f"gate passed for release {named}: {checks_line(report)}; no case of it is in a hurry",
        report.passed,
    )
    return report.release


def _start(story: Story, release: Release) -> str:
    terms = read_rollout_terms(story.platform, release.digest)
    return start_rollout(story.platform, release.digest, terms=terms).id


def _now(story: Story, rollout: str) -> Rollout:
    return story.platform.rollout_store.get(rollout)


def _harm(story: Story, rollout: str) -> bool:
    """Whether there is any evidence of harm by now."""
    return any(one.harm > 0.0 for one in rollout_status(story.platform, rollout).verdict.metrics)


def _draw(story: Story, when: str, rollout: str) -> None:
    """Draw what `fairlead rollout status` draws."""
    title = f"[bold]$ fairlead rollout status[/bold]   [bright_black]{when}[/bright_black]"
    story.console.print(f"\n   {title}\n", highlight=False)
    columns = story.console.width - _INDENT
    drawing = Drawing(columns=columns, unicode=True, now=story.platform.clock.now())
    for line in rollout_view(rollout_status(story.platform, rollout), drawing):
        story.console.print(Padding(line, (0, 0, 0, _INDENT)))
    story.console.print()


def _given(story: Story, ids: list[str], release: Release) -> int:
    return sum(story.platform.runs.get(one).release == release.digest for one in ids)


def _pinned(story: Story, ids: list[str]) -> bool:
    """Whether each run has ended on the release that it was admitted to."""
    for one in ids:
        [admitted] = [
            event
            for event in story.platform.events.list(chain=f"run:{one}", limit=1000)
            if event.type == "run.admitted"
        ]
        run = story.platform.runs.get(one)
        if run.state not in FINAL or run.release != admitted.data["release"]:
            return False
    return True


def _by_worker(story: Story, rollout: str, pid: int) -> bool:
    events = story.platform.events.list(chain=f"rollout:{rollout}", limit=10_000)
    by = {str(one.data["by"]) for one in events if one.type != "rollout.started"}
    return bool(by) and all(one.endswith(f":{pid}") for one in by)
