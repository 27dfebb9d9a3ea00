"""Plays a recording on a release: the product's own runner on the stage of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from fairlead.core.calls import Call, Result
from fairlead.core.digests import Json
from fairlead.core.errors import (
    CodeMismatch,
    DeadlineExceeded,
    FairleadError,
    JournalForeign,
    KillSwitchPulled,
    McpUnreachable,
    ModelKeyMissing,
    ModelKeyRefused,
    QuotaExhausted,
    RateExceeded,
    ReplayDiverged,
    RunQuarantined,
    SecretMissing,
)
from fairlead.core.errors.call import MAY_PASS
from fairlead.core.release import Release
from fairlead.core.replay import Course, ReplayTerms
from fairlead.ports.recordings import Recording
from fairlead.runtime.execute import Runner, Stores
from fairlead.runtime.replay.flags import StageFlags
from fairlead.runtime.replay.held import playing
from fairlead.runtime.replay.memory import PastMemory
from fairlead.runtime.replay.models import model_mode
from fairlead.runtime.replay.purse import Purse
from fairlead.runtime.replay.stage import (
    StageClock,
    StageEngine,
    StageEvents,
    StageHistory,
    StageJournal,
    StageLedgers,
    StageRuns,
    StageSeat,
    StageWaits,
    step_of,
)
from fairlead.runtime.replay.tape import Asker, Modes, Tape, TapeClock
from fairlead.runtime.scope import MemoryAccess

_NOT_REPEATABLE = frozenset(
    (
        DeadlineExceeded.code,
        RunQuarantined.code,
        CodeMismatch.code,
        JournalForeign.code,
        ReplayDiverged.code,
        ModelKeyMissing.code,
    )
)
"""Codes of runs that were ended by something outside of them, such as time or a key that is not
here, which is no part of a replay."""

_AWAY = MAY_PASS | {
    ModelKeyRefused.code,
    QuotaExhausted.code,
    RateExceeded.code,
    SecretMissing.code,
    McpUnreachable.code,
}
"""Codes of what is really asked and does not answer: that says nothing of the candidate."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of one replay.

    Attributes:
        course: What the run did and came to; None when that cannot be decided.
        why: Why not; empty when it can.
        made: Whether it was made at all.
        asked_s: Seconds for which somebody was asked meanwhile.
        cost_usd: US dollars that calls cost which were really executed.
    """

    course: Course | None
    why: str = ""
    made: bool = True
    asked_s: float = 0.0
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one replay is executed on."""

    tape: Tape
    engine: StageEngine
    journal: StageJournal
    runs: StageRuns


@dataclass(frozen=True, kw_only=True)
class _OneRelease:
    """The release that is tried, whatever the run is asked for."""

    release: Release

    def get(self, digest: str) -> Release:  # noqa: ARG002
        return self.release


@dataclass(frozen=True, kw_only=True)
class Player:
    """Plays recordings on one release; its rules are compiled once.

    Attributes:
        runner: A runner of the app's code with the real stores, which are only read.
        release: The release that is tried.
        terms: What answers calls.
        remote_embedder: Whether a release's embedding model is somewhere else.
        ask: Asks somebody for what is not on record.
        purse: What all replays spend.
        compiled: The release's rules, once they are compiled.
    """

    runner: Runner
    release: Release
    terms: ReplayTerms
    remote_embedder: Callable[[str], bool] = lambda _: False
    ask: Asker | None = None
    purse: Purse = field(default_factory=Purse)
    compiled: dict[str, Any] = field(default_factory=dict)

    async def play(self, recording: Recording, recorded: Release) -> Played:
        """Execute a recorded run again.

        Args:
            recording: What is on record of it.
            recorded: The release that it was made with.
        """
        manifest = self.release.manifest
        why = recording.unusable or _beyond(recording)
        gone = [one for one in _workflows(recording) if one not in manifest.workflows]
        if why or gone:
            return Played(course=None, why=why or f"the release has no workflow {gone[0]}")
        people = _People(bound=asyncio.timeout(self.terms.run_wall_s), ask=self.ask)
        modes = self._modes(recording, recorded, people)
        begun_at = recording.run.started_at or recording.run.created_at
        tape = Tape(recording, modes, TapeClock(at=begun_at))
        try:
            played = await self._executed(recording, tape, people.bound, live=modes.live)
        finally:
            tape.close()
        return replace(played, asked_s=people.asked_s, cost_usd=tape.cost_usd)

    async def _executed(
        self, recording: Recording, tape: Tape, bound: asyncio.Timeout, *, live: bool
    ) -> Played:
        manifest, begun_at = self.release.manifest, tape.clock.at
        engine, journal = StageEngine(tape=tape), StageJournal(tape=tape)
        run = replace(
            recording.run,
            release=self.release.digest,
            code_digest=manifest.code_digest,
            state="running",
            outcome=None,
            reason="",
            started_at=begun_at,
            finished_at=None,
        )
        runs = StageRuns(run=run, family=recording.family)
        stage = Stage(tape=tape, engine=engine, journal=journal, runs=runs)
        runner = self._staged(recording, stage, live=live)
        try:
            with playing(tape):
                async with bound:
                    await runner.execute(engine, run.id)
        except TimeoutError:
            return Played(course=None, why=f"the replay took over {self.terms.run_wall_s:g} s")
        except asyncio.CancelledError:
            # The calls of a run are shielded, so that only a cancellation is left of a miss.
            if not tape.missed:
                raise
        except FairleadError as error:
            tape.note(f"the replay could not be made: {error}")
        return self._ended(recording, stage)

    def _ended(self, recording: Recording, stage: Stage) -> Played:
        tape, engine, journal = stage.tape, stage.engine, stage.journal
        ending = stage.runs.ending
        if tape.missed or ending is None:
            return Played(course=None, why=tape.missed or "the replay did not end")
        outcome = ending.outcome or {}
        code = str(outcome.get("code", ""))
        stopped = code == KillSwitchPulled.code != (recording.run.outcome or {}).get("code")
        if stopped or (tape.live and code in _AWAY):
            return Played(course=None, why=f"somebody who was really asked failed: {ending.reason}")
        if code in _NOT_REPEATABLE:
            return Played(course=None, why=f"the replay was ended from outside: {ending.reason}")
        steps = tuple(journal.steps[number] for number in sorted(journal.steps))
        course = _course(ending.state, outcome, steps, tuple(engine.sent))
        return Played(course=replace(course, cost_usd=journal.cost_usd))

    def _modes(self, recording: Recording, recorded: Release, people: _People) -> Modes:
        before, now = recorded.manifest, self.release.manifest
        model = model_mode(self.terms, before, now, recording.run.workflow)
        return Modes(
            terms=self.terms,
            model=model,
            memory=before.memory == now.memory,
            writes=frozenset(
                name for name, one in before.contracts.items() if one.effect != "read"
            ),
            flags=_declared_otherwise(before, now, recording.run.workflow),
            embeds=model == "live" or not self.remote_embedder(now.memory.embedder),
            ask=None if self.ask is None else people.asked,
            purse=self.purse,
            pause=people.paused,
        )

    def _staged(self, recording: Recording, on: Stage, *, live: bool) -> Runner:
        """Return the runner with everything replaced that a run could reach."""
        tape, runs = on.tape, on.runs
        real, clock = self.runner.services, StageClock(tape)
        waits, ledgers = StageWaits(tape=tape, family=recording.family), StageLedgers()
        memory = MemoryAccess(
            store=cast(Any, PastMemory(real.memory.store, tape.clock)),
            embedder=real.memory.embedder,
            on_trial=lambda _: False,
        )
        stage: Any = {
            "journal": on.journal,
            "effects": ledgers,
            "approvals": waits,
            "waits": waits,
            "dispatch": waits,
            "runs": runs,
            "conversations": StageHistory(turns=recording.history),
            # Streams are answered by the engine; there is no store behind it.
            "streams": None,
            "clock": clock,
            "throttle": ledgers,
            "budgets": ledgers,
            # What an operator stopped is not asked by a replay either.
            "switches": real.switches if live else ledgers,
            "memory": memory,
            "answers": tape,
            "flags": real.flags if self.runner.app.flags is None else StageFlags(tape=tape),
        }
        stores: Any = {
            "runs": runs,
            "releases": _OneRelease(release=self.release),
            "documents": self.runner.stores.documents,
            "events": StageEvents(),
        }
        return replace(
            self.runner,
            services=replace(real, **stage),
            stores=Stores(**stores),
            seats=StageSeat(waits=waits),
            _releases=self.compiled,
        )


@dataclass(kw_only=True)
class _People:
    """Asks somebody, and stops the clock of the replay meanwhile."""

    bound: asyncio.Timeout
    ask: Asker | None
    asked_s: float = 0.0

    async def asked(self, call: Call) -> tuple[Json] | None:
        assert self.ask is not None, "somebody is asked who is there"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            with self.paused(), playing(None):
                return await self.ask(call)
        finally:
            self.asked_s += loop.time() - begun

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock of the replay, as what takes time is not the candidate's doing."""
        loop, when = asyncio.get_running_loop(), self.bound.when()
        begun = loop.time()
        self.bound.reschedule(None)
        try:
            yield
        finally:
            # What has left its block by now needs no timeout any more.
            with suppress(RuntimeError):
                self.bound.reschedule(None if when is None else when + loop.time() - begun)


def recorded_course(recording: Recording) -> Course:
    """Return what a recorded run did and came to.

    Args:
        recording: What is on record of it; it must be usable.
    """
    steps = []
    for record in recording.calls:
        result: Result | None = record.result
        assert result is not None, "a recording without an outcome is not usable"
        steps.append(step_of(record, result, recording.decisions.get(record.number, "")))
    sent = tuple(name for name, _ in recording.steps if name.startswith(("send ", "stream ")))
    run = recording.run
    course = _course(run.state, run.outcome or {}, tuple(steps), sent)
    return replace(course, cost_usd=sum(one.usage.cost_usd for one in recording.calls))


def _declared_otherwise(before: Any, now: Any, workflow: str) -> frozenset[str]:
    """Return the flags that two releases declare each in its own way for a workflow."""
    told, tried = (
        one.workflows[workflow].flags if workflow in one.workflows else {} for one in (before, now)
    )
    return frozenset(key for key in {*told, *tried} if told.get(key) != tried.get(key))


def _workflows(recording: Recording) -> list[str]:
    """Return the workflows whose terms a replay reads: its own, and its ancestors'."""
    names, above = [recording.run.workflow], recording.run.parent_id
    while above is not None and above in recording.family:
        names.append(recording.family[above].workflow)
        above = recording.family[above].parent_id
    return names


def _beyond(recording: Recording) -> str:
    """Say why a run's end is none that a replay could come to; empty when it is one."""
    outcome = recording.run.outcome or {}
    code = str(outcome.get("code", ""))
    if code in _NOT_REPEATABLE:
        return f"it was ended from outside ({code}), which no replay repeats"
    return ""


def _course(state: str, outcome: Any, steps: tuple[Any, ...], sent: tuple[str, ...]) -> Course:
    return Course(
        state=state,
        code=str(outcome.get("code", "")),
        steps=steps,
        sent=sent,
        checks=tuple(
            f"{check['name']} {'passed' if check['passed'] else 'failed'}"
            for check in outcome.get("checks", ())
            # What a guardrail took out of a result is not on record, so it finds nothing again.
            if (check["stage"], check["on_fail"]) != ("tool", "redact")
        ),
        output=outcome.get("answer"),
    )
