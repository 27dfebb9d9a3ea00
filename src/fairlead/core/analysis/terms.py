"""What an analysis is to look at: metrics, and how much evidence it asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeAlias, cast, get_args

from fairlead.core.digests import Json

MetricKind: TypeAlias = Literal["binary", "latency", "cost", "score"]
Direction: TypeAlias = Literal["higher_is_worse", "lower_is_worse"]
Role: TypeAlias = Literal["guardrail", "signal"]
Against: TypeAlias = Literal["baseline", "bound"]
Absent: TypeAlias = Literal["bad", "good", "excluded"]
Invariant: TypeAlias = Literal["policy_bypass", "secret_leaked", "effect_duplicated"]

INVARIANTS: tuple[Invariant, ...] = get_args(Invariant)
"""What must never happen."""

METRICS_MAX = 20
"""Most metrics of one analysis: each guardrail's share of alpha gets smaller with each more."""

RUNS_MAX = 10_000
"""Most canary runs that one analysis looks at, whatever its terms say."""

TIME_S_MAX = 90 * 86_400.0
"""Longest analysis, and longest wait for an outcome."""

SHARE_MIN = 1e-6
"""Least `p_max`, and so far it stays below 1: smaller shares need more runs than are looked at."""

ALPHA_MIN = 1e-9
"""Least chance of a wrong verdict that can be asked for."""

FEEDBACK = "feedback:"
"""How the source of a metric begins that people judge."""

WEIGHT_MIN, WEIGHT_MAX = 0.001, 1000.0
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class MetricTerms:
    """One metric: what of each run is looked at, and what follows from it.

    Attributes:
        name: Its name in reasons and in files.
        kind: `binary`: a run is good or bad; `latency`, `cost`, `score`: a run has a number.
        source: Where the outcome comes from, such as `outcome`, `feedback` or `check:cites_policy`.
        direction: Which numbers are worse; None for the usual of its kind.
        role: `guardrail`: evidence of harm fails the candidate; `signal`: it only pauses.
        weight: Its share of alpha, relative to the weights of the others of its role.
        against: What the candidate is held against: the baseline that runs beside it, or the
            bound `p_max` where there is no baseline.
        p_max: Highest share of bad runs, from 0.000001 to 0.999999, that is acceptable. The
            candidate is promoted when its share is shown to be lower. None: it promotes nothing.
        limit: A run whose number is beyond it is bad; only for numbers, and only with `p_max`.
        margin: How many times as many bad runs as the baseline are still no harm; only for binary.
        deadline_s: Seconds from a run's admission until its outcome is overdue; see `bears_waits`.
        absent: What a run without an outcome is after that: `bad`, `good`, or `excluded`, which is
            right only where being without one has nothing to do with the release. None for the
            usual of its source; see `absent_as`.
    """

    name: str
    kind: MetricKind = "binary"
    source: str = "outcome"
    direction: Direction | None = None
    role: Role = "guardrail"
    weight: float = 1.0
    against: Against = "baseline"
    p_max: float | None = None
    limit: float | None = None
    margin: float = 1.0
    deadline_s: float = 3600.0
    absent: Absent | None = None

    def __post_init__(self) -> None:
        # Values come from a file as well, where nothing has checked their types.
        name: object = self.name
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"a metric's name is a short word such as errors, not {name!r}")
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise self._wrong(f"{field} is {_either(choices)}, not {getattr(self, field)!r}")
        source: object = self.source
        if not isinstance(source, str) or not 0 < len(source) <= 200:
            raise self._wrong("source must name where outcomes come from, such as outcome")
        if not _within(self.weight, 0.0, WEIGHT_MAX) or self.weight < WEIGHT_MIN:
            raise self._wrong(f"weight must be from {WEIGHT_MIN:g} to {WEIGHT_MAX:g}")
        if not _within(self.deadline_s, 0.0, TIME_S_MAX):
            raise self._wrong(f"deadline_s must be above 0 and at most {TIME_S_MAX:g} seconds")
        if self.p_max is not None and (
            not _within(self.p_max, 0.0, 1.0 - SHARE_MIN) or self.p_max < SHARE_MIN
        ):
            raise self._wrong(
                f"p_max is a share of runs from {SHARE_MIN:f} to {1.0 - SHARE_MIN:f}, such as 0.05"
            )
        if not _within(self.margin, 0.0, 100.0) or self.margin < 1.0:
            raise self._wrong("margin must be from 1 to 100")
        if self.against == "bound" and self.p_max is None:
            raise self._wrong("against = bound needs p_max: it is the bound")
        self._check_kind()

    def _check_kind(self) -> None:
        if self.kind == "binary":
            if self.direction is not None or self.limit is not None:
                raise self._wrong("direction and limit are for numbers, and this metric is binary")
            return
        if self.margin != 1.0:
            raise self._wrong(f"margin is for binary metrics, and this one is of kind {self.kind}")
        if self.limit is not None and not _is_number(self.limit):
            raise self._wrong("limit must be a number")
        if (self.limit is None) != (self.p_max is None):
            raise self._wrong(
                "p_max and limit belong together: at most p_max of the runs may be beyond limit"
            )

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"metric {self.name}: {what}")

    @property
    def sign(self) -> float:
        """1.0 when higher numbers are worse, and -1.0 when lower ones are."""
        usual = "lower_is_worse" if self.kind == "score" else "higher_is_worse"
        return 1.0 if (self.direction or usual) == "higher_is_worse" else -1.0

    @property
    def absent_as(self) -> Absent:
        """What a run without an outcome is at its deadline.

        Most runs are judged by nobody, so for feedback they are left out when nobody says; a run
        whose end never came is bad.
        """
        return self.absent or ("excluded" if self.source.startswith(FEEDBACK) else "bad")

    @property
    def bears_waits(self) -> bool:
        """Whether time in which a run waits for an approval or a signal is a part of its deadline.

        It is not the release's time, so it is none; but latency is what passed until the answer.
        """
        return self.source == "latency"

    @property
    def ranks(self) -> bool:
        """Whether harm is looked for in the ranks of numbers."""
        return self.kind != "binary" and self.against == "baseline"


_CHOICES: dict[str, tuple[object, ...]] = {
    "kind": get_args(MetricKind),
    "direction": (None, *get_args(Direction)),
    "role": get_args(Role),
    "against": get_args(Against),
    "absent": (None, *get_args(Absent)),
}


@dataclass(frozen=True, kw_only=True)
class AnalysisTerms:
    """What one analysis looks at, and how much evidence it asks for.

    Attributes:
        metrics: Its metrics; a guardrail with `p_max` must be among them.
        alpha: Chance that a candidate which is no worse is failed, over all guardrails and all
            looks together; as much for all signals.
        promote_alpha: Chance that a candidate with `p_max` bad runs or more is promoted.
        ratio_alpha: Chance that a right router is taken for a broken one.
        min_runs: Fewest canary runs before it can succeed.
        max_runs: Canary runs after which it ends without a verdict.
        max_time_s: Seconds after which it ends without a verdict.
        errors_max: Failed measurements in a row that are borne.
        invariants: What fails a candidate at once when one of its runs does it. What an app does by
            design is left out here: then nothing looks for it.
    """

    metrics: tuple[MetricTerms, ...]
    alpha: float = 0.05
    promote_alpha: float = 0.05
    ratio_alpha: float = 0.001
    min_runs: int = 20
    max_runs: int = 1000
    max_time_s: float = 7 * 86_400.0
    errors_max: int = 4
    invariants: tuple[Invariant, ...] = INVARIANTS

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if not 0 < len(names) <= METRICS_MAX:
            raise ValueError(f"an analysis has from 1 to {METRICS_MAX} metrics, not {len(names)}")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two metrics have the name {min(twice)}; a name is used once")
        if not any(one.role == "guardrail" and one.p_max is not None for one in self.metrics):
            raise ValueError(
                "no guardrail has p_max, so nothing could show that a candidate is good;"
                " give one the highest share of bad runs that is acceptable"
            )
        for name in ("alpha", "promote_alpha", "ratio_alpha"):
            if not _within(getattr(self, name), 0.0, 0.5) or getattr(self, name) < ALPHA_MIN:
                raise ValueError(f"{name} must be from {ALPHA_MIN:g} to 0.5")
        for name, least in (("min_runs", 1), ("max_runs", 1), ("errors_max", 0)):
            value: object = getattr(self, name)
            if type(value) is not int or not least <= value <= RUNS_MAX:
                raise ValueError(f"{name} must be a whole number from {least} to {RUNS_MAX}")
        if self.min_runs > self.max_runs:
            raise ValueError(
                f"min_runs is {self.min_runs} and above max_runs, which is {self.max_runs}"
            )
        if unknown := set(self.invariants) - set(INVARIANTS):
            raise ValueError(f"there is no invariant {min(unknown)!r}; {', '.join(INVARIANTS)} are")
        if not _within(self.max_time_s, 0.0, TIME_S_MAX):
            raise ValueError(f"max_time_s must be above 0 and at most {TIME_S_MAX:g} seconds")

    def alpha_of(self, metric: MetricTerms) -> float:
        """Return a metric's share of alpha, by weight among the metrics of its role."""
        whole = math.fsum(one.weight for one in self.metrics if one.role == metric.role)
        return self.alpha * metric.weight / whole

    def metric(self, name: str) -> MetricTerms:
        """Return the metric of a name.

        Raises:
            ValueError: there is none.
        """
        for one in self.metrics:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.metrics)
        raise ValueError(f"the analysis has no metric {name!r}; there are: {known}")

    def without_baseline(self) -> AnalysisTerms:
        """Return the terms for a candidate that nothing runs beside, such as a first release.

        What has a bound is held against it. What has none cannot be judged, and is left out.
        """
        bounded = [one for one in self.metrics if one.p_max is not None]
        return replace(self, metrics=tuple(replace(one, against="bound") for one in bounded))


def terms_to_json(terms: AnalysisTerms) -> dict[str, Json]:
    """Return terms as JSON."""
    return cast(dict[str, Json], {**asdict(terms), "metrics": [asdict(m) for m in terms.metrics]})


def terms_from_json(data: Json) -> AnalysisTerms:
    """Read terms; what is left out has its default.

    Args:
        data: The JSON, also as somebody wrote it into a file.

    Raises:
        ValueError: something in it is not known, or does not fit.
    """
    given = _fields(data, AnalysisTerms, "an analysis")
    metrics = given.pop("metrics", None)
    if not isinstance(metrics, list | tuple):
        raise ValueError("metrics must be a list")
    given["invariants"] = _names(given.get("invariants", INVARIANTS), "invariants")
    read = [MetricTerms(**_fields(one, MetricTerms, "a metric", needs="name")) for one in metrics]
    return AnalysisTerms(metrics=tuple(read), **given)


def _names(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{what} must be a list of names")
    return tuple(value)


def _fields(data: Json, owner: type[Any], what: str, needs: str = "metrics") -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"{what} must be an object with {needs}, not {type(data).__name__}")
    known = [one.name for one in fields(owner)]
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"{what} has no {unknown[0]!r}; there are: {', '.join(known)}")
    if needs not in data:
        raise ValueError(f"{what} needs {needs}")
    return dict(data)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value: object, above: float, most: float) -> bool:
    return _is_number(value) and above < cast(float, value) <= most


def _either(choices: tuple[object, ...]) -> str:
    named = [str(one) for one in choices if one is not None]
    return f"{', '.join(named[:-1])} or {named[-1]}"
