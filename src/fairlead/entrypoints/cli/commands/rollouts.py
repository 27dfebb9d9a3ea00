"""Rolls a release out by what it does, shows the evidence, and gives it up."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.core.errors import FeedbackUnfit
from fairlead.entrypoints.cli.interruption import INTERRUPTION
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Env, Limit
from fairlead.entrypoints.cli.texts import safe
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.entrypoints.cli.screen import Screen
    from fairlead.operations import Heard, Platform, Rollout, RolloutStatus

Release = Annotated[str, typer.Argument(metavar="RELEASE", help="Its id, or how it begins.")]
Plan = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="How; else `rollout.yaml` of the app, or what is usual."
    ),
]
Override = Annotated[
    str | None,
    typer.Option("--override", metavar="TEXT", help="Start without a passed gate, and why."),
]
Fix = Annotated[
    bool,
    typer.Option("--fix", help="It mends what the release before did to users; `dora` counts it."),
]
PromoteNow = Annotated[
    str | None,
    typer.Option("--override", metavar="TEXT", help="Promote now, whatever was shown, and why."),
]
Id = Annotated[
    str | None,
    typer.Argument(metavar="[ROLLOUT]", help="Its id; else the one that goes on, or the newest."),
]
Meant = Annotated[
    str | None,
    typer.Argument(metavar="[ROLLOUT]", help="Its id: refused when another one goes on by now."),
]
Watch = Annotated[bool, typer.Option("--watch", help="Draw it again and again until it has ended.")]
Every = Annotated[
    float,
    typer.Option("--every", metavar="SECONDS", min=0.1, max=3600.0, help="Between two drawings."),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or how it begins.")]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="good, bad, or a number.")]
Name = Annotated[
    str,
    typer.Option("--name", metavar="NAME", help="What it is about; a metric `feedback:NAME`."),
]
SaidId = Annotated[
    str, typer.Option("--id", metavar="TEXT", help="A second telling under this id is dropped.")
]


def start(  # noqa: PLR0913 - each is an option of the command line
    release: Release,
    *,
    plan: Plan = None,
    fix: Fix = False,
    override: Override = None,
    env: Env = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a release a part of the new runs, and more of them as it proves itself."""
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        from fairlead.operations import read_rollout_terms, start_rollout

        terms = read_rollout_terms(platform, release, plan)
        if fix:
            terms = replace(terms, fix=True)
        rollout = start_rollout(platform, release, terms=terms, override=override)
        if screen.as_json:
            screen.json(_row(rollout))
            return
        screen.line(
            f"rollout {rollout.id} of release {rollout.candidate[:12]} began in "
            f"{rollout.environment}"
        )
        screen.line(f"Next: fairlead rollout status --watch{_there(env)}")


def status(
    rollout: Id = None,
    *,
    watch: Watch = False,
    every: Every = 1.0,
    env: Env = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Draw a rollout: its steps, shares, evidence against both thresholds, and the time expected.

    Exit status 0 while it goes on or when it is healthy, 1 when it was aborted or rolled back.
    """
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        from fairlead.operations import rollout_status

        found = rollout_status(platform, rollout)
        if screen.as_json:
            screen.json(_status(found))
        elif watch:
            with INTERRUPTION.gently("leaving"):
                found = _watch(platform, screen, found, every)
        else:
            _draw(platform, screen, found)
    if found.rollout.phase in ("aborted", "rolled_back"):
        raise typer.Exit(1)


def _watch(
    platform: Platform, screen: Screen, found: RolloutStatus, every_s: float
) -> RolloutStatus:
    """Draw until it has ended, or a signal comes."""
    from fairlead.operations import rollout_status

    drawn = None
    while not INTERRUPTION.asked:
        if found != drawn:
            screen.clear()
            _draw(platform, screen, found)
            drawn = found
        if found.rollout.final:
            break
        until = time.monotonic() + every_s
        while time.monotonic() < until and not INTERRUPTION.asked:
            time.sleep(0.05)
        found = rollout_status(platform, found.rollout.id)
    return found


def _draw(platform: Platform, screen: Screen, found: RolloutStatus) -> None:
    from fairlead.entrypoints.cli.views.rollout import rollout_view
    from fairlead.entrypoints.cli.views.waterfall import Drawing

    drawing = Drawing(
        columns=screen.chart_columns, unicode=screen.unicode, now=platform.clock.now()
    )
    screen.show(*rollout_view(found, drawing))


def list_all(
    *, limit: Limit = 20, env: Env = None, app: App = HERE, as_json: AsJson = False
) -> None:
    """List the environment's rollouts, newest first."""
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        from fairlead.operations import list_rollouts

        found = list_rollouts(platform, limit)
        if screen.as_json:
            screen.json([_row(one) for one in found])
        else:
            from fairlead.entrypoints.cli.views.rollout import rollouts_view

            screen.show(*rollouts_view(found, screen.columns))


def promote(
    rollout: Meant = None,
    *,
    reason: Reason = "",
    override: PromoteNow = None,
    env: Env = None,
    app: App = HERE,
) -> None:
    """Let the rollout that waits for a person go on; with --override, promote it at once."""
    with at_work(app, environment=env) as (platform, screen):
        from fairlead.operations import Order, operator, promote_rollout

        order = Order(by=operator(platform), reason=override or reason)
        now = override is not None
        screen.line(_said(promote_rollout(platform, order, override=now, rollout_id=rollout)))


def pause(rollout: Meant = None, *, reason: Reason = "", env: Env = None, app: App = HERE) -> None:
    """Hold the rollout where it is: its share stays, and harm still rolls it back."""
    with at_work(app, environment=env) as (platform, screen):
        from fairlead.operations import Order, operator, pause_rollout

        order = Order(by=operator(platform), reason=reason)
        screen.line(_said(pause_rollout(platform, order, rollout_id=rollout)))
        screen.line(f"Next: fairlead rollout promote{_there(env)}")


def abort(rollout: Meant = None, *, reason: Reason = "", env: Env = None, app: App = HERE) -> None:
    """Give all new runs back to the release before, without a mark on this one."""
    with at_work(app, environment=env) as (platform, screen):
        from fairlead.operations import Order, abort_rollout, operator

        order = Order(by=operator(platform), reason=reason)
        screen.line(_said(abort_rollout(platform, order, rollout_id=rollout)))


def feedback(  # noqa: PLR0913 - each is an option of the command line
    run: Run,
    value: Value,
    *,
    name: Name = "outcome",
    reason: Reason = "",
    id: SaidId = "",
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Say how good a run was, after its end: it counts in a rollout that goes on.

    A name that no metric of that rollout has is kept as well, and a warning says so.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import Order, give_feedback, operator

        order = Order(by=operator(platform), reason=reason)
        heard = give_feedback(platform, run, _value(value), name=name, order=order, id=id)
        if screen.as_json:
            screen.json(asdict(heard))
            return
        screen.line(_heard(heard) if heard.new else "it was said before; nothing was changed")
        if heard.warning:
            typer.echo(f"warning: rollout {heard.rollout}: {safe(heard.warning)}", err=True)


def _heard(heard: Heard) -> str:
    if heard.counts:
        return "noted"
    if heard.rollout:
        return f"noted; rollout {heard.rollout} has ended, so it does not count this"
    return f"noted; run {heard.run_id} is in no rollout, so none counts it"


def _value(text: str) -> str | float:
    if text in ("good", "bad"):
        return text
    try:
        return float(text)
    except ValueError:
        raise FeedbackUnfit(f"{text!r} is neither good nor bad nor a number") from None


def _there(env: str | None) -> str:
    return "" if env is None else f" --env {env}"


def _said(rollout: Rollout) -> str:
    share = f"{rollout.weight:.0%} of new runs start on {rollout.candidate[:12]}"
    return f"rollout {rollout.id} is {rollout.phase.replace('_', ' ')}; {share}"


def _row(rollout: Rollout) -> dict[str, Any]:
    data = asdict(rollout)
    del data["analysis"]
    return data


def _status(found: RolloutStatus) -> dict[str, Any]:
    data = asdict(found)
    data["rollout"] = _row(found.rollout)
    analysis = found.rollout.analysis
    data |= {"canary_runs": analysis.canary, "baseline_runs": analysis.baseline}
    return data
