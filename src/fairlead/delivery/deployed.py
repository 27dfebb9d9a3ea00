"""Deployments as the event log tells them: a fold that reads nothing else.

A deployment is a rollout, or an activation without one, of a release that an environment did not
have before. It counts when at least one run of a user began on it. Events may come in any order of
their chains, and twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.core.baseline import Enforcement, Standing
from fairlead.core.errors import LogTooLong
from fairlead.core.event import Event
from fairlead.delivery.deployment import Deployment, Run, began_on, give_up, hotfixed, with_runs

RUNS_MAX = 1_000_000
"""Most runs of one fold; each takes about half a kilobyte of memory."""

DELIVERY_TYPES = (
    "release.created",
    "release.amended",
    "gate.finished",
    "drill.finished",
    "release.activated",
    "release.rolled_back",
    "rollout.started",
    "rollout.promoted",
    "rollout.rolled_back",
    "rollout.ended",
    "baseline.enforced",
)
"""What says how releases came to users: few events, read from the beginning of the log."""

RUN_TYPES = (
    "run.admitted",
    "run.finished",
    "run.cancelled",
    "run.quarantined",
    "run.forked",
    "run.moved",
    "feedback.given",
)
"""What says how users fared: read from the beginning of the window."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a release comes from.

    Attributes:
        app: Its app's name; empty when the log does not say.
        created_at: When it was made, in seconds since 1970; None when the log does not say.
        commit_at: When the first commit was made that the release before did not have, or else
            its own commit; None when nobody knows.
        baseline: Digest of the baseline that it was made with; None for none.
        baseline_known: Whether the log says so.
    """

    app: str = ""
    created_at: float | None = None
    commit_at: float | None = None
    baseline: str | None = None
    baseline_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """A rollback drill.

    Attributes:
        release: The release from which it was rolled back.
        previous: The release to which.
        passed: Whether it passed.
        at: When it ended, in seconds since 1970.
        figures: What was measured.
    """

    release: str
    previous: str
    passed: bool
    at: float
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Log:
    """What was read of the event log.

    Attributes:
        origins: Where releases come from, by digest.
        drills: Every drill.
    """

    origins: dict[str, Origin] = field(default_factory=dict)
    drills: dict[str, Drilled] = field(default_factory=dict)
    _gates: dict[tuple[str, str], Event] = field(default_factory=dict)
    _moves: dict[tuple[str, int], Event] = field(default_factory=dict)
    _rollouts: dict[str, dict[str, Event]] = field(default_factory=lambda: defaultdict(dict))
    _runs: dict[str, Run] = field(default_factory=lambda: defaultdict(Run))
    _enforced: dict[int, Enforcement] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Log:
        """Read events; those of one chain in their order, the chains in any.

        Raises:
            LogTooLong: There are more runs than one fold takes.
        """
        log = cls()
        for event in events:
            kind, _, name = event.chain.partition(":")
            if kind == "run":
                log._run(name, event)
            elif kind == "rollout":
                log._rollouts[name][event.type] = event
            elif kind == "environment":
                log._moves[name, event.sequence] = event
            elif kind == "release":
                log._release(name, event)
            elif event.type == "baseline.enforced":
                log._enforced[event.sequence] = _enforcement(event)
        return log

    def environments(self) -> list[str]:
        """Return the environments to which something was ever deployed."""
        started = (one["rollout.started"] for one in self._rollouts.values() if _STARTED in one)
        named = {str(event.data["environment"]) for event in started}
        return sorted(named | {name for name, _ in self._moves})

    def standing(self, environment: str, now: float) -> tuple[str, str]:
        """Return the current release of an environment, and the one that a rollback goes to.

        Args:
            environment: Its name.
            now: Seconds since 1970: by then a baseline may be accepted no more, and a rollback
                passes over the releases that were made with it.

        Returns:
            Two digests; each is empty when there is none.
        """
        history = [str(event.data["release"]) for event in self._moved(environment)]
        # What was rolled back anywhere is bad everywhere.
        bad = {
            str(event.data.get("from"))
            for event in self._moves.values()
            if event.type == "release.rolled_back"
        }
        for events in self._rollouts.values():
            given_up = events.get("rollout.rolled_back")
            if given_up is not None and given_up.data.get("bad"):
                bad.add(str(given_up.data["candidate"]))
        current = history[-1] if history else ""
        accepted = Standing(
            enforcements=tuple(self._enforced[number] for number in sorted(self._enforced)), now=now
        )
        earlier = (
            one
            for one in reversed(history)
            if one != current and one not in bad and self._accepted(one, accepted)
        )
        return current, next(earlier, "")

    def _accepted(self, release: str, standing: Standing) -> bool:
        origin = self.origins.get(release, Origin())
        # Of a release that was made before the log said so, nobody can tell.
        return not origin.baseline_known or standing.accepts(origin.baseline)

    def refused(self, since: float, until: float) -> set[str]:
        """Return the releases that a gate did not let through: the last word of each counts.

        Args:
            since: When it said so at the earliest, in seconds since 1970.
            until: Before when it did.
        """
        return {
            release
            for (release, _), event in self._gates.items()
            if event.data.get("conclusion") == "failure" and since <= event.time < until
        }

    def deployments(self) -> tuple[Deployment, ...]:
        """Return every deployment, the oldest first, with the runs that it was given."""
        found = [one for name in self.environments() for one in self._deployed(name)]
        return tuple(sorted(self._with_runs(found), key=lambda one: (one.began_at, one.id)))

    def _run(self, name: str, event: Event) -> None:
        if name not in self._runs and len(self._runs) >= RUNS_MAX:
            raise LogTooLong(f"there are more than {RUNS_MAX} runs in that time")
        run, data = self._runs[name], event.data
        if event.type == "run.admitted":
            run.release = str(data.get("release"))
            run.admitted_at = event.time
            run.counts = data.get("purpose") == "user" and "parent" not in data
            run.rollout = str(data.get("rollout") or "")
            run.environment = str(data.get("environment") or "")
        elif event.type in ("run.forked", "run.moved"):
            # It goes on with what another one began.
            run.anew = True
        elif event.type == "feedback.given":
            self._feedback(run, event)
        else:
            run.ended_at = event.time
            state = str(data.get("state", ""))
            run.state = {"run.cancelled": "cancelled", "run.quarantined": "failed"}.get(
                event.type, state
            )

    def _feedback(self, run: Run, event: Event) -> None:
        name = str(event.data.get("name"))
        run.breached = run.breached or name.startswith("breach:")
        if name == "outcome":
            # The last word counts.
            run.said = str(event.data.get("value"))

    def _release(self, name: str, event: Event) -> None:
        known, data = self.origins.get(name, Origin()), event.data
        if event.type == "drill.finished":
            self.drills[event.id] = Drilled(
                release=name,
                previous=str(data.get("previous")),
                passed=data.get("conclusion") == "success",
                at=event.time,
                figures=_table(data.get("figures")),
            )
            return
        if event.type == "gate.finished":
            # What was written before there were several gates is of `check`.
            self._gates[name, str(data.get("gate") or "check")] = event
            return
        if event.type == "release.created":
            known = replace(
                known,
                app=str(data.get("app") or ""),
                created_at=event.time,
                baseline=data.get("baseline"),
                baseline_known="baseline" in data,
            )
        origin = _table(data.get("provenance"))
        commit_at = origin.get("first_commit_at", origin.get("committed_at"))
        if isinstance(commit_at, int | float):
            known = replace(known, commit_at=float(commit_at))
        self.origins[name] = known

    def _moved(self, environment: str) -> Iterator[Event]:
        mine = sorted(place for place in self._moves if place[0] == environment)
        return (self._moves[place] for place in mine)

    def _deployed(self, environment: str) -> list[Deployment]:
        """Return an environment's deployments, with how they ended and without their runs."""
        found = {
            id: self._rolled_out(id, events)
            for id, events in self._rollouts.items()
            if _STARTED in events and events[_STARTED].data["environment"] == environment
        }
        first: dict[str, float] = {}
        for event in self._moved(environment):
            release, left = str(event.data["release"]), str(event.data.get("from") or "")
            kind, back = event.data.get("kind"), event.type == "release.rolled_back"
            # By hand, to the release that was there before the one that is left: a rollback.
            back |= release in first and first[release] < first.get(left, 0.0)
            back &= kind != "abort"
            if back:
                give_up(found, (environment, left), event)
            elif kind in ("activate", "override") and release != left:
                id = f"{environment}:{event.sequence}"
                found[id] = Deployment(
                    id=id,
                    environment=environment,
                    app=self._app(release),
                    release=release,
                    before=left,
                    began_at=event.time,
                    full_at=event.time,
                )
            if not back:
                first[release] = event.time
        return hotfixed(sorted(found.values(), key=lambda one: (one.began_at, one.id)))

    def _rolled_out(self, id: str, events: Mapping[str, Event]) -> Deployment:
        """Return a rollout as a deployment."""
        started = events[_STARTED]
        data, promoted = started.data, events.get("rollout.promoted")
        release = str(data["candidate"])
        made = Deployment(
            id=id,
            environment=str(data["environment"]),
            app=str(data.get("app") or "") or self._app(release),
            release=release,
            before=str(data["baseline"]),
            began_at=started.time,
            full_at=None if promoted is None else promoted.time,
            marked=_table(data.get("terms")).get("fix") is True,
        )
        given_up, ended = events.get("rollout.rolled_back"), events.get("rollout.ended")
        if given_up is None:
            return made
        # An end that is marked bad was decided for harm, whoever saw it; the last word counts.
        bad = bool((ended or given_up).data.get("bad"))
        return replace(
            made,
            end="failed" if bad else "withdrawn",
            caught="canary" if promoted is None else "after_promote",
            decided_at=given_up.time,
            traffic_safe_at=_safe_at(given_up, ended, "new_traffic_safe_s"),
            all_safe_at=_safe_at(given_up, ended, "in_flight_safe_s"),
        )

    def _breaches(self) -> None:
        """Note which runs broke what must never be broken, as an analysis found on record."""
        for events in self._rollouts.values():
            given_up = events.get("rollout.rolled_back")
            evidence = {} if given_up is None else _table(given_up.data.get("evidence"))
            for one in evidence.get("breaches", ()):
                if (run := self._runs.get(str(_table(one).get("run")))) is not None:
                    run.breached = True

    def _place(self, run: Run) -> str:
        """Return the environment in which a run began; empty when the log does not say."""
        started = self._rollouts.get(run.rollout, {}).get(_STARTED)
        return run.environment if started is None else str(started.data["environment"])

    def _app(self, release: str) -> str:
        return self.origins.get(release, Origin()).app

    def _with_runs(self, found: Sequence[Deployment]) -> Iterator[Deployment]:
        """Yield the deployments with what became of the runs that each was given."""
        by_release: dict[str, list[Deployment]] = defaultdict(list)
        for one in sorted(found, key=lambda one: one.began_at):
            by_release[one.release].append(one)
        self._breaches()
        mine: dict[str, list[Run]] = defaultdict(list)
        for run in self._runs.values():
            if run.counts:
                for one in began_on(run, by_release.get(run.release, ()), self._place(run)):
                    mine[one.id].append(run)
        for one in found:
            yield with_runs(one, mine[one.id])


_STARTED = "rollout.started"


def _safe_at(given_up: Event, ended: Event | None, figure: str) -> float | None:
    """Return when a rollout that was given up was safe, by its own figure."""
    after_s = None if ended is None else ended.data.get(figure)
    return given_up.time + float(after_s) if isinstance(after_s, int | float) else None


def _enforcement(event: Event) -> Enforcement:
    data = event.data
    return Enforcement(
        digest=str(data["baseline"]),
        window_s=float(data["window_s"]),
        by=str(data.get("by")),
        time=event.time,
    )


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
