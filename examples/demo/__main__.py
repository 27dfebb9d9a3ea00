"""`make demo`: answer through a crash, refuse a bad release, roll back by hand and by evidence.

Each part is observed from outside; the exit code is 0 only when all of them were.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from examples.demo.canary import roll_out
from examples.demo.material import prepare, questions, set_value
from examples.demo.model import follow_the_prompt
from examples.demo.report import checks_table, exit_status, outcome_table, re_executed
from examples.demo.story import FINAL, Story
from fairlead import FairleadError
from fairlead.operations import (
    Release,
    check_app,
    ingest,
    load_settings,
    open_platform,
    operator,
    verify_events,
)


def main() -> int:
    """Tell the story."""
    plain = Console()
    console = Console(width=min(plain.width, 100) if plain.is_terminal else 100)
    began = time.monotonic()
    follow_the_prompt()
    console.print("[bold]Fairlead[/bold] keeps agent workflows true under load.", highlight=False)
    with tempfile.TemporaryDirectory(prefix="fairlead-demo-") as folder:
        material = prepare(Path(folder), os.environ.get("DOCS") or None)
        with open_platform(load_settings(material.app)) as platform:
            story = Story(console=console, material=material, platform=platform)
            workers: list[subprocess.Popen[bytes]] = []
            try:
                _tell(story, workers)
            finally:
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
                for worker in workers:
                    worker.wait(timeout=20)
            took = time.monotonic() - began
    status = exit_status(story.observed)
    if status:
        missing = [what for what, seen in story.observed.items() if not seen]
        console.print(f"\n[red]Not observed:[/red] {'; '.join(missing)}")
        return status
    console.print(
        f"\nAll {len(story.observed)} observations made in {took:.0f} s. What to type next:\n"
        "   .venv/bin/fairlead init my-app      an app of your own; it prints the next commands\n"
        "   .venv/bin/fairlead --help           every command, on one page\n"
        "   docs/tutorial/first-app.md          the same, explained",
        highlight=False,
    )
    return 0


def _tell(story: Story, workers: list[subprocess.Popen[bytes]]) -> None:
    texts = _ingest(story)
    good = _release(story)
    answered = _crash(story, workers, good, texts)
    bad = _refuse(story)
    _roll_back(story, workers[-1], (good, bad), texts)
    roll_out(story, workers[-1], good, answered)
    _account(story)


def _ingest(story: Story) -> list[str]:
    story.part("Documents")
    for done in ingest(story.platform):
        for error in done.refused:
            story.say(f"[yellow]left out:[/yellow] {error}")
        story.see(f"{done.written} documents ingested from {_where(story)}", done.written > 0)
    texts = questions(story.material, os.environ.get("QUESTIONS") or None, story.platform)
    story.say(f"{len(texts)} questions to ask")
    return texts


def _where(story: Story) -> str:
    return "README.md and docs/" if story.material.own else str(story.material.documents)


def _release(story: Story) -> Release:
    story.part("Release A passes the gate and is activated")
    report = check_app(story.platform)
    story.console.print(checks_table(report))
    story.see(f"gate passed for release {story.name(report.release)}", report.passed)
    story.platform.releases.activate(report.release.digest, by=operator())
    return report.release


def _crash(
    story: Story, workers: list[subprocess.Popen[bytes]], release: Release, texts: list[str]
) -> list[str]:
    story.part(f"{len(texts)} durable runs on two workers, and one is killed with SIGKILL")
    first, second = story.worker(), story.worker()
    workers += [first, second]
    victim = next(one.id for one in story.living() if one.pid == first.pid)
    ids = story.ask(release, texts, "reader")
    while True:
        runs = [story.platform.runs.get(run_id) for run_id in ids]
        held = [run.id for run in runs if run.worker_id == victim and run.state == "running"]
        ended = sum(run.state in FINAL for run in runs)
        if (ended >= 4 and held) or ended == len(ids):
            break
        time.sleep(0.005)
    first.kill()
    killed_at = time.time()
    first.wait()
    workers.remove(first)
    states = story.states(ids)
    story.say(
        f"worker {first.pid} killed: {sum(state in FINAL for state in states)} runs had ended, "
        f"{states.count('running')} were executing, {states.count('queued')} were queued"
    )
    story.see("runs were in flight when the worker died", bool(held))
    story.wait(ids)
    taken = [
        event.time - killed_at
        for run_id in ids
        for event in story.platform.events.list(chain=f"run:{run_id}")
        if event.type == "run.taken_over" and event.data["worker"] == victim
    ]
    story.see(
        f"worker {second.pid} took {len(taken)} runs over, {max(taken, default=0.0):.1f} s after "
        "the kill",
        bool(taken) and second.poll() is None,
    )
    again, in_flight, executed = re_executed(story.platform, story.material.executions, ids)
    story.see("every run ended", all(state in FINAL for state in story.states(ids)))
    story.see(
        f"recorded calls executed again: {again} (of {executed} executions, told by the bodies "
        f"themselves; {in_flight} in-flight reads were repeated)",
        again == 0,
    )
    states = story.states(ids)
    pairs = zip(texts, states, strict=True)
    return [text for text, state in pairs if state == "succeeded"]


def _refuse(story: Story) -> Release:
    story.part("Release B changes one setting, and the gate refuses it")
    set_value(story.material.app / "fairlead.toml", "min_score", "1.0")
    story.say("fairlead.toml: min_score = 0.2 -> 1.0 (“less noise”)")
    with open_platform(load_settings(story.material.app)) as candidate:
        report = check_app(candidate)
    failed = [check for check in report.checks if check.conclusion == "failure"]
    for check in failed:
        for finding in check.findings[:3]:
            story.say(f"[red]{check.name}[/red]: {finding}")
    story.see(
        f"gate refused release {story.name(report.release)} for its evaluation",
        [check.name for check in failed] == ["eval"],
    )
    refusal = ""
    try:
        story.platform.releases.activate(report.release.digest, by=operator())
    except FairleadError as error:
        refusal = str(error)
    story.see(f"activation without an override is refused: {refusal}", bool(refusal))
    return report.release


def _roll_back(
    story: Story, worker: subprocess.Popen[bytes], pair: tuple[Release, Release], texts: list[str]
) -> None:
    good, bad = pair
    story.part("B is forced in, harms its runs, and is rolled back")
    releases = story.platform.releases
    on_good = story.ask(good, texts[:8], "in-flight")
    reason = "we want to see it on real traffic"
    releases.activate(bad.digest, by=operator(), override=reason)
    pending = sum(state not in FINAL for state in story.states(on_good))
    on_bad = story.ask(releases.current(), texts[:8], "on-b")
    story.wait(on_good + on_bad)
    harmed = story.states(on_bad).count("escalated")
    story.see(
        f"{harmed} of {len(on_bad)} runs on B failed the grounding check",
        harmed >= len(on_bad) // 2,
    )
    late_on_bad = story.ask(releases.current(), texts[:4], "late-on-b")
    began = time.time()
    _, back = releases.rollback(by=operator(), reason="answers are not grounded")
    after = story.ask(releases.current(), texts[:4], "after")
    moved_s = story.platform.runs.get(after[0]).created_at - began
    story.wait(late_on_bad + after)
    first = story.platform.runs.get(after[0])
    served_s = (first.finished_at or 0.0) - began
    story.see(
        f"new runs use A again {moved_s:.3f} s after the rollback; the first was answered after "
        f"{served_s:.2f} s",
        back.digest == good.digest and first.release == good.digest,
    )
    kept = all(
        story.platform.runs.get(run_id).release == release.digest
        for ids, release in ((on_good, good), (on_bad + late_on_bad, bad), (after, good))
        for run_id in ids
    )
    fine = story.states(on_good).count("succeeded") > len(on_good) // 2
    story.see(
        f"runs in flight ({pending} at the switch to B, {len(late_on_bad)} at the rollback) ended "
        "on the release that they were pinned to",
        kept and fine and pending > 0,
    )
    story.see(
        f"the worker is still process {worker.pid}: no restart for B, none for the rollback",
        worker.poll() is None,
    )


def _account(story: Story) -> None:
    story.part("The account")
    story.console.print(outcome_table(story.platform, story.names))
    found = verify_events(story.platform)
    for finding in found.findings:
        story.say(f"[red]{finding}[/red]")
    story.see(
        f"the event log holds: {found.events} events in {found.chains} hash chains",
        not found.findings and found.events > 0,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FairleadError as error:
        sys.exit(f"{error}\n{error.hint}")
