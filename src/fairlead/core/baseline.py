"""The platform's baseline: policies, limits and guardrails that stand above every app.

An app can narrow a baseline and never weaken it. A release records the baseline that it was made
with, whole, so that its runs stay pinned to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from fairlead.core.calls import Effect
from fairlead.core.digests import Json, digest
from fairlead.core.limits import Limits

WINDOW_S = 7 * 86_400.0
"""How long releases made with the version before are still accepted, unless it is said."""

WINDOW_S_MAX = 365 * 86_400.0

LIMIT_FIELDS: Mapping[str, str] = {
    "steps": "steps",
    "cost_usd": "cost_usd",
    "attempts": "attempts",
    "repeats": "repeats",
    "reasks": "reasks",
    "context_tokens": "context_tokens",
    "history_messages": "history_messages",
    "history_chars": "history_chars",
    "wall_time_s": "wall_time",
    "call_timeout_s": "call_timeout",
    "unknown_wait_s": "unknown_wait",
}
"""Each limit as `baseline.toml` names it, with its name in `Limits`."""


@dataclass(frozen=True, kw_only=True)
class ContractRules:
    """What tools of an app may be; patterns are like `admin:*`.

    Attributes:
        forbidden_effects: Effects that no tool may have.
        forbidden_scopes: Patterns that no tool's scope may match.
        allowed_scopes: Patterns of which each tool's scope must match one; empty allows all.
        forbid_egress: Whether no tool may send what it is given out of the tenant.
    """

    forbidden_effects: tuple[Effect, ...] = ()
    forbidden_scopes: tuple[str, ...] = ()
    allowed_scopes: tuple[str, ...] = ()
    forbid_egress: bool = False

    def objections(self, effect: str, scope: str, *, egress: bool) -> list[str]:
        """Return what is wrong with a tool's contract, in words that follow its name.

        Args:
            effect: The tool's effect.
            scope: Its scope.
            egress: Whether what it is given leaves the tenant.
        """
        found = []
        if effect in self.forbidden_effects:
            found.append(f"has effect {effect}, which the baseline forbids")
        found += [
            f"has scope {scope}, and the baseline forbids {pattern}"
            for pattern in self.forbidden_scopes
            if fnmatchcase(scope, pattern)
        ]
        allowed = self.allowed_scopes
        if allowed and not any(fnmatchcase(scope, pattern) for pattern in allowed):
            found.append(f"has scope {scope}, and the baseline allows only {', '.join(allowed)}")
        if egress and self.forbid_egress:
            found.append("sends what it is given out of the tenant, which the baseline forbids")
        return found


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """One version of the baseline.

    Attributes:
        name: Its name.
        version: Its version; a version is published once and does not change.
        window_s: Seconds for which releases made with the version before are still accepted.
        limits: The most that an app's limits may say, by their names in `fairlead.toml`.
        guardrails: Names of Fairlead's own guardrails that every workflow must have, and that must
            stop what fails.
        contracts: What tools may be.
        policies: Policy texts by path. What no rule of them forbids is permitted.
    """

    name: str
    version: str
    window_s: float = WINDOW_S
    limits: dict[str, int | float] = field(default_factory=dict)
    guardrails: tuple[str, ...] = ()
    contracts: ContractRules = field(default_factory=ContractRules)
    policies: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of all of it: its name."""
        return digest(baseline_json(self))

    @property
    def id(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version}"


def baseline_json(baseline: Baseline) -> dict[str, Json]:
    """Return a baseline as JSON; equal baselines give equal JSON."""
    data: dict[str, Json] = asdict(baseline)
    data["guardrails"] = list(baseline.guardrails)
    data["contracts"] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in data["contracts"].items()
    }
    return data


def most(limits: Limits, name: str) -> float:
    """Return a limit by its name in `fairlead.toml`, as a number."""
    value: int | float | timedelta = getattr(limits, LIMIT_FIELDS[name])
    return value.total_seconds() if isinstance(value, timedelta) else value


def narrowed(limits: Limits, baseline: Baseline | None) -> Limits:
    """Return the smaller one of each limit and the baseline's maximum.

    Args:
        limits: What the app says.
        baseline: What stands above it; None for nothing.
    """
    changes: dict[str, int | float | timedelta] = {}
    for name, maximum in (baseline.limits if baseline else {}).items():
        if most(limits, name) > maximum:
            timed = name.endswith("_s")
            changes[LIMIT_FIELDS[name]] = timedelta(seconds=maximum) if timed else maximum
    return replace(limits, **changes) if changes else limits  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Enforcement:
    """The moment from which a baseline is in force.

    Attributes:
        digest: The baseline.
        window_s: Seconds for which what was accepted before is still accepted.
        by: Who ordered it.
        time: Seconds since 1970, UTC, by the database's clock.
    """

    digest: str
    window_s: float
    by: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Which baselines are accepted at one moment.

    Attributes:
        enforcements: All of them, oldest first.
        now: The moment, in seconds since 1970.
    """

    enforcements: tuple[Enforcement, ...] = ()
    now: float = 0.0

    @property
    def current(self) -> str | None:
        """Digest of the baseline that new releases are made with; None when none is in force."""
        return self.enforcements[-1].digest if self.enforcements else None

    def until(self, baseline: str | None) -> float | None:
        """Return until when releases made with a baseline are accepted.

        Each later enforcement sets an end, and the earliest one counts: a window can be cut short
        by a later enforcement, and is never extended by one.

        Args:
            baseline: Its digest; None for releases that were made with none.

        Returns:
            Seconds since 1970; infinity while no end is set; None when it never was in force.
        """
        places = [n for n, one in enumerate(self.enforcements) if one.digest == baseline]
        if baseline is not None and not places:
            return None
        if baseline is not None and baseline == self.current:
            return float("inf")
        later = self.enforcements[places[-1] + 1 if places else 0 :]
        return min((one.time + one.window_s for one in later), default=float("inf"))

    def accepts(self, baseline: str | None) -> bool:
        """Return whether a release made with a baseline may be made and activated now."""
        if not self.enforcements:
            return True
        until = self.until(baseline)
        return until is not None and self.now < until
