"""A rollout under way with its runs, and what a store would keep of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.core.analysis import Analysis, AnalysisTerms, Evidence, MetricTerms, begin
from fairlead.core.rollout import Rollout, RolloutTerms, Step
from fairlead.delivery.observing import observe_rollout
from fairlead.ports.rollouts import Counted, Ended, Look, Said, Sample, Tally

T0 = 1000.0
SUCCESS = MetricTerms(name="success", p_max=0.05, deadline_s=60.0)
HELPFUL = MetricTerms(
    name="helpful", source="feedback:helpful", deadline_s=600.0, absent="excluded"
)
STARS = MetricTerms(
    name="stars", kind="score", source="feedback:stars", deadline_s=600.0, absent="excluded"
)
LATENCY = MetricTerms(name="latency", kind="latency", source="latency", role="signal")


def ended(state: Any = "succeeded", **values: Any) -> Ended:
    """Return how a run ended."""
    return Ended(state=state, **{"duration_s": 1.0, "cost_usd": 0.01, "calls": 3, **values})


@dataclass
class Watch:
    """A rollout under way, with what a store would keep of it."""

    metrics: tuple[MetricTerms, ...] = (SUCCESS,)
    runs: dict[int, Sample] = field(default_factory=dict)
    counted: dict[tuple[str, str], Counted] = field(default_factory=dict)
    words: int = 0
    due: dict[int, float | None] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        terms = AnalysisTerms(metrics=self.metrics)
        steps = (Step(kind="set_weight", weight=0.5), Step(kind="analysis"))
        self.rollout = Rollout(
            id="ro-1",
            environment="default",
            app="shop",
            candidate="b",
            baseline="a",
            terms=RolloutTerms(steps=steps, analysis=terms),
            by="ann",
            began_at=T0,
            analysis=begin(terms),
            weight=0.5,
            step=1,
            waits="",
        )

    def run(self, arm: Any = "canary", unit: str = "", **values: Any) -> int:
        """Admit a run, and return its number."""
        number = len(self.runs) + 1
        self.runs[number] = Sample(
            number=number,
            run_id=f"r{number}",
            arm=arm,
            unit=unit or f"r{number}",
            **{
                "probability": 0.5,
                "admitted_at": T0,
                "place": None,
                "was_counted": False,
                "ended": None,
                **values,
            },
        )
        return number

    def end(self, number: int, state: Any = "succeeded", **values: Any) -> None:
        """Let a run end."""
        self.runs[number] = replace(self.runs[number], ended=ended(state, **values))

    def say(self, number: int, name: str, value: Any) -> None:
        """Say something of a run."""
        self.words += 1
        one = self.runs[number]
        said = (*one.said, Said(number=self.words, name=name, value=value))
        self.runs[number] = replace(one, said=said)

    def look(self, now: float = T0 + 1, *, only: list[int] | None = None) -> Tally:
        """Look once at what is new, and tick off what was counted."""
        fresh = [
            one
            for one in self.runs.values()
            if one.place is None
            or (one.ended is not None and not one.was_counted)
            or one.said
            or (self.due.get(one.number) or now + 1) <= now
        ]
        samples = tuple(one for one in fresh if only is None or one.number in only)
        units = {one.unit for one in samples}
        known = {key: one for key, one in self.counted.items() if key[1] in units}
        tally = observe_rollout(
            self.rollout, Look(now=now, served=True, in_flight=1, samples=samples, counted=known)
        )
        self.rollout = tally.rollout
        self.due |= tally.due
        self.told += tally.said
        for counted in tally.counted:
            self.counted[counted.metric, counted.unit] = counted
        for one in samples:
            self.runs[one.number] = replace(
                one,
                place=tally.places.get(one.number, one.place),
                was_counted=one.was_counted or one.number in tally.ended,
                said=(),
            )
        return tally

    @property
    def analysis(self) -> Analysis:
        """What is known by now."""
        return self.rollout.analysis

    def evidence(self, metric: str = "success") -> Evidence:
        """Return the evidence of a metric."""
        return self.analysis.metrics[metric]

    def known(self, metric: str = "success") -> tuple[int, int, int, int]:
        """Return how many units are counted, and bad: of the canary, and of the baseline."""
        one: Evidence = self.analysis.metrics[metric]
        return one.canary, one.canary_bad, one.baseline, one.baseline_bad
