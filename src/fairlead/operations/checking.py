"""`fairlead check`: the app as it stands in its folder, put through the gate of that name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from fairlead.bootstrap import Platform, make_gate
from fairlead.core.environments import CHECK
from fairlead.core.errors import GateTimedOut, UnknownRelease
from fairlead.core.release import Release, manifest_digest
from fairlead.delivery.gate import NO_PROGRESS, CheckRun, Progress, concludes
from fairlead.delivery.gates import as_one
from fairlead.operations.gate_process import (
    APP_READ,
    GATE_S,
    GateTask,
    Overdue,
    check_run,
    told_apart,
)
from fairlead.operations.gates import gates_of
from fairlead.operations.identity import allow
from fairlead.operations.making import Making


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """What `fairlead check` came to on a release.

    Attributes:
        release: The release that was checked.
        checks: Every check.
    """

    release: Release
    checks: tuple[CheckRun, ...]

    @property
    def passed(self) -> bool:
        """Whether every check is a success."""
        return concludes(self.checks) == "success"


def check_app(platform: Platform, *, mutate: bool = False, timeout_s: float = GATE_S) -> GateReport:
    """Put the app, as it stands in its folder, through the gate `check`, and keep the evidence.

    It is done in a process of its own, as `run_gates` does it.

    Args:
        platform: The open platform; the gate's own runs use a scratch database.
        mutate: Whether the guardrail tests are tried with small mistakes in the policies.
        timeout_s: Seconds that it may take.

    Raises:
        GateTimedOut: It took longer, and was ended: the message says what it did last. Where the
            release is stored already, that is evidence.
        GateBroken: Its process ended without a word.
        FairleadError: The app cannot be read, or what it is made of cannot be kept.
    """
    allow(platform, "check")
    task = GateTask(
        settings=platform.settings,
        principal=platform.principal,
        gate=CHECK,
        release="",
        timeout_s=timeout_s,
        mutate=mutate,
    )
    try:
        answer = told_apart(task)
    except Overdue as error:
        kept = _keep(platform, error)
        raise GateTimedOut(
            f"the check of {platform.settings.folder}: {error}; {kept}",
            release=error.heard.release,
        ) from error
    return GateReport(
        release=platform.release_store.get(answer["release"]),
        checks=tuple(check_run(one) for one in answer["checks"]),
    )


def _keep(platform: Platform, overdue: Overdue) -> str:
    """Keep as evidence that a check was ended, if its release is stored; say what was done."""
    heard, said = overdue.heard, str(overdue)
    ended = ", ".join(one.name for one in heard.checks)
    before = f"before that ended: {ended}" if ended else "no check had ended"
    try:
        release = platform.release_store.get(heard.release) if heard.release else None
    except UnknownRelease:
        release = None
    if release is None:
        return f"{before}; nothing is kept, as no release of it is stored"
    hung = CheckRun(
        name=heard.check or CHECK, conclusion="timed_out", summary=said, findings=(said,)
    )
    shown = {"checks": [asdict(one) for one in (*heard.checks, hung)]}
    gates_of(platform).record(release.digest, CHECK, replace(hung, name=CHECK, figures=shown))
    return f"{before}; kept as evidence on release {release.id}"


def check_here(
    platform: Platform, *, mutate: bool = False, progress: Progress = NO_PROGRESS
) -> GateReport:
    """Do what `check_app` does in this process, where nothing can stop it.

    Args:
        platform: The open platform.
        mutate: Whether the guardrail tests are tried with small mistakes in the policies.
        progress: Is told what is done.
    """
    allow(platform, "check")
    progress.doing(APP_READ)
    gate, manifest, files = make_gate(platform.settings, platform.baseline, mutate=mutate)
    progress.candidate(manifest_digest(manifest))
    making = Making.of(platform, files)
    checks = replace(gate, progress=progress).run()
    release, _ = making.make(manifest)
    gates_of(platform).record(release.digest, CHECK, as_one(checks))
    return GateReport(release=release, checks=checks)
