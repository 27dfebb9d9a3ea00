"""Gates and environments: what a release must show, who approves, and what the rules are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.bootstrap import Platform, make_gate
from fairlead.core.access import permit_role
from fairlead.core.environments import (
    ANYWHERE,
    CHECK,
    DRILL,
    REPLAY,
    EnvironmentRules,
    environment_name,
)
from fairlead.core.errors import (
    FairleadError,
    FourEyes,
    InvalidEnvironment,
    ReasonMissing,
    ReplayOtherCode,
)
from fairlead.core.release import Release, manifest_digest
from fairlead.delivery.environment_file import read_environment
from fairlead.delivery.gate import NO_PROGRESS, CheckRun, Progress
from fairlead.delivery.gates import Gates, Measure, as_one
from fairlead.delivery.replay import replay_check
from fairlead.operations.gate_process import APP_READ, GATE_S, measured_apart
from fairlead.operations.identity import allow, operator, ordered
from fairlead.operations.replay import replay_runs
from fairlead.operations.rollback_drill import play_drill
from fairlead.ports.environments import Ruled
from fairlead.ports.releases import Evidence
from fairlead.ports.runs import Order

FILE_BYTES_MAX = 100_000
"""Largest file with the rules of an environment."""

REASON_CHARS_MAX = 2000
"""Longest reason of an approval or a denial."""


@dataclass(frozen=True, kw_only=True)
class GatesReport:
    """What stands between a release and an environment.

    Attributes:
        release: The release.
        environment: The environment.
        gates: What each gate says.
        evidence: What is on record of them, the newest first.
        ruled: Whether somebody has set rules that hold there.
    """

    release: Release
    environment: str
    gates: tuple[CheckRun, ...]
    evidence: Sequence[Evidence]
    ruled: bool = True

    @property
    def passed(self) -> bool:
        """Whether every gate is a success, and the release is not marked bad."""
        return not self.release.bad and all(run.conclusion == "success" for run in self.gates)


@dataclass(frozen=True, kw_only=True)
class EnvironmentReport:
    """What an environment asks of releases.

    Attributes:
        environment: Its name.
        rules: What holds there.
        ruled: The rules under its own name; None when it has none, and those of `*` hold or none.
    """

    environment: str
    rules: EnvironmentRules
    ruled: Ruled | None


def run_gates(
    platform: Platform,
    release: str,
    environment: str | None = None,
    *,
    names: Sequence[str] = (),
    timeout_s: float = GATE_S,
) -> GatesReport:
    """Let the gates that an environment requires run on a release, and keep the evidence.

    Each runs in a process of its own, which is ended when it takes too long: code of the app may
    hang in a way that nothing in its process can stop.

    Args:
        platform: The open platform.
        release: Its digest or a prefix.
        environment: Where it is to go; None for the environment of the settings.
        names: Only these gates; by default all that are required.
        timeout_s: Seconds that each of them may take; then it is `timed_out`.

    Raises:
        InvalidEnvironment: It is no name of one.
        UnknownRelease: There is no such release.
        UnknownGate: A gate that was named cannot run here.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "gate run")
    there = _in(platform, environment)
    found = there.release_store.get(release)
    return _report(there, found, gates_of(there, timeout_s).run(found, names))


def show_gates(platform: Platform, release: str, environment: str | None = None) -> GatesReport:
    """Return what stands between a release and an environment, by what is on record.

    Args:
        platform: The open platform.
        release: Its digest or a prefix.
        environment: Where it is to go; None for the environment of the settings.

    Raises:
        UnknownRelease: There is no such release.
        StoreCorrupt: The evidence, or the rules, are not as they were stored.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "gate show")
    there = _in(platform, environment)
    found = there.release_store.get(release)
    return _report(there, found, there.releases.verdicts(found, None))


def answer_gate(
    platform: Platform,
    release: str,
    approved: bool,
    order: Order,
    *,
    environment: str | None = None,
) -> GatesReport:
    """Approve of a release in an environment, or deny it; the last word of each person counts.

    Args:
        platform: The open platform.
        release: Its digest or a prefix.
        approved: What is said.
        order: Who says it, and why.
        environment: Where it is to go; None for the environment of the settings.

    Raises:
        ReasonMissing: The order says no reason.
        RoleMissing: The principal has not the role that the environment asks.
        FourEyes: They made the release, or no token says who they are or who made it.
    """
    order = ordered(platform, "gate approve" if approved else "gate deny", order)
    reason = " ".join(order.reason.split())[:REASON_CHARS_MAX]
    if not reason:
        raise ReasonMissing("to approve or deny needs a reason")
    there = _in(platform, environment)
    found = there.release_store.get(release)
    rules = there.environments.rules(there.settings.environment).approval
    permit_role(platform.principal, rules.role, what="this approval")
    if approved and rules.four_eyes:
        _refuse_own(there, found)
    gates = replace(gates_of(there), by=order.by)
    gates.answer(found, approved, reason)
    return _report(there, found, there.releases.verdicts(found, None))


def _refuse_own(platform: Platform, release: Release) -> None:
    """Refuse the approval of whoever made a release, or whose eyes cannot be told apart."""
    principal = platform.principal
    known = principal is not None and principal.verified
    if principal is None or not (known and release.by):
        whose = "made the release" if known else "approves"
        raise FourEyes(f"no token says who {whose}, and the environment asks for four eyes")
    if principal.user == release.by:
        raise FourEyes(f"{principal.user} made release {release.id}, and may not approve of it")


def list_environments(platform: Platform) -> Sequence[Ruled]:
    """Return the rules of all environments that have some, by name."""
    allow(platform, "environment list")
    return platform.environments.list()


def show_environment(platform: Platform, environment: str | None = None) -> EnvironmentReport:
    """Return what an environment asks of releases.

    Args:
        platform: The open platform.
        environment: Its name; None for the environment of the settings.
    """
    allow(platform, "environment show")
    name = environment or platform.settings.environment
    return EnvironmentReport(
        environment=name,
        rules=platform.environments.rules(name),
        ruled=platform.environments.standing(name),
    )


def read_environment_rules(path: Path) -> EnvironmentRules:
    """Read the rules of an environment from a file.

    Args:
        path: The file.

    Raises:
        InvalidEnvironment: It cannot be read, or is not understood.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidEnvironment(f"{path} is larger than {FILE_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidEnvironment(f"{path} cannot be read: {error}", file=str(path)) from error
    return read_environment(text, path.name)


def set_environment(
    platform: Platform, environment: str, rules: EnvironmentRules, order: Order
) -> Ruled:
    """Say what an environment asks of releases, from now on.

    Args:
        platform: The open platform.
        environment: Its name; `*` for all that have no rules of their own.
        rules: What it asks.
        order: Who says it, and why.

    Raises:
        InvalidEnvironment: It is no name.
        ReasonMissing: The order says no reason.
        RoleMissing: The principal is no admin.
    """
    order = ordered(platform, "environment set", order)
    if not order.reason.strip():
        raise ReasonMissing("to set the rules of an environment needs a reason")
    try:
        name = environment_name(environment)
    except ValueError as error:
        raise InvalidEnvironment(str(error)) from error
    return platform.environments.set(name, rules, order)


def measures(platform: Platform, progress: Progress = NO_PROGRESS) -> Mapping[str, Measure]:
    """Return the gates that can run here, by name: what is added here can be required.

    Args:
        platform: The open platform.
        progress: Is told what the gate `check` does.
    """

    def check(release: Release, environment: str) -> CheckRun:
        del environment
        progress.doing(APP_READ)
        try:
            gate, manifest, _ = make_gate(platform.settings, platform.baseline)
        except FairleadError as error:
            return _elsewhere(CHECK, f"the app cannot be read here: {error}")
        if manifest_digest(manifest) != release.digest:
            return _elsewhere(CHECK, f"{platform.settings.folder} holds another release")
        return as_one(replace(gate, progress=progress).run())

    def replay(release: Release, environment: str) -> CheckRun:
        del environment
        try:
            return replay_check(replay_runs(platform, release.digest))
        except ReplayOtherCode as error:
            return _elsewhere(REPLAY, error.message)

    def drill(release: Release, environment: str) -> CheckRun:
        return play_drill(_in(platform, environment), release.digest).shown

    return {CHECK: check, REPLAY: replay, DRILL: drill}


def _elsewhere(gate: str, why: str) -> CheckRun:
    """Say that a gate cannot look at a release here."""
    return CheckRun(name=gate, conclusion="skipped", summary=why, findings=(why,))


def gates_of(platform: Platform, timeout_s: float = GATE_S) -> Gates:
    """Return the gates of the platform's environment.

    Args:
        platform: The open platform.
        timeout_s: Seconds that each of them may take.
    """
    principal = platform.principal

    def apart(name: str) -> Measure:
        return lambda release, environment: measured_apart(
            _in(platform, environment), name, release.digest, timeout_s
        )

    return Gates(
        releases=platform.releases,
        measures={name: apart(name) for name in measures(platform)},
        by=operator(platform),
        verified=principal is not None and principal.verified,
        roles=None if principal is None else principal.roles,
    )


def _in(platform: Platform, environment: str | None) -> Platform:
    """Return the platform in another environment.

    Raises:
        InvalidEnvironment: It is no name of one.
    """
    if environment is None:
        return platform
    return replace(platform, settings=replace(platform.settings, environment=environment))


def _report(platform: Platform, release: Release, gates: tuple[CheckRun, ...]) -> GatesReport:
    environment = platform.settings.environment
    evidence = platform.release_store.evidence_on(release.digest)
    return GatesReport(
        release=release,
        environment=environment,
        gates=gates,
        evidence=[one for one in evidence if one.environment in ("", environment)],
        ruled=any(platform.environments.standing(name) for name in (environment, ANYWHERE)),
    )
