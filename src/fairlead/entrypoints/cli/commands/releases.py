"""Makes releases, compares them, and chooses the active one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.core.errors import StoreCorrupt
from fairlead.core.provenance import Provenance
from fairlead.entrypoints.cli.ending import explain
from fairlead.entrypoints.cli.options import HERE, App, AsJson, Env
from fairlead.entrypoints.cli.workplace import at_work

if TYPE_CHECKING:
    from fairlead.operations import Deployment, Platform, Release

Id = Annotated[str, typer.Argument(metavar="ID", help="The release's id, or how it begins.")]
Before = Annotated[str, typer.Argument(metavar="A", help="The older release.")]
After = Annotated[str, typer.Argument(metavar="B", help="The newer release.")]
Override = Annotated[
    str | None,
    typer.Option("--override", metavar="REASON", help="Do without a passed gate, and say why."),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]


Commit = Annotated[
    str | None,
    typer.Option("--commit", metavar="NAME", help="The commit it is made of; else git is asked."),
]
CommittedAt = Annotated[
    str | None,
    typer.Option("--committed-at", metavar="TIME", help="When that was made, such as 2026-11-30."),
]
Author = Annotated[
    str | None, typer.Option("--author", metavar="NAME", help="Who made it; the name only.")
]


def create(
    *,
    commit: Commit = None,
    committed_at: CommittedAt = None,
    author: Author = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a release of the app as it stands in its folder."""
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import create_release

        release, new = create_release(platform, _stated(commit, committed_at, author))
        if screen.as_json:
            screen.json({"release": release.digest, "id": release.id, "new": new})
        else:
            what = "made" if new else "is there already: nothing has changed since"
            screen.line(f"release {release.id} {what}")
            if platform.release_store.gate(release.digest) is None:
                screen.line("Next: fairlead check")


def list_all(*, env: Env = None, app: App = HERE, as_json: AsJson = False) -> None:
    """List releases, newest first, with their gates and which one is active."""
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        standing = _standing(platform)
        rows = [_row(platform, release, standing) for release in platform.release_store.list()]
        for damage in platform.release_store.damaged():
            explain(damage)
        if screen.as_json:
            screen.json(rows)
        else:
            from fairlead.entrypoints.cli.views.listings import releases_view

            screen.show(*releases_view(rows, screen.columns))


def show(id: Id, *, env: Env = None, app: App = HERE, as_json: AsJson = False) -> None:
    """Print what a release holds, and the evidence of its gates in each environment.

    With --env the evidence is what holds in that environment, and so are its state and the
    readiness to roll back.
    """
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        from rich.text import Text

        from fairlead.core.release import manifest_json
        from fairlead.entrypoints.cli.views.dora import readiness_text, rollback_json
        from fairlead.operations import rollback_readiness

        release = platform.release_store.get(id)
        row = _row(platform, release, _standing(platform))
        evidence = platform.release_store.gate(release.digest)
        everywhere = platform.release_store.evidence_on(release.digest)
        if env is not None:
            # What was found of the release alone names no environment, and holds in each.
            here = ("", platform.settings.environment)
            everywhere = [one for one in everywhere if one.environment in here]
        way_back = rollback_readiness(platform, release.digest)
        if screen.as_json:
            gate = None if evidence is None else asdict(evidence)
            more = {"evidence": gate, "gates": [asdict(one) for one in everywhere]}
            more["rollback"] = rollback_json(way_back)
            screen.json({**row, **more, "manifest": manifest_json(release.manifest)})
        else:
            from fairlead.entrypoints.cli.views.environments import evidence_view
            from fairlead.entrypoints.cli.views.release import release_view

            screen.show(*release_view(release, row, evidence))
            screen.show(*evidence_view(everywhere, screen.columns))
            text = readiness_text(way_back, unicode=screen.unicode)
            screen.show(Text.assemble(("rollback  ", "bold"), text))


def diff(a: Before, b: After, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Say what differs between two releases, and what each difference asks for.

    breaking: somebody relies on what is gone or stricter now. routing: models or policies may
    decide otherwise, so replay is required. information: all else. The worst is the whole's.
    """
    with at_work(app, as_json=as_json) as (platform, screen):
        from fairlead.operations import compare_releases

        found = compare_releases(platform, a, b)
        if screen.as_json:
            screen.json(
                [
                    {
                        "path": ".".join(one.path),
                        "before": one.before,
                        "after": one.after,
                        "class": one.impact,
                        "words": one.words,
                    }
                    for one in found
                ]
            )
        else:
            from fairlead.entrypoints.cli.views.changes import changes_view

            screen.show(*changes_view(found))


def activate(id: Id, *, override: Override = None, env: Env = None, app: App = HERE) -> None:
    """Let new runs start on a release whose gate has passed."""
    with at_work(app, environment=env) as (platform, screen):
        from fairlead.operations import activate_release

        release = activate_release(platform, id, override=override)
        screen.line(f"release {release.id} is active in {platform.settings.environment}")


Drill = Annotated[
    bool,
    typer.Option("--drill", help="Try it in a scratch place with runs in flight, and record that."),
]
Drilled = Annotated[
    str | None,
    typer.Option(
        "--release",
        metavar="ID",
        help="The one that harms; else what new runs start on. With --drill: the one that is "
        "tried before it is active.",
    ),
]


Meant = Annotated[
    str | None,
    typer.Argument(
        metavar="[ROLLOUT]",
        help="The rollout whose release harms: refused when another one goes on by now.",
    ),
]


def rollback(  # noqa: PLR0913 - each is an option of the command line
    rollout: Meant = None,
    *,
    reason: Reason = "no reason was given",
    drill: Drill = False,
    release: Drilled = None,
    env: Env = None,
    app: App = HERE,
    as_json: AsJson = False,
) -> None:
    """Put the previous good release back, and mark the active one bad.

    With --drill nothing of that happens: both releases are promoted and rolled back on a database
    of their own, no effect is executed, and exit status 1 says that something did not hold.
    """
    if drill and rollout is not None:
        raise typer.BadParameter("a drill is of a release", param_hint="ROLLOUT")
    if drill:
        _drill(release, env, app, as_json)
        return
    if as_json:
        raise typer.BadParameter("it needs --drill", param_hint="--json")
    with at_work(app, environment=env) as (platform, screen):
        from fairlead.operations import roll_back_release

        bad, good = roll_back_release(platform, reason=reason, release=release, rollout_id=rollout)
        environment = platform.settings.environment
        again = "no release" if good is None else f"release {good.id}"
        screen.line(f"{again} is active again in {environment}; {bad[:12]} is marked bad")


def _drill(release: str | None, env: str | None, app: Path, as_json: bool) -> None:
    with at_work(app, as_json=as_json, environment=env) as (platform, screen):
        from fairlead.entrypoints.cli.views.drill import drill_json, drill_view
        from fairlead.operations import drill_rollback

        found = drill_rollback(platform, release)
        if screen.as_json:
            screen.json(drill_json(found))
        else:
            screen.show(*drill_view(found, unicode=screen.unicode))
    if not found.passed:
        raise typer.Exit(1)


def _standing(platform: Platform) -> dict[str, Deployment]:
    from fairlead.operations import list_deployments

    return {one.release: one for one in list_deployments(platform)}


def _stated(commit: str | None, at: str | None, author: str | None) -> Provenance | None:
    """Return what the command line says of where a release comes from; None for nothing."""
    if commit is at is author is None:
        return None
    from fairlead.entrypoints.cli.inputs import moment_s

    return Provenance(
        commit=commit or "", author=author or "", committed_at=None if at is None else moment_s(at)
    )


def _row(platform: Platform, release: Release, standing: dict[str, Deployment]) -> dict[str, Any]:
    here = standing.get(release.digest)
    return {
        "release": release.digest,
        "id": release.id,
        "app": release.manifest.app,
        "active": here is not None and here.state == "current",
        "state": "inactive" if here is None else here.state,
        "weight": 0.0 if here is None else here.weight,
        "in_flight": 0 if here is None else here.in_flight,
        "bad": release.bad,
        "gate": _gate(platform, release),
        "code": release.manifest.code_digest,
        "bundle": release.manifest.bundle_digest,
        "baseline": _baseline(release),
        "created_at": release.created_at,
        "archive": release.archive or None,
        "provenance": None if release.provenance is None else release.provenance.json(),
    }


def _gate(platform: Platform, release: Release) -> str | None:
    try:
        evidence = platform.release_store.gate(release.digest)
    except StoreCorrupt:
        # One piece of evidence that somebody wrote over hides no other release.
        return "damaged"
    return None if evidence is None else evidence.conclusion


def _baseline(release: Release) -> dict[str, str] | None:
    baseline = release.manifest.baseline
    if baseline is None:
        return None
    return {"name": baseline.name, "version": baseline.version, "digest": baseline.digest}
