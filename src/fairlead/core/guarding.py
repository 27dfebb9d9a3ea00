"""Guardrails' verdicts and the checks that an outcome carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairlead.core.grounding import Source

Stage: TypeAlias = Literal["input", "output"]
OnFail: TypeAlias = Literal["block", "escalate", "warn"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a guardrail says.

    Attributes:
        passed: Whether the check holds.
        reason: Why not; empty when it holds.
    """

    passed: bool
    reason: str = ""


PASS = Verdict(passed=True)
"""The verdict of a check that holds."""


def fail(reason: str) -> Verdict:
    """Return the verdict of a check that does not hold.

    Args:
        reason: Why, in words that the on-call engineer will read.
    """
    return Verdict(passed=False, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One guardrail's verdict on one run.

    Attributes:
        name: The guardrail.
        stage: Where it ran.
        passed: Its verdict.
        reason: Why it failed; empty when it passed.
        on_fail: What its failure does: block (the run is denied), escalate (to a person), warn.
    """

    name: str
    stage: Stage
    passed: bool
    reason: str
    on_fail: OnFail


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An example that a guardrail must judge in a given way; the gate tries all of them.

    Attributes:
        passes: The verdict that is expected.
        output: The draft's output, for the output stage.
        sources: What was retrieved, for the output stage.
        question: The request's question, for the input stage.
    """

    passes: bool
    output: Any = None
    sources: tuple[Source, ...] = ()
    question: str = ""
