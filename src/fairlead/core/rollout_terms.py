"""How a release is rolled out: its steps, what is looked at, and what becomes of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.core.analysis import AnalysisTerms
from fairlead.core.routing import Sticky

StepKind: TypeAlias = Literal["set_weight", "pause", "analysis", "approval"]
InFlight: TypeAlias = Literal["pinned", "move", "stop"]
"""What becomes of runs that a release still has in flight when it is rolled back: they end on it,
go on with the previous release at a boundary, or are stopped."""

STEPS_MAX = 50
"""Most steps of one rollout."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a rollout.

    Attributes:
        kind: What it does.
        weight: Share of new runs that start on the candidate, for `set_weight`.
        duration_s: Seconds that a `pause` lasts; None until somebody promotes it.
        min_runs: Runs of the candidate that an `analysis` sees at this weight, at least, from
            their admission to their outcome.
        role: Who may go on behind an `approval`.
    """

    kind: StepKind
    weight: float = 0.0
    duration_s: float | None = None
    min_runs: int = 20
    role: str = "approver"

    def __post_init__(self) -> None:
        if self.kind == "set_weight" and not 0.0 < self.weight <= 1.0:
            raise ValueError("setWeight must be above 0 and at most 100 percent")
        if self.duration_s is not None and not 0.0 < self.duration_s <= 90 * 86_400:
            raise ValueError("a pause lasts above 0 and at most 7776000 seconds (90 days)")
        if not 0 <= self.min_runs <= 10_000:
            raise ValueError("min_runs of an analysis must be from 0 to 10000")


@dataclass(frozen=True, kw_only=True)
class RolloutTerms:
    """How a release is rolled out.

    Attributes:
        steps: The steps, in order.
        analysis: What is looked at, from the first run on.
        sticky: What keeps its arm, and counts once.
        in_flight: What becomes of the candidate's runs when it is rolled back.
        holdback: Share of new runs that stay on the previous release after the promotion.
        observe_s: Seconds for which they do, and for which evidence still rolls back.
        ready_s: Seconds within which the candidate must have a worker.
        gone_s: Seconds without any worker of the candidate after which it is rolled back.
        fix: Whether it mends what the release before did to users; delivery metrics count it.
    """

    steps: tuple[Step, ...]
    analysis: AnalysisTerms
    sticky: Sticky = "run"
    in_flight: InFlight = "pinned"
    holdback: float = 0.05
    observe_s: float = 86_400.0
    ready_s: float = 120.0
    gone_s: float = 30.0
    fix: bool = False

    def __post_init__(self) -> None:
        kinds = [step.kind for step in self.steps]
        if not 1 <= len(kinds) <= STEPS_MAX:
            raise ValueError(f"a rollout has from 1 to {STEPS_MAX} steps, not {len(kinds)}")
        if kinds[0] != "set_weight":
            raise ValueError("the first step must be setWeight: before it there is no traffic")
        if "analysis" not in kinds:
            raise ValueError("no step is an analysis, so nothing would have to be proven")
        weights = [step.weight for step in self.steps if step.kind == "set_weight"]
        if weights != sorted(weights):
            raise ValueError("weights must not fall from one setWeight to the next")
        if not 0.0 <= self.holdback <= 0.5:
            raise ValueError("holdback must be from 0 to 50 percent")
        for name, most in (("observe_s", 90 * 86_400.0), ("ready_s", 3600.0), ("gone_s", 3600.0)):
            value = getattr(self, name)
            if not (0.0 if name == "observe_s" else 1.0) <= value <= most:
                raise ValueError(f"{name} must be at most {most:g} seconds, and not {value:g}")
