"""What an operator may do to see what other policies would say, before they count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.bootstrap import Platform, compile_texts, read_policy_files
from fairlead.core.errors import FairleadError
from fairlead.core.release import Release
from fairlead.delivery.trial import RUNS_TRIED, Trial, Tried, try_calls
from fairlead.guardrails.baseline import bundle_of, under
from fairlead.guardrails.decide import Bundle
from fairlead.operations.identity import allow

DIFFERENCES_READ = 10_000
"""Most differences that are grouped, the newest ones."""


@dataclass(frozen=True, kw_only=True)
class DifferenceGroup:
    """Live calls of one tool of which the same rules say something else.

    Attributes:
        rules: Ids of the rules.
        kind: What was called.
        name: Name of what was called.
        enforced: What the policies said that are in force.
        shadow: What those said that are only tried.
        calls: How many calls.
        run_id: The newest run with such a call.
        time: When that call ended, in seconds since 1970.
    """

    rules: tuple[str, ...]
    kind: str
    name: str
    enforced: str
    shadow: str
    calls: int
    run_id: str
    time: float


def try_policies(platform: Platform, paths: Sequence[Path], *, runs: int = RUNS_TRIED) -> Trial:
    """Try policies in place of an app's own on its recorded calls; write nothing.

    Args:
        platform: The open platform; its active release says which app.
        paths: Files and folders with policies: all that would be in force.
        runs: Most runs of the app, the newest ones.

    Raises:
        InvalidInput: There is no policy.
        InvalidConfig: A text is no valid policy.
        UnknownRelease: No release is active.
    """
    allow(platform, "policy try")
    texts = read_policy_files(paths)
    authorizer = compile_texts(texts)
    release = platform.releases.current()
    app = release.manifest.app

    def changed(one: Release) -> Bundle:
        bundle = replace(bundle_of(one.manifest, compile_texts), authorizer=authorizer)
        return under(bundle, texts, one.manifest.baseline, compile_texts)

    tried = tried_on(platform, app, runs, changed)
    return Trial(
        app=app,
        release=release.digest,
        environments=(platform.settings.environment,),
        findings=(),
        runs=tried.runs,
        calls=tried.calls,
        untried=tried.untried,
        changes=tried.changes,
    )


def tried_on(
    platform: Platform, app: str, runs: int, changed: Callable[[Release], Bundle]
) -> Tried:
    """Try other policies on an app's recorded calls.

    Args:
        platform: The open platform.
        app: The app.
        runs: Most runs, the newest ones.
        changed: Returns the bundle that is tried in place of a release's own.
    """

    def bundles(digest: str) -> tuple[Bundle, Bundle] | None:
        try:
            release = platform.release_store.get(digest)
            return bundle_of(release.manifest, compile_texts), changed(release)
        except FairleadError:
            return None

    return try_calls(platform.recorded.calls(app, runs), bundles)


def policy_differences(platform: Platform) -> Sequence[DifferenceGroup]:
    """Group the live calls that the policies which are only tried would decide otherwise.

    Args:
        platform: The open platform; its active release says which app.

    Returns:
        The groups, the one with most calls first.

    Raises:
        UnknownRelease: No release is active.
    """
    allow(platform, "policy diffs")
    app = platform.releases.current().manifest.app
    groups = defaultdict(list)
    for one in platform.recorded.differences(app, DIFFERENCES_READ):
        groups[one.rules, one.kind, one.name, one.enforced, one.shadow].append(one)
    made = [
        DifferenceGroup(
            rules=rules,
            kind=kind,
            name=name,
            enforced=enforced,
            shadow=shadow,
            calls=len(found),
            run_id=found[0].run_id,
            time=found[0].time,
        )
        for (rules, kind, name, enforced, shadow), found in groups.items()
    ]
    return sorted(made, key=lambda group: (-group.calls, group.kind, group.name, group.rules))
