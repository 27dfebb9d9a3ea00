"""What a platform team may do with its baseline, and how a release is made under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.bootstrap import Platform, compile_texts, read_baseline_files, resolve_app
from fairlead.core.baseline import WINDOW_S_MAX, Baseline, baseline_json
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidBaseline, InvalidInput
from fairlead.core.provenance import Provenance
from fairlead.core.release import Release, diff_json
from fairlead.delivery.baseline import (
    BaselineReport,
    made_under,
    refuse_violations,
)
from fairlead.delivery.baseline import check_baseline as _check
from fairlead.delivery.trial import RUNS_TRIED, Trial
from fairlead.guardrails.baseline import (
    baseline_findings,
    bundle_of,
    under,
    unevaluable,
)
from fairlead.operations.identity import allow
from fairlead.operations.making import Making
from fairlead.operations.policies import tried_on
from fairlead.ports.baselines import Published


@dataclass(frozen=True, kw_only=True)
class Live:
    """An active release, and what it was made with.

    Attributes:
        environment: Where it is active.
        release: The release.
        baseline: Name and version of its baseline; empty for none.
        current: Whether that is the one in force.
    """

    environment: str
    release: Release
    baseline: str
    current: bool


@dataclass(frozen=True, kw_only=True)
class BaselineRow:
    """A baseline and whether releases made with it are accepted.

    Attributes:
        published: The baseline.
        state: `in force`, `accepted` (in its window), `past` or `published`.
        until: Until when it is accepted, in seconds since 1970; None without an end.
    """

    published: Published
    state: str
    until: float | None = None


def create_release(platform: Platform, stated: Provenance | None = None) -> tuple[Release, bool]:
    """Make a release of the app as it stands in its folder, with an archive of its files.

    Args:
        platform: The open platform.
        stated: What is known of where it comes from; None leaves all of it to git. What is stated
            wins over what git says.

    Returns:
        The release, and whether it is new: identical content is the same release.

    Raises:
        BaselineViolated: The app asks for more than the platform's baseline allows.
        InvalidConfig: Its policies, or those that are only tried, do not compile: no run of the
            release could decide anything.
        ArchiveTooLarge: Its files are too large.
        SecretInRelease: One of them holds a secret.
    """
    allow(platform, "release create")
    _, files, asked = resolve_app(platform.settings)
    baseline = platform.baseline
    refuse_violations(baseline, asked)
    compile_texts(asked.policies)
    compile_texts(asked.shadow)
    return Making.of(platform, files, stated).make(made_under(asked, baseline))


def check_baseline(folder: Path) -> BaselineReport:
    """Look whether a folder holds a baseline whose rules make sense.

    Args:
        folder: The platform team's folder.

    Raises:
        InvalidBaseline: A value is not understood.
    """
    return _check(read_baseline_files(folder), compile_texts)


def publish_baseline(platform: Platform, folder: Path, by: str) -> tuple[Published, bool]:
    """Store a version of the baseline; it changes nothing until it is enforced.

    Args:
        platform: The open platform.
        folder: The platform team's folder.
        by: Who publishes it.

    Returns:
        The version, and whether it is new: identical content is the same version.

    Raises:
        InvalidBaseline: Its rules make no sense.
        BaselineVersionTaken: The version was published with other content.
    """
    allow(platform, "baseline publish")
    baseline = _sound(folder)
    new = platform.baselines.publish(baseline, by)
    return platform.baselines.get(baseline.digest), new


def list_baselines(platform: Platform) -> Sequence[BaselineRow]:
    """Return all baselines, newest first, and which of them are accepted.

    Args:
        platform: The open platform.
    """
    allow(platform, "baseline list")
    standing = platform.baselines.standing()
    rows = []
    for published in platform.baselines.list():
        until = standing.until(published.digest)
        if until is None:
            rows.append(BaselineRow(published=published, state="published"))
        elif published.digest == standing.current:
            rows.append(BaselineRow(published=published, state="in force"))
        else:
            state = "accepted" if standing.now < until else "past"
            rows.append(BaselineRow(published=published, state=state, until=until))
    return rows


def live_releases(platform: Platform) -> Sequence[Live]:
    """Return every environment's active release, and the baseline that it was made with.

    Args:
        platform: The open platform.
    """
    current = platform.baselines.standing().current
    sound = {release.digest: release for release in platform.release_store.list()}
    found = []
    for environment, digest in platform.release_store.active().items():
        release = sound.get(digest)
        if release is None:
            continue  # It is damaged: `fairlead events verify` says so, and no run starts on it.
        baseline = release.manifest.baseline
        found.append(
            Live(
                environment=environment,
                release=release,
                baseline=baseline.id if baseline else "",
                current=current == (baseline.digest if baseline else None),
            )
        )
    return found


def diff_baselines(platform: Platform, a: str, b: str) -> list[tuple[str, Json, Json]]:
    """List what differs between two baselines: path, old value, new value.

    Args:
        platform: The open platform.
        a: The older one, by version or digest.
        b: The newer one.
    """
    allow(platform, "baseline diff")
    before, after = (platform.baselines.get(name).baseline for name in (a, b))
    return diff_json(baseline_json(before), baseline_json(after))


def try_baseline(platform: Platform, folder: Path, *, runs: int = RUNS_TRIED) -> Sequence[Trial]:
    """Try a baseline on every active release and on their apps' recorded calls; write nothing.

    Args:
        platform: The open platform.
        folder: The platform team's folder.
        runs: Most runs of each app, the newest ones.

    Raises:
        InvalidBaseline: Its rules make no sense.
    """
    allow(platform, "baseline try")
    baseline = _sound(folder)

    def changed(release: Release) -> Trial:
        manifest = release.manifest
        tried = tried_on(
            platform,
            manifest.app,
            runs,
            lambda one: under(
                bundle_of(one.manifest, compile_texts),
                one.manifest.policies,
                baseline,
                compile_texts,
            ),
        )
        return Trial(
            app=manifest.app,
            release=release.digest,
            environments=tuple(name for name, digest in active.items() if digest == release.digest),
            findings=(
                *baseline_findings(baseline, manifest),
                *unevaluable(baseline, manifest, compile_texts),
            ),
            runs=tried.runs,
            calls=tried.calls,
            untried=tried.untried,
            changes=tried.changes,
        )

    active = platform.release_store.active()
    releases = [platform.release_store.get(digest) for digest in sorted(set(active.values()))]
    return [changed(release) for release in sorted(releases, key=lambda one: one.manifest.app)]


def enforce_baseline(
    platform: Platform, name: str, by: str, *, window_s: float | None = None
) -> tuple[Published, float]:
    """Put a baseline in force: from now on new releases are made with it.

    Args:
        platform: The open platform.
        name: Its version, or a prefix of its digest.
        by: Who orders it.
        window_s: Seconds for which what was accepted before is still accepted; None for the
            baseline's own.

    Returns:
        The baseline, and the window in seconds.

    Raises:
        UnknownBaseline: It was not published.
        InvalidInput: The window is none.
    """
    allow(platform, "baseline enforce")
    published = platform.baselines.get(name)
    chosen = published.baseline.window_s if window_s is None else window_s
    if not 0 <= chosen <= WINDOW_S_MAX:
        raise InvalidInput(f"a window is from 0 to {WINDOW_S_MAX:.0f} s, not {chosen:g}")
    platform.baselines.enforce(published.digest, chosen, by)
    return published, chosen


def _sound(folder: Path) -> Baseline:
    report = check_baseline(folder)
    if report.findings:
        raise InvalidBaseline(f"baseline {report.baseline.id}: {'; '.join(report.findings)}")
    return report.baseline
