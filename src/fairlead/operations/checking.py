"""`fairlead check`: the app as it stands in its folder, put through the gate of that name."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.bootstrap import Platform, make_gate
from fairlead.core.environments import CHECK
from fairlead.core.errors import GateTimedOut
from fairlead.core.release import Release
from fairlead.delivery.gate import CheckRun, concludes
from fairlead.delivery.gates import as_one
from fairlead.operations.gate_process import GATE_S, GateTask, check_run, told_apart
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
        GateTimedOut: It took longer, and was ended; there is no evidence then.
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
    except TimeoutError as error:
        raise GateTimedOut(f"the check of {platform.settings.folder}: {error}") from error
    return GateReport(
        release=platform.release_store.get(answer["release"]),
        checks=tuple(check_run(one) for one in answer["checks"]),
    )


def check_here(platform: Platform, *, mutate: bool = False) -> GateReport:
    """Do what `check_app` does in this process, where nothing can stop it.

    Args:
        platform: The open platform.
        mutate: Whether the guardrail tests are tried with small mistakes in the policies.
    """
    allow(platform, "check")
    gate, manifest, files = make_gate(platform.settings, platform.baseline, mutate=mutate)
    making = Making.of(platform, files)
    checks = gate.run()
    release, _ = making.make(manifest)
    gates_of(platform).record(release.digest, CHECK, as_one(checks))
    return GateReport(release=release, checks=checks)
