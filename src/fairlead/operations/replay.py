"""Recorded runs, executed again on a candidate release before it meets anybody."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf

from fairlead.authoring.app import App
from fairlead.bootstrap import (
    Platform,
    is_remote_embedder,
    load_app,
    materialised,
    replay_runner,
)
from fairlead.core.calls import Call
from fairlead.core.digests import Json
from fairlead.core.errors import (
    CodeMismatch,
    InvalidInput,
    ReleaseDamaged,
    ReplayInvalid,
    ReplayOtherCode,
    ReplayUnpriced,
    ReplayUnsafe,
    UnknownRelease,
    UnknownWorkflow,
)
from fairlead.core.event import Fact
from fairlead.core.pairs import PairTerms
from fairlead.core.release import Release
from fairlead.core.replay import (
    MODEL_MODES,
    ON_MISS,
    RUNS_LIMIT,
    RUNS_MAX,
    TOOL_MODES,
    UNPRICED_CALLS_MAX,
    ReplayTerms,
)
from fairlead.delivery.replay import Comparison, Passed, ReplayReport, succeeded
from fairlead.operations.identity import allow, operator, reach, reached_run
from fairlead.operations.requests import is_here
from fairlead.ports.recordings import Choice, Recording
from fairlead.runtime.replay import Player
from fairlead.runtime.replay.models import live_workflows, models_of
from fairlead.runtime.replay.purse import Purse
from fairlead.runtime.replay.tape import Asker
from fairlead.runtime.tools import result_of


@dataclass(frozen=True, kw_only=True)
class ReplaySelection:
    """Which recorded runs are replayed.

    Attributes:
        run_ids: These runs, by id or by a prefix that only one run has; empty for the newest.
        workflow: Only runs of this workflow; empty for all.
        runs: Most runs, the newest ones that ended by themselves and are kept.
    """

    run_ids: tuple[str, ...] = ()
    workflow: str = ""
    runs: int = RUNS_MAX


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """How they are replayed, and what counts as evidence.

    Attributes:
        terms: What answers calls, and the bounds of time.
        evidence: What counts as evidence.
        passed: Says whether a run passed; by default, that it succeeded with all of its checks.
        ask: Asks somebody for what is not on record, where `on_miss` is `ask`.
    """

    terms: ReplayTerms = field(default_factory=ReplayTerms)
    evidence: PairTerms = field(default_factory=PairTerms)
    passed: Passed = succeeded
    ask: Asker | None = None


def replay_runs(
    platform: Platform,
    candidate: str,
    selection: ReplaySelection | None = None,
    options: ReplayOptions | None = None,
) -> ReplayReport:
    """Execute recorded runs again on a candidate release, with the recording for an outside.

    Nothing is written but one event. Call it outside of an event loop.

    Args:
        platform: The open platform.
        candidate: The release's digest or a prefix. Its code is the app's as it stands here, or
            else comes from the release's archive.
        selection: Which runs; by default the newest ones.
        options: How; by default all answers come from the recording, models excepted that the
            candidate asks otherwise.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        UnknownRelease: There is no such release.
        UnknownRun: A run that was named is not there.
        UnknownWorkflow: The candidate has no workflow of that name.
        ReplayOtherCode: The candidate was made from other code than the app's here, and has no
            archive; or this process has loaded other code already.
        ArchiveDamaged: The candidate's archive is not what it was made from.
        ReleaseUnwritable: The candidate's files cannot be put into a folder.
        ReplayUnsafe: A tool was to be live that is no `read` tool.
        ReplayInvalid: It is asked for what a replay cannot do, or beyond its bounds.
        ReplayUnpriced: A bound in US dollars is given, and cannot be kept.
    """
    allow(platform, "replay")
    chosen, how = selection or ReplaySelection(), options or ReplayOptions()
    release = platform.release_store.get(candidate)
    _check(release, chosen, how)
    app, code = _app_of(platform, release), release.manifest.code_digest
    for name, policy in how.terms.tools.items():
        if policy.mode == "stub" and not _fits(app, name, policy.value):
            # Else the candidate would be blamed for it.
            what = f"the stub of tool {name} is nothing that it returns"
            raise ReplayInvalid(what, tool=name)
    modes = {policy.mode for policy in how.terms.tools.values()}
    live = "live" in modes or how.terms.on_miss == "live-read"
    runner = replay_runner(platform, app, code, live=live)
    player = Player(
        runner=runner,
        release=release,
        terms=how.terms,
        remote_embedder=is_remote_embedder,
        ask=None if how.ask is None else _asking(app, how.ask),
        purse=Purse(most_usd=how.terms.most_usd, most_unpriced=how.terms.most_unpriced),
    )
    # What an A/A replay measures is the replay: so models answer from the recording there.
    recorded = replace(player, terms=ReplayTerms(model="recorded", run_wall_s=how.terms.run_wall_s))
    known: dict[str, Player | str] = {}

    def own(one: Release) -> Player | str:
        if one.digest not in known:
            other = one.manifest.code_digest != code
            why = f"it was made by other code ({one.manifest.code_digest[:12]}) than is replayed"
            known[one.digest] = why if other else replace(recorded, release=one, compiled={})
        return known[one.digest]

    recordings = _recordings(platform, release, chosen)
    releases, damaged = _releases(platform, recordings)
    recordings = [
        replace(one, unusable=damaged[one.run.release]) if one.run.release in damaged else one
        for one in recordings
    ]
    if how.terms.cost_usd is not None and how.terms.unpriced_calls is None:
        workflows = live_workflows(recordings, releases, release, how.terms)
        _refuse_unpriced(player, workflows, how.terms.cost_usd)
    comparison = Comparison(
        player=player,
        own=own,
        releases=releases,
        terms=how.terms,
        evidence=how.evidence,
        passed=how.passed,
    )
    with _without_rest(gc.get_freeze_count()):
        report = asyncio.run(comparison.run(recordings))
    _record(platform, report)
    return report


def _app_of(platform: Platform, release: Release) -> App:
    """Import the app that a release was made of: from the folder, else from its archive.

    Raises:
        ReplayOtherCode: Neither has it, or this process cannot execute it.
    """
    if is_here(platform, release):
        return load_app(platform.settings)
    other = (
        f"release {release.id} was made from code {release.manifest.code_digest[:12]}, and the app "
        f"in {platform.settings.folder} has other code"
    )
    if not release.archive:
        raise ReplayOtherCode(f"{other}; the release has no archive", release=release.digest)
    try:
        there = materialised(platform.settings, platform.release_store, release)
        app = load_app(there)
    except CodeMismatch as error:
        raise ReplayOtherCode(f"{other}; {error.message}", release=release.digest) from error
    # A reading tool that is really asked may be a program of the app's.
    platform.mcp.start_in(there.folder)
    return app


@contextmanager
def _without_rest(frozen: int) -> Iterator[None]:
    """Let the garbage collector pass over what was there before: a fifth of a replay's time.

    Args:
        frozen: How many objects somebody else has taken from it: then it is left alone.
    """
    if frozen:
        yield
        return
    thresholds = gc.get_threshold()
    gc.freeze()
    # As in a worker: a call makes thousands of small objects, and few of them are left in a cycle.
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _check(release: Release, chosen: ReplaySelection, how: ReplayOptions) -> None:
    """Refuse what a replay cannot do, before anything is read."""
    terms, manifest = how.terms, release.manifest
    if not 1 <= chosen.runs <= RUNS_LIMIT or len(chosen.run_ids) > RUNS_LIMIT:
        raise ReplayInvalid(f"from 1 to {RUNS_LIMIT} runs can be replayed, not {chosen.runs}")
    if terms.on_miss not in ON_MISS or terms.model not in (*MODEL_MODES, None):
        raise ReplayInvalid(f"there is no way {terms.on_miss!r} or {terms.model!r} to answer calls")
    if terms.run_wall_s <= 0 or terms.wall_s <= 0:
        raise ReplayInvalid("a replay needs more than 0 seconds")
    if not 0.0 <= terms.most_usd < inf:
        raise ReplayInvalid(f"replays cannot cost at most {terms.cost_usd!r} USD")
    if not 0 <= terms.most_unpriced <= UNPRICED_CALLS_MAX:
        most = f"from 0 to {UNPRICED_CALLS_MAX} turns of models without a known price"
        raise ReplayInvalid(f"{most} can be allowed, not {terms.unpriced_calls!r}")
    if chosen.workflow and chosen.workflow not in manifest.workflows:
        raise UnknownWorkflow(
            f"release {release.id} has no workflow {chosen.workflow!r}", workflow=chosen.workflow
        )
    for name, policy in terms.tools.items():
        contract = manifest.contracts.get(name)
        if contract is None or policy.mode not in TOOL_MODES:
            known = ", ".join(sorted(manifest.contracts)) or "none"
            what = f"release {release.id} has no tool {name!r}; it has: {known}"
            raise ReplayInvalid(
                what if contract is None else f"tool {name} cannot be {policy.mode!r}", tool=name
            )
        if policy.mode == "live" and contract.effect != "read":
            raise ReplayUnsafe(
                f"tool {name} has effect {contract.effect}, and a replay executes none", tool=name
            )


def _refuse_unpriced(player: Player, workflows: Iterable[str], most_usd: float) -> None:
    """Refuse a bound in US dollars that cannot be kept, before a model is asked."""
    prices = player.runner.services.prices
    asked = models_of(player.runner, player.release, workflows)
    found = [
        name for name in asked if prices.cost_usd(name, input_tokens=1, output_tokens=1) is None
    ]
    if found:
        names = ", ".join(found)
        what = f"models without a known price: {names}"
        raise ReplayUnpriced(
            f"release {player.release.id} would be replayed with {what}; a bound of {most_usd:g} "
            "USD cannot be kept for them",
            release=player.release.digest,
            models=names,
        )


def _fits(app: App, name: str, value: Json) -> bool:
    """Say whether a tool could return a value; of one that is none of the app's, nobody knows."""
    if name not in app.tools:
        return True
    try:
        result_of(app.tools[name]).load(value)
    except InvalidInput:
        return False
    return True


def _asking(app: App, ask: Asker) -> Asker:
    """Ask somebody, and take what a tool could not return for no answer."""

    async def asked(call: Call) -> tuple[Json] | None:
        said = await ask(call)
        fits = said is None or call.kind != "tool" or _fits(app, call.name, said[0])
        return said if fits else None

    return asked


def _recordings(
    platform: Platform, release: Release, chosen: ReplaySelection
) -> Sequence[Recording]:
    app = release.manifest.app
    if chosen.run_ids:
        ids: Sequence[str] = [reached_run(platform, one).id for one in chosen.run_ids]
        return platform.recordings.load(list(dict.fromkeys(ids)))
    choice = Choice(
        app=app,
        workflow=chosen.workflow,
        most=chosen.runs,
        apart_from=release.digest,
        tenant=reach(platform),
    )
    # What the candidate did itself says nothing of what it changes; where nobody else ran, it is
    # its own measure.
    ids = platform.recordings.choose(choice) or platform.recordings.choose(
        replace(choice, apart_from="")
    )
    return platform.recordings.load(ids)


def _releases(
    platform: Platform, recordings: Sequence[Recording]
) -> tuple[dict[str, Release], dict[str, str]]:
    """Return the releases of recordings by digest, and why some cannot be read."""
    found: dict[str, Release] = {}
    damaged: dict[str, str] = {}
    for digest in {one.run.release for one in recordings}:
        try:
            found[digest] = platform.release_store.get(digest)
        except (ReleaseDamaged, UnknownRelease) as error:
            damaged[digest] = f"its release cannot be read: {error.message}"
    return found, damaged


def _record(platform: Platform, report: ReplayReport) -> None:
    """Put on record what a replay came to; its details are what the digest names."""
    data = {
        "by": operator(platform),
        "conclusion": report.conclusion,
        "verdicts": report.verdicts,
        "noise": report.noise,
        "pairs": report.pairs.as_json(),
        "evidence": report.evidence,
    }
    fact = Fact(chain=f"release:{report.candidate}", type="replay.finished", data=data)
    platform.events.append([fact])
