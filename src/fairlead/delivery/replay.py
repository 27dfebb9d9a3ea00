"""Replays recorded runs on a candidate, and says what that shows.

First each run is played on the release that it was made with (A/A): what differs there is noise of
the replay itself. Then it is played on the candidate. Whether the recorded run passed and whether
its replay did are a pair; `core/pairs.py` says when the pairs are evidence enough. A run that does
not come to its recorded result on its own release is undecided: the replay is to blame for that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import monotonic
from typing import TypeAlias, get_args

from fairlead.core.digests import Json, digest
from fairlead.core.pairs import (
    PairConclusion,
    Pairs,
    PairTerms,
    conclude_pairs,
    observe,
    pairs_needed,
)
from fairlead.core.release import Release
from fairlead.core.replay import Course, Difference, ReplayTerms, Verdict, compare
from fairlead.delivery.gate import CheckRun, Conclusion
from fairlead.ports.recordings import Recording
from fairlead.runtime.replay import Played, Player, let_go
from fairlead.runtime.replay.play import recorded_course
from fairlead.runtime.replay.purse import over_calls, over_cost

AT_ONCE = 8
"""Replays that are made side by side where somebody is really asked, such as a model."""

CHARS_MAX = 300
"""Longest word on why a judgement failed."""

_NO_TIME = "no time was left for it"
_NOISE = "on its own release it does not come to the recorded result either"

Passed: TypeAlias = Callable[[Recording, Course], bool]
"""Says whether a run passed, by what it did and came to."""


def succeeded(_: Recording, course: Course) -> bool:
    """Say that a run passed when it succeeded and none of its checks failed."""
    failed = any(check.endswith(" failed") for check in course.checks)
    return course.state == "succeeded" and not failed


@dataclass(frozen=True, kw_only=True)
class RunReplay:
    """What came of one recorded run.

    Attributes:
        run_id: The run.
        workflow: Its workflow.
        release: Digest of the release that it was made with.
        verdict: same, changed, or diverged: undecidable, which never counts as passed.
        why: Why it is undecidable; empty otherwise.
        differences: In what the replay differs.
        before: Whether the recorded run passed; None when its record cannot be used.
        after: Whether the replay passed; None when that cannot be decided.
        noise: Verdict of the replay on the run's own release; None when it was not made.
        noise_why: Why that one is undecidable or was not made; empty otherwise.
    """

    run_id: str
    workflow: str
    release: str
    verdict: Verdict
    why: str = ""
    differences: tuple[Difference, ...] = ()
    before: bool | None = None
    after: bool | None = None
    noise: Verdict | None = None
    noise_why: str = ""


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What replaying recorded runs on a candidate showed.

    Attributes:
        candidate: Digest of the candidate.
        runs: Every run, in the order in which they were asked for.
        pairs: The evidence.
        conclusion: success, failure, inconclusive or no_data.
        reason: The conclusion in words.
        terms: What counted as evidence.
        replays: How many replays were made, those that measure the noise among them.
        seconds: What all of it took.
        cost_usd: US dollars that calls cost which were really executed.
        unpriced: Turns by model that were really asked for, of models without a known price:
            `cost_usd` knows nothing of them.
    """

    candidate: str
    runs: tuple[RunReplay, ...]
    pairs: Pairs
    conclusion: PairConclusion
    reason: str
    terms: PairTerms
    replays: int
    seconds: float
    cost_usd: float = 0.0
    unpriced: Mapping[str, int] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of runs by verdict."""
        return _counted(one.verdict for one in self.runs)

    @property
    def noise(self) -> dict[str, int]:
        """Number of runs by verdict on their own release: of those that could be played there."""
        return _counted(one.noise for one in self.runs if one.noise is not None)

    @property
    def evidence(self) -> str:
        """Digest of all that the conclusion rests on."""
        return digest(self.as_json())

    def as_json(self) -> dict[str, Json]:
        """Return the report as JSON, without what it took."""
        return {
            "candidate": self.candidate,
            "conclusion": self.conclusion,
            "reason": self.reason,
            "verdicts": self.verdicts,
            "noise": self.noise,
            "pairs": self.pairs.as_json(),
            "terms": asdict(self.terms),
            "runs": [
                {**asdict(one), "differences": [asdict(each) for each in one.differences]}
                for one in self.runs
            ],
        }


class _Unjudged(Exception):
    """Whoever says whether a run passed cannot do so."""


@dataclass(kw_only=True)
class _Until:
    """When no further replay begins, by the clock that goes on while nobody is asked."""

    at: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two releases of one app, and how recorded runs are played on them.

    Attributes:
        player: Plays on the candidate.
        own: Returns what plays on a recorded run's own release; a text says why nothing does.
        releases: The releases of the recordings, by digest.
        terms: How calls are answered, and the bounds of time.
        evidence: What counts as evidence.
        passed: Says whether a run passed.
    """

    player: Player
    own: Callable[[Release], Player | str]
    releases: Mapping[str, Release]
    terms: ReplayTerms = field(default_factory=ReplayTerms)
    evidence: PairTerms = field(default_factory=PairTerms)
    passed: Passed = succeeded

    async def run(self, recordings: Sequence[Recording]) -> ReplayReport:
        """Play recordings, first on their own releases and then on the candidate.

        Args:
            recordings: What is on record of the runs.
        """
        begun, until = monotonic(), _Until(at=monotonic() + self.terms.wall_s)
        async with let_go(self.terms.run_wall_s):
            noise, played = await self._played(recordings, until)
        pairs, runs = Pairs(), []
        for recording, own, after in zip(recordings, noise, played, strict=True):
            made = self._judged(recording, own, after)
            runs.append(made)
            pairs = observe(pairs, before=bool(made.before), after=made.after, terms=self.evidence)
        conclusion = conclude_pairs(pairs, self.evidence)
        reason = _reason(pairs, self.evidence, conclusion)
        reason += self._poor(played)
        return ReplayReport(
            candidate=self.player.release.digest,
            runs=tuple(runs),
            pairs=pairs,
            conclusion=conclusion,
            reason=reason,
            terms=self.evidence,
            replays=sum(one.made for one in (*noise, *played)),
            seconds=monotonic() - begun,
            cost_usd=sum(one.cost_usd for one in (*noise, *played)),
            unpriced=dict(sorted(self.player.purse.unpriced.items())),
        )

    def _poor(self, played: Sequence[Played]) -> str:
        """Say how many runs are undecided because a bound on live models was reached."""
        usd, calls = self.terms.most_usd, self.terms.most_unpriced
        found = ""
        if poor := sum(one.why == over_cost(usd) for one in played):
            found += f"; {poor} are undecided as the bound of {usd:g} USD is spent"
        if poor := sum(one.why == over_calls(calls) for one in played):
            what = f"{calls} turns of models without a known price"
            found += f"; {poor} are undecided as the bound of {what} is reached"
        return found

    async def _played(
        self, recordings: Sequence[Recording], until: _Until
    ) -> tuple[list[Played], list[Played]]:
        noise = await _each(recordings, lambda one: self._on_own(one, until))
        # Somebody who is asked is asked of one run at a time, and the others do not wait meanwhile.
        at_once = 1 if self.terms.on_miss == "ask" else AT_ONCE
        return noise, await _each(
            recordings, lambda one: self._on(self.player, one, until), at_once
        )

    async def _on_own(self, recording: Recording, until: _Until) -> Played:
        """Play a run on the release that it was made with."""
        if recording.unusable:
            return Played(course=None, why=recording.unusable, made=False)
        own = self.own(self.releases[recording.run.release])
        if isinstance(own, str):
            return Played(course=None, why=own, made=False)
        return await self._on(own, recording, until)

    async def _on(self, player: Player, recording: Recording, until: _Until) -> Played:
        if recording.unusable:
            return Played(course=None, why=recording.unusable, made=False)
        if monotonic() >= until.at:
            return Played(course=None, why=_NO_TIME, made=False)
        played = await player.play(recording, self.releases[recording.run.release])
        until.at += played.asked_s
        return played

    def _judged(self, recording: Recording, own: Played, after: Played) -> RunReplay:
        why = recording.unusable
        try:
            if not why:
                return self._compared(recording, own, after)
        except _Unjudged as error:
            why = str(error)
        run = recording.run
        return RunReplay(
            run_id=run.id, workflow=run.workflow, release=run.release, verdict="diverged", why=why
        )

    def _passes(self, recording: Recording, course: Course) -> bool:
        try:
            return bool(self.passed(recording, course))
        except Exception as error:  # what was handed in is somebody's own code
            what = f"{type(error).__name__}: {error}"[:CHARS_MAX]
            raise _Unjudged(f"`passed` could not judge it: {what}") from error

    def _compared(self, recording: Recording, own: Played, after: Played) -> RunReplay:
        run, recorded = recording.run, recorded_course(recording)
        before = self._passes(recording, recorded)
        again = before if own.course is None else self._passes(recording, own.course)
        if after.course is not None and again != before:
            # What its own release does not come to again says nothing of another one.
            after = replace(after, course=None, why=_NOISE)
        verdict, found = _verdict(recorded, after)
        return RunReplay(
            run_id=run.id,
            workflow=run.workflow,
            release=run.release,
            verdict=verdict,
            why=after.why,
            differences=found,
            before=before,
            after=None if after.course is None else self._passes(recording, after.course),
            noise=_verdict(recorded, own)[0] if own.made else None,
            noise_why=own.why,
        )


def replay_check(report: ReplayReport) -> CheckRun:
    """Return a replay as one check of a gate; what shows nothing does not pass.

    Args:
        report: What it showed.
    """
    conclusions: dict[str, Conclusion] = {"success": "success", "failure": "failure"}
    conclusion = conclusions.get(report.conclusion, "neutral")
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in report.verdicts.items())
    return CheckRun(
        name="replay",
        conclusion=conclusion,
        summary=verdicts or "no run",
        findings=() if conclusion == "success" else (report.reason,),
        figures={
            "evidence": report.evidence,
            "verdicts": report.verdicts,
            "noise": report.noise,
            "pairs": report.pairs.as_json(),
        },
    )


async def _each(
    recordings: Sequence[Recording],
    play: Callable[[Recording], Awaitable[Played]],
    at_once: int = AT_ONCE,
) -> list[Played]:
    room = asyncio.Semaphore(at_once)

    async def one(recording: Recording) -> Played:
        async with room:
            return await play(recording)

    return list(await asyncio.gather(*(one(recording) for recording in recordings)))


def _verdict(recorded: Course, played: Played) -> tuple[Verdict, tuple[Difference, ...]]:
    if played.course is None:
        return "diverged", ()
    found = compare(recorded, played.course)
    return ("changed" if found else "same"), found


def _counted(verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in get_args(Verdict)}


def _reason(pairs: Pairs, terms: PairTerms, conclusion: PairConclusion) -> str:
    """Say in words what the pairs show."""
    if conclusion == "no_data":
        return "there is no recorded run to replay"
    against = f"{pairs.harmed} of {pairs.decided} runs passed before and not with the candidate"
    if conclusion == "failure":
        return f"the candidate is worse: {against}, {pairs.rescued} the other way round"
    if conclusion == "success":
        return f"the candidate harms less than {terms.margin:.0%} of the runs: {against}"
    replayed = pairs.decided + pairs.undecided
    if pairs.undecided > terms.undecided_max * replayed:
        share = pairs.undecided / replayed
        most = f"at most {terms.undecided_max:.0%} may be"
        return f"{pairs.undecided} of {replayed} replays are undecided ({share:.0%}; {most})"
    needed = pairs_needed(pairs, terms)
    return f"{against}; {needed} more that agree would show that it harms under {terms.margin:.0%}"
