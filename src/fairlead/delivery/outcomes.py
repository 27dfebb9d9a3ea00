"""What a run's end, and what people say of it, mean for a metric."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import cast

from fairlead.core.analysis import AnalysisTerms, MetricTerms, Result
from fairlead.core.analysis.terms import FEEDBACK
from fairlead.core.digests import Json
from fairlead.core.nearest import unknown_name
from fairlead.ports.rollouts import Ended, Said, Sample

BREACH = "breach:"
"""How the word that something happened that must never happen begins."""

CHECK = "check:"
SOURCES = ("outcome", "denied", "escalated", "latency", "cost", "calls")
"""Where outcomes come from, beside `check:NAME` and `feedback:NAME`."""


def results_of(metric: MetricTerms, sample: Sample) -> list[Result]:
    """Return what is new of a run for a metric, in the order in which it happened.

    Args:
        metric: The metric.
        sample: The run.
    """
    found: list[Result] = []
    if sample.ended is not None and not sample.was_counted:
        result = _of_end(metric, sample.ended)
        if result is not None:
            found.append(result)
    for word in _words_for(metric, sample.said):
        if metric.kind == "binary" and word.value in ("good", "bad"):
            found.append(cast(Result, word.value))
        elif metric.kind != "binary" and _is_number(word.value):
            found.append(float(cast(float, word.value)))
    return found


def unread_words(metric: MetricTerms, sample: Sample) -> list[str]:
    """Return why words that are for a metric cannot be read, each with its run.

    One that was damaged where it is kept, or that nobody could have said, must not stop the looks:
    it is named instead.

    Args:
        metric: The metric.
        sample: The run.
    """
    found = []
    for word in _words_for(metric, sample.said):
        if word.value in ("good", "bad") or _is_number(word.value):
            continue
        why = word.unread or "it is neither good nor bad nor a number"
        found.append(f"run {sample.run_id}: word {word.number} on it cannot be read: {why}")
    return found


def _words_for(metric: MetricTerms, said: Sequence[Said]) -> list[Said]:
    name = _word_of(metric)
    return [word for word in said if name and word.name == name]


def _word_of(metric: MetricTerms) -> str:
    """Return the name of the words that a metric counts; empty when it counts none."""
    if metric.source == "outcome":
        return "outcome"
    told = metric.source.startswith(FEEDBACK)
    return metric.source.removeprefix(FEEDBACK) if told else ""


def unheard(terms: AnalysisTerms, name: str, value: Json) -> str:
    """Return why an analysis counts a word for nothing, in words; empty when it counts it.

    Args:
        terms: What it looks at.
        name: What the word is about.
        value: What is said.
    """
    if name.startswith(BREACH):
        left_out = name.removeprefix(BREACH) not in terms.invariants
        return f"its analysis.invariants leave {name} out" if left_out else ""
    words = {_word_of(one) for one in terms.metrics} - {""}
    if name not in words:
        return f"no metric of it counts {name!r}; {unknown_name(name, words)}"
    heard = [one for one in terms.metrics if _word_of(one) == name]
    numbers = not isinstance(value, str)
    if any((one.kind != "binary") == numbers for one in heard):
        return ""
    wanted = "good or bad" if numbers else "a number"
    return f"its metric {heard[0].name} counts {wanted}, and not {value!r}"


def _is_number(value: Json) -> bool:
    """Whether a word is a number that can be ranked; one that is not must not stop the looks."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


_NUMBERS: dict[str, Callable[[Ended], float]] = {
    "latency": lambda ended: ended.duration_s,
    "cost": lambda ended: ended.cost_usd,
    "calls": lambda ended: float(ended.calls),
}


def unmeasured_by(metric: MetricTerms, ended: Ended) -> str:
    """Return why a metric cannot be measured by a run's end, in words; empty when it can.

    Args:
        metric: The metric.
        ended: How the run ended.
    """
    if ended.state == "cancelled":
        return ""
    if metric.source.startswith(CHECK):
        return ended.unread
    if metric.source not in _NUMBERS:
        return ""
    number = _NUMBERS[metric.source](ended)
    return "" if _is_number(number) else f"its {metric.source} is {number!r}, which is no number"


def _of_end(metric: MetricTerms, ended: Ended) -> Result | None:
    """Return what a run's end says for a metric; None for nothing."""
    source = metric.source
    if source.startswith(FEEDBACK):
        return None
    if ended.state == "cancelled":
        # A person stopped it: that says nothing of the release.
        return "excluded"
    if unmeasured_by(metric, ended):
        return None
    if source in _NUMBERS:
        return _NUMBERS[source](ended)
    if source.startswith(CHECK):
        return "bad" if source.removeprefix(CHECK) in ended.failed_checks else "good"
    if source in ("denied", "escalated"):
        return "bad" if ended.state == source else "good"
    return "good" if ended.state == "succeeded" else "bad"
