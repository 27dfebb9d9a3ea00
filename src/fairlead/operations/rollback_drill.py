"""Drills a rollback beside the real thing, and keeps what it showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from fairlead.bootstrap import Platform, artefact_findings, drilling
from fairlead.core.digests import digest
from fairlead.core.environments import DRILL
from fairlead.core.errors import ArchiveDamaged, CodeMismatch, DrillImpossible, ReleaseDamaged
from fairlead.core.event import Fact
from fairlead.core.outcome import OPEN_STATES
from fairlead.core.release import Release
from fairlead.delivery.dora import Rollback
from fairlead.delivery.drill import NAME
from fairlead.delivery.gate import CheckRun
from fairlead.delivery.gates import Gates
from fairlead.delivery.protection import PREVIOUS
from fairlead.operations.dora import rollback_readiness
from fairlead.operations.identity import allow, operator
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord

FLYING_MAX = 100
"""Runs that are really in flight and that are looked at."""


@dataclass(frozen=True, kw_only=True)
class RollbackDrill:
    """A rollback drill.

    Attributes:
        release: Digest of the release from which it was rolled back.
        previous: Digest of the release to which.
        check: What it showed.
        evidence: Digest of that, as its event says.
    """

    release: str
    previous: str
    check: CheckRun
    evidence: str

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return self.check.conclusion == "success"

    @property
    def shown(self) -> CheckRun:
        """What it showed, as the gate of that name says it: of this one way back."""
        # It lets nothing through when a rollback would go elsewhere.
        figures = {**self.check.figures, PREVIOUS: self.previous}
        return replace(self.check, name=DRILL, figures=figures)


def drill_rollback(platform: Platform, release: str | None = None) -> RollbackDrill:
    """Promote a release and roll it back, in a scratch place, and record what that showed.

    It is evidence of the gate `rollback_drill`, as when `run_gates` lets that run.

    Args:
        platform: The open platform; nothing of it is touched, but for the event and the evidence.
        release: A release that would be rolled back to the current one, by its digest or a prefix;
            None for the current release, and the one before it.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        DrillImpossible: There is no such pair, or nothing to ask them.
    """
    found = play_drill(platform, release)
    principal = platform.principal
    gates = Gates(
        releases=platform.releases,
        measures={},
        by=operator(platform),
        verified=principal is not None and principal.verified,
    )
    gates.record(found.release, DRILL, found.shown)
    return found


def play_drill(platform: Platform, release: str | None = None) -> RollbackDrill:
    """Drill as `drill_rollback` does, and leave the evidence to the caller.

    Args:
        platform: The open platform; nothing of it is touched, but for the event.
        release: A release that would be rolled back to the current one, by its digest or a prefix;
            None for the current release, and the one before it.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        DrillImpossible: There is no such pair, or nothing to ask them.
    """
    allow(platform, "rollback --drill")
    store = platform.release_store
    named = None if release is None else store.get(release).digest
    pair = rollback_readiness(platform, named)
    if not pair.previous or pair.previous == pair.release:
        raise DrillImpossible(
            f"no release was active in {pair.environment} to which one could roll back"
        )
    try:
        check = _played(platform, store.get(pair.release), store.get(pair.previous))
    except (ReleaseDamaged, ArchiveDamaged, CodeMismatch) as error:
        # There is no way back, and that is what is to be known.
        summary = f"{pair.release[:12]} to {pair.previous[:12]}"
        check = CheckRun(name=NAME, conclusion="failure", summary=summary, findings=(str(error),))
    return _recorded(platform, pair, check)


def _played(platform: Platform, candidate: Release, previous: Release) -> CheckRun:
    found = artefact_findings(platform.settings, platform.release_store, previous)
    with drilling(platform, candidate, previous) as drill:
        drill.findings += found
        drill.flying = list(_flying(platform, candidate))
        drill.figures["really_in_flight"] = len(drill.flying)
        return drill.play()


def _flying(
    platform: Platform, release: Release
) -> Sequence[tuple[RunRecord, Sequence[CallRecord]]]:
    """Return runs of a release that have not ended, with their calls."""
    listed = [
        run
        for state in sorted(OPEN_STATES)
        for run in platform.runs.list(state=state, release=release.digest, limit=FLYING_MAX)
        if run.parent_id is None
    ]
    ids = [run.id for run in listed[:FLYING_MAX]]
    return [(platform.runs.get(one), platform.journal.of_run(one)) for one in ids]


def _recorded(platform: Platform, pair: Rollback, check: CheckRun) -> RollbackDrill:
    """Keep what a drill showed: here, and nowhere else, is decided where."""
    release, previous = pair.release, pair.previous
    evidence = digest(asdict(check))
    data = {
        "environment": pair.environment,
        "previous": previous,
        "conclusion": check.conclusion,
        "findings": list(check.findings[:5]),
        "figures": check.figures,
        "evidence": evidence,
        "by": operator(platform),
    }
    fact = Fact(chain=f"release:{release}", type="drill.finished", data=data)
    platform.events.append([fact])
    return RollbackDrill(release=release, previous=previous, check=check, evidence=evidence)
