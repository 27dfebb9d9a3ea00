"""The platform's baseline: checked, published, tried, and put in force above every app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.entrypoints.cli.inputs import duration_s
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Runs
from fairlead.entrypoints.cli.screen import speaking
from fairlead.entrypoints.cli.texts import moment
from fairlead.entrypoints.cli.workplace import at_work, quieten

if TYPE_CHECKING:
    from fairlead.operations import BaselineRow, Live

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The folder with baseline.toml.")]
Version = Annotated[
    str, typer.Argument(metavar="VERSION", help="A version, or 8 or more digits of its digest.")
]
Before = Annotated[str, typer.Argument(metavar="A", help="The older version.")]
After = Annotated[str, typer.Argument(metavar="B", help="The newer version.")]
Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="TIME",
        help="How long releases made with the version before are still accepted, such as 7d, 12h "
        "or 0s; else as baseline.toml says.",
    ),
]


def check(folder: Dir, *, as_json: AsJson = False) -> None:
    """Look whether a baseline is valid and its rules make sense.

    Exit status 1 when they do not.
    """
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import check_baseline

        report = check_baseline(folder)
        if screen.as_json:
            baseline = {"digest": report.baseline.digest, **asdict(report.baseline)}
            screen.json({"baseline": baseline, "rules": report.rules, "findings": report.findings})
        else:
            from fairlead.entrypoints.cli.views.baselines import report_view

            screen.show(*report_view(report.baseline, report.rules, report.findings))
    if report.findings:
        raise typer.Exit(1)


def publish(folder: Dir, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Store a version of the baseline; it changes nothing until it is enforced."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import operator, publish_baseline

        published, new = publish_baseline(platform, folder, operator(platform))
        baseline = published.baseline
        if screen.as_json:
            screen.json({"digest": published.digest, "version": baseline.version, "new": new})
        else:
            what = "published" if new else "is there already: nothing has changed since"
            screen.line(f"baseline {baseline.id} ({published.digest[:12]}) {what}")
            screen.line(f"Next: fairlead baseline enforce {baseline.version}")


def list_all(*, app: App = HERE, as_json: AsJson = False) -> None:
    """List baselines, newest first, and with which one each active release was made."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import list_baselines, live_releases

        rows, live = list_baselines(platform), live_releases(platform)
        if screen.as_json:
            screen.json({"baselines": [_row(row) for row in rows], "active": _live(live)})
        else:
            from fairlead.entrypoints.cli.views.baselines import baselines_view

            screen.show(*baselines_view(rows, live, screen.columns))


def show(version: Version, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Print what a baseline holds."""
    with at_work(app, as_json=as_json) as (platform, screen):
        published = platform.baselines.get(version)
        if screen.as_json:
            screen.json(asdict(published))
        else:
            from fairlead.entrypoints.cli.views.baselines import baseline_view

            screen.show(*baseline_view(published.baseline))


def diff(a: Before, b: After, *, app: App = HERE, as_json: AsJson = False) -> None:
    """List what differs between two baselines."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import diff_baselines

        found = diff_baselines(platform, a, b)
        if screen.as_json:
            screen.json([{"path": path, "before": old, "after": new} for path, old, new in found])
        else:
            from fairlead.entrypoints.cli.views.release import diff_view

            screen.show(*diff_view(found))


def try_out(folder: Dir, *, runs: Runs = 100, app: App = HERE, as_json: AsJson = False) -> None:
    """Try a baseline on all active releases and on recorded calls; write nothing.

    It lists what the baseline would narrow, deny, ask about or redact, app by app.

    Exit status 1 when an active release does not keep to the baseline.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import try_baseline

        trials = try_baseline(platform, folder, runs=runs)
        if screen.as_json:
            screen.json([asdict(trial) for trial in trials])
        else:
            from fairlead.entrypoints.cli.views.trials import trials_view

            screen.show(*trials_view(trials, screen.columns))
    if any(trial.findings for trial in trials):
        raise typer.Exit(1)


def enforce(
    version: Version, *, window: Window = None, app: App = HERE, as_json: AsJson = False
) -> None:
    """Put a baseline in force: new releases are made with it, for every app of the database.

    Releases made with the version before may be activated for as long as the window lasts. Runs
    stay pinned to what their release was made with.
    """
    window_s = None if window is None else duration_s(window)
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import enforce_baseline, live_releases, operator

        published, chosen = enforce_baseline(
            platform, version, operator(platform), window_s=window_s
        )
        live = live_releases(platform)
        if screen.as_json:
            screen.json({"digest": published.digest, "window_s": chosen, "active": _live(live)})
            return
        end = moment(platform.baselines.standing().now + chosen)
        screen.line(f"baseline {published.baseline.id} is in force")
        screen.line(f"what was accepted before is accepted until {end} UTC, or less")
        for one in live:
            if not one.current:
                made = f"baseline {one.baseline}" if one.baseline else "no baseline"
                screen.line(
                    f"{one.environment}: release {one.release.id} of {one.release.manifest.app} "
                    f"was made with {made}; make and activate a new one"
                )


def _row(row: BaselineRow) -> dict[str, Any]:
    published = row.published
    return {
        "digest": published.digest,
        "name": published.baseline.name,
        "version": published.baseline.version,
        "state": row.state,
        "until": row.until,
        "by": published.by,
        "published_at": published.published_at,
    }


def _live(live: Sequence[Live]) -> list[dict[str, Any]]:
    return [
        {
            "environment": one.environment,
            "app": one.release.manifest.app,
            "release": one.release.digest,
            "baseline": one.baseline,
            "current": one.current,
        }
        for one in live
    ]
