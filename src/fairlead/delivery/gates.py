"""Gates of environments: what lets them run, and keeps what they found as evidence.

A gate is a callable with a name. `fairlead check` calls it in CI, `fairlead gate run` at deploy;
what it found is stored, and whoever lets a release into an environment later looks at that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from fairlead.core.environments import APPROVAL, CHECK
from fairlead.core.errors import FairleadError, UnknownGate
from fairlead.core.identity import Role
from fairlead.core.release import Release
from fairlead.delivery.gate import CheckRun, Conclusion, concludes
from fairlead.delivery.protection import ROLES
from fairlead.delivery.release import Releases
from fairlead.ports.releases import Evidence

Measure: TypeAlias = Callable[[Release, str], CheckRun]
"""A gate: looks at a release that is to go to an environment, and says what it found. `skipped`
means that it could not be looked at here: what is on record stands."""

FINDINGS_MAX = 50
"""Findings of `fairlead check` that its one conclusion repeats."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """The gates of one environment.

    Attributes:
        releases: The verbs of the environment's releases.
        measures: The gates that can run here, by name. People approve, and time passes, without.
        by: Who lets them run.
        verified: Whether a token says so.
        roles: Which roles they have; None without a token.
    """

    releases: Releases
    measures: Mapping[str, Measure]
    by: str
    verified: bool
    roles: tuple[Role, ...] | None = None

    def run(self, release: Release, names: Sequence[str] = ()) -> tuple[CheckRun, ...]:
        """Let gates run on a release, and keep what they found.

        Args:
            release: The release.
            names: Which; by default all that the environment requires and that can run here.

        Returns:
            What each gate that the environment requires says now, and each that was named.

        Raises:
            UnknownGate: One that was named cannot run here.
        """
        required = self.releases.rules(self.releases.environment).gates
        for name in names:
            if name not in self.measures:
                known = ", ".join(sorted(self.measures))
                raise UnknownGate(f"there is no gate {name!r} to run here; there are: {known}")
        found: dict[str, CheckRun] = {}
        for name in names or [gate for gate in required if gate in self.measures]:
            found[name] = self._measured(name, release)
            if found[name].conclusion != "skipped":
                self.record(release.digest, name, found[name])
        standing = {run.name: run for run in self.releases.verdicts(release, None)}
        return (
            *(self._said(run, found.pop(name, None)) for name, run in standing.items()),
            *found.values(),
        )

    def record(self, release: str, gate: str, run: CheckRun) -> str:
        """Keep what a gate found, with its event; return the digest that names it.

        Args:
            release: Digest of the release.
            gate: The gate's name.
            run: What it found.
        """
        # One that was ended before it concluded has none of its checks to show.
        one = run.figures.get("checks") or [asdict(run)]
        return self.releases.store.record_gate(
            Evidence(
                release=release,
                conclusion=run.conclusion,
                checks=one,
                time=self.releases.clock.now(),
                gate=gate,
                # `fairlead check` looks at the release alone, so it holds wherever that goes.
                environment="" if gate == CHECK else self.releases.environment,
                by=self.by,
                verified=self.verified,
            )
        )

    def answer(self, release: Release, approved: bool, reason: str) -> str:
        """Keep a person's word on a release; return the digest that names it."""
        conclusion: Conclusion = "success" if approved else "failure"
        roles = None if self.roles is None else list(self.roles)
        word = CheckRun(
            name=APPROVAL, conclusion=conclusion, summary=reason, figures={ROLES: roles}
        )
        return self.record(release.digest, APPROVAL, word)

    def _measured(self, name: str, release: Release) -> CheckRun:
        try:
            return replace(self.measures[name](release, self.releases.environment), name=name)
        except TimeoutError as error:
            what = str(error) or "it took too long"
            return CheckRun(name=name, conclusion="timed_out", summary=what, findings=(what,))
        except FairleadError as error:
            what = "it could not be decided"
            return CheckRun(name=name, conclusion="neutral", summary=what, findings=(str(error),))

    @staticmethod
    def _said(standing: CheckRun, measured: CheckRun | None) -> CheckRun:
        """Return what a gate just found where that counts; else what is on record, and why."""
        if measured is None:
            return standing
        passed = standing.conclusion == "success"
        counts = measured.conclusion != ("skipped" if passed else "success")
        return measured if counts else standing


def as_one(checks: tuple[CheckRun, ...]) -> CheckRun:
    """Return all checks of `fairlead check` as the one gate `check`.

    Args:
        checks: The checks.
    """
    passed = sum(check.conclusion == "success" for check in checks)
    findings = [f"{check.name}: {one}" for check in checks for one in check.findings]
    return CheckRun(
        name=CHECK,
        conclusion=concludes(checks),
        summary=f"{passed} of {len(checks)} checks passed",
        findings=tuple(findings[:FINDINGS_MAX]),
        figures={"checks": [asdict(check) for check in checks]},
    )
