"""Recorded runs, executed again on a release before it meets anybody."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.core.errors import ReplayInvalid
from fairlead.core.replay import (
    COST_USD,
    RUNS_LIMIT,
    RUNS_MAX,
    TOOL_MODES,
    UNPRICED_CALLS,
    UNPRICED_CALLS_MAX,
)
from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.core.calls import Call
    from fairlead.core.digests import Json
    from fairlead.operations import ToolPolicy

STATUS = {"success": 0, "failure": 1, "inconclusive": 3, "no_data": 3}
"""Exit status by conclusion; 2 is an error's, as everywhere."""

Id = Annotated[str, typer.Argument(metavar="RELEASE", help="The candidate, or how it begins.")]
RunIds = Annotated[
    list[str] | None, typer.Argument(metavar="RUN...", help="These runs; else the newest ones.")
]
Most = Annotated[
    int,
    typer.Option("--runs", metavar="N", min=1, max=RUNS_LIMIT, help="Most runs, the newest ones."),
]
Workflow = Annotated[
    str, typer.Option("--workflow", metavar="NAME", help="Only runs of this workflow.")
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool",
        metavar="NAME=MODE",
        help="What answers a tool: recorded, stub (with a value: stub:JSON), or live, which only "
        "a tool with effect read may be. May be given again.",
    ),
]
OnMissing = Annotated[
    str,
    typer.Option(
        "--on-miss",
        metavar="HOW",
        help="A call that is not on record: fail (undecided), live-read, or ask.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODE",
        help="recorded, or live; else live where the release asks its models otherwise.",
    ),
]
Cost = Annotated[
    float | None,
    typer.Option(
        "--cost-usd",
        metavar="USD",
        min=0.0,
        help=f"Most US dollars for live models, of all runs; else {COST_USD:g}. Runs beyond it "
        "are undecided.",
    ),
]
Unpriced = Annotated[
    int | None,
    typer.Option(
        "--unpriced-calls",
        metavar="N",
        min=0,
        max=UNPRICED_CALLS_MAX,
        help=f"Most turns of live models without a known price; else {UNPRICED_CALLS}, or with "
        "--cost-usd none.",
    ),
]


def replay(  # noqa: PLR0913 - each is an option of the command line
    release: Id,
    run_ids: RunIds = None,
    *,
    runs: Most = RUNS_MAX,
    workflow: Workflow = "",
    tool: Tools = None,
    on_miss: OnMissing = "fail",
    model: Model = None,
    cost_usd: Cost = None,
    unpriced_calls: Unpriced = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Execute recorded runs again on a release; tools answer from the recording.

    Nothing leaves the machine, but for models and reading tools that are asked live.

    Exit status 1 when the release is worse, 3 when nothing is shown.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import (
            ReplayOptions,
            ReplaySelection,
            ReplayTerms,
            replay_runs,
        )

        if on_miss == "ask" and not sys.stdin.isatty():
            raise ReplayInvalid("--on-miss ask needs somebody at a terminal")
        # What they may be is checked below, for every way in.
        terms = ReplayTerms(
            tools=_policies(tool or ()),
            on_miss=on_miss,  # type: ignore[arg-type]
            model=model,  # type: ignore[arg-type]
            cost_usd=cost_usd,
            unpriced_calls=unpriced_calls,
        )
        chosen = ReplaySelection(run_ids=tuple(run_ids or ()), workflow=workflow, runs=runs)
        report = replay_runs(platform, release, chosen, ReplayOptions(terms=terms, ask=_ask))
        if screen.as_json:
            screen.json(
                {
                    **report.as_json(),
                    "evidence": report.evidence,
                    "replays": report.replays,
                    "seconds": round(report.seconds, 3),
                    "cost_usd": report.cost_usd,
                    "unpriced": dict(report.unpriced),
                }
            )
        else:
            from fairlead.entrypoints.cli.views.replay import replay_view

            screen.show(*replay_view(report, screen.columns, unicode=screen.unicode))
    if STATUS[report.conclusion]:
        raise typer.Exit(STATUS[report.conclusion])


def _policies(given: list[str] | tuple[str, ...]) -> dict[str, ToolPolicy]:
    from fairlead.operations import ToolPolicy

    found = {}
    for one in given:
        name, _, what = one.partition("=")
        mode, _, value = what.partition(":")
        known = [each for each in TOOL_MODES if each == mode]
        if not name or not known or (value and mode != "stub"):
            raise ReplayInvalid(f"--tool {one!r} is not NAME=recorded, NAME=live or NAME=stub:JSON")
        try:
            found[name] = ToolPolicy(mode=known[0], value=json.loads(value) if value else None)
        except ValueError as error:
            raise ReplayInvalid(f"--tool {name}: the value is not JSON: {error}") from error
    return found


async def _ask(call: Call) -> tuple[Json] | None:
    """Ask at the terminal for the answer to a call that is not on record."""
    from fairlead.entrypoints.cli.texts import one_line

    shown = one_line(json.dumps(call.arguments))[:500]
    sys.stderr.write(f"{call.kind} {one_line(call.name)} is not on record: {shown}\n")
    said = typer.prompt("Its answer as JSON; empty for none", default="", err=True)
    if not said.strip():
        return None
    try:
        return (json.loads(said),)
    except ValueError:
        sys.stderr.write("that is no JSON: the replay is undecided\n")
        return None
