"""Reads how a release is rolled out: a YAML file that a person wrote, or what is meant without one.

Shares stand as percent in the file, as people say them.
"""

from __future__ import annotations

from typing import Any

from fairlead.core.analysis import AnalysisTerms, MetricTerms, terms_from_json
from fairlead.core.analysis.terms import FEEDBACK
from fairlead.core.errors import InvalidConfig, InvalidRollout
from fairlead.core.release import Manifest
from fairlead.core.rollout import RolloutTerms, Step
from fairlead.delivery.outcomes import CHECK, SOURCES
from fairlead.delivery.strict_yaml import read_yaml

ROLLOUT_FILE = "rollout.yaml"
"""Where an app says how its releases are rolled out."""

_KEYS = (
    "steps",
    "analysis",
    "sticky",
    "in_flight",
    "holdback",
    "observe_s",
    "ready_s",
    "gone_s",
    "fix",
)
_STEPS = ("setWeight", "pause", "analysis", "approval")
_STICKY = ("run", "conversation", "user", "tenant")
_IN_FLIGHT = ("pinned", "move", "stop")
_BAD_TIMES, _BAD_MORE = 1.75, 0.0325
"""Without a file, the share of bad runs that is not acceptable, from the share that the objective
allows: 5 percent for 1, 12 for 5, 21 for 10. A good candidate is promoted after about 100 runs."""


def read_rollout(text: str, path: str, manifest: Manifest) -> RolloutTerms:
    """Read a rollout's file.

    Args:
        text: The file's text.
        path: Its name, for messages.
        manifest: The candidate's manifest, whose objectives are the default.

    Raises:
        InvalidRollout: It is not understood, or could prove nothing.
    """
    try:
        data = read_yaml(text, path)
    except InvalidConfig as error:
        raise InvalidRollout(error.message, file=path) from error
    try:
        return _terms(data, manifest)
    # A number of hundreds of digits fits nowhere.
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidRollout(f"{path}: {error}", file=path) from error


def usual_rollout(manifest: Manifest) -> RolloutTerms:
    """Return how a release is rolled out when nobody says: 10 percent, then half, then all."""
    return RolloutTerms(
        steps=(
            Step(kind="set_weight", weight=0.1),
            Step(kind="analysis"),
            Step(kind="set_weight", weight=0.5),
            Step(kind="analysis"),
        ),
        analysis=usual_analysis(manifest),
    )


def usual_analysis(manifest: Manifest) -> AnalysisTerms:
    """Return what is looked at when nobody says: failures; and, as a signal, time and money."""
    worst = max((1.0 - one.slo.success for one in manifest.workflows.values()), default=0.01)
    p_max = min(_BAD_TIMES * worst + _BAD_MORE, 0.5)
    return AnalysisTerms(
        metrics=(
            MetricTerms(name="success", source="outcome", p_max=round(p_max, 4)),
            MetricTerms(name="latency", kind="latency", source="latency", role="signal"),
            MetricTerms(name="cost", kind="cost", source="cost", role="signal"),
        )
    )


def _terms(data: Any, manifest: Manifest) -> RolloutTerms:
    given = _table(data, _KEYS, "a rollout")
    if "steps" not in given:
        raise ValueError("a rollout needs steps")
    if not isinstance(given["steps"], list):
        raise ValueError("steps must be a list")
    values: dict[str, Any] = {
        "steps": tuple(_step(one) for one in given["steps"]),
        "analysis": _analysis(given.get("analysis"), manifest),
    }
    for name, choices in (("sticky", _STICKY), ("in_flight", _IN_FLIGHT)):
        if name in given:
            values[name] = _one_of(given[name], choices, name)
    if "holdback" in given:
        values["holdback"] = _percent(given["holdback"], "holdback")
    for name in ("observe_s", "ready_s", "gone_s"):
        if name in given:
            values[name] = _number(given[name], name)
    if "fix" in given:
        if not isinstance(given["fix"], bool):
            raise ValueError("fix must be true or false")
        values["fix"] = given["fix"]
    return RolloutTerms(**values)


def _step(data: Any) -> Step:
    if isinstance(data, str):
        data = {data: None}
    table = _table(data, _STEPS, "a step")
    if len(table) != 1:
        raise ValueError(f"a step is one of {', '.join(_STEPS)}, not {', '.join(table) or 'none'}")
    [(name, value)] = table.items()
    if name == "setWeight":
        return Step(kind="set_weight", weight=_percent(value, name))
    value = {} if value is None else value
    if name == "pause":
        inner = _table(value, ("duration_s",), "a pause")
        lasts = inner.get("duration_s")
        return Step(
            kind="pause", duration_s=None if lasts is None else _number(lasts, "duration_s")
        )
    if name == "approval":
        inner = _table(value, ("role",), "an approval")
        roles = ("viewer", "approver", "operator", "admin")
        return Step(kind="approval", role=_one_of(inner.get("role", "approver"), roles, "role"))
    inner = _table(value, ("min_runs",), "an analysis step")
    least = inner.get("min_runs", 20)
    if isinstance(least, bool) or not isinstance(least, int):
        raise ValueError("min_runs must be a whole number")
    return Step(kind="analysis", min_runs=least)


def _analysis(data: Any, manifest: Manifest) -> AnalysisTerms:
    if data is None:
        return usual_analysis(manifest)
    if not isinstance(data, dict):
        raise ValueError("analysis must be a table")
    listed = data.get("metrics")
    if listed is None:
        data = {**data, "metrics": [vars(one) for one in usual_analysis(manifest).metrics]}
    elif isinstance(listed, list):
        data = {**data, "metrics": [_metric(one) for one in listed]}
    terms = terms_from_json(data)
    guardrails = {rail for one in manifest.workflows.values() for rail in one.guardrails}
    for metric in terms.metrics:
        _known_source(metric, guardrails)
    return terms


def _metric(data: Any) -> Any:
    """Return a metric whose source follows from its kind when nobody says it."""
    if isinstance(data, dict) and "source" not in data and data.get("kind") in ("latency", "cost"):
        return {**data, "source": data["kind"]}
    return data


def _known_source(metric: MetricTerms, guardrails: set[str]) -> None:
    source = metric.source
    if source.startswith(FEEDBACK) and len(source) > len(FEEDBACK):
        return
    if source.startswith(CHECK) and source.removeprefix(CHECK) not in guardrails:
        names = ", ".join(sorted(guardrails)) or "none"
        raise ValueError(
            f"metric {metric.name}: no workflow has the guardrail {source.removeprefix(CHECK)!r}; "
            f"there are: {names}"
        )
    if source not in SOURCES and not source.startswith(CHECK):
        known = ", ".join((*SOURCES, f"{CHECK}NAME", f"{FEEDBACK}NAME"))
        raise ValueError(f"metric {metric.name}: unknown source {source!r}; there are: {known}")
    number = source in ("latency", "cost", "calls")
    if number != (metric.kind != "binary"):
        what = "gives a number" if number else "is good or bad"
        raise ValueError(f"metric {metric.name}: source {source} {what}, and kind is {metric.kind}")


def _table(data: Any, keys: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} must be a table with {', '.join(keys)}")
    unknown = sorted(set(data) - set(keys))
    if unknown:
        raise ValueError(f"{what} has no {unknown[0]!r}; it knows: {', '.join(keys)}")
    return data


def _one_of(value: Any, choices: tuple[str, ...], name: str) -> Any:
    if value not in choices:
        raise ValueError(f"{name} is {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number of seconds, not {value!r}")
    return float(value)


def _percent(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number of percent, not {value!r}")
    if not 0 <= value <= 100:
        raise ValueError(f"{name} must be from 0 to 100 percent, not {value:g}")
    return value / 100.0
