"""Guardrails' verdicts and the checks that an outcome carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.grounding import Source

Stage: TypeAlias = Literal["input", "tool", "output"]
OnFail: TypeAlias = Literal["block", "escalate", "warn", "redact", "retry"]


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call of a tool as a guardrail of the stage `tool` sees it: twice, before and after.

    Attributes:
        name: The tool.
        arguments: What its body gets.
        returned: False before the body is executed, True once there is a result.
        result: What came back; None before.
    """

    name: str
    arguments: Json
    returned: bool = False
    result: Json = None

    @property
    def subject(self) -> Json:
        """What is judged now: the arguments before, the result after."""
        return self.result if self.returned else self.arguments


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
        on_fail: What its failure does: block (the run or the call is denied), escalate (to a
            person), warn, redact (what failed is taken out), retry (the model is asked again).
            A redaction that did not help is a block.
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
        call: The tool call, for the tool stage.
    """

    passes: bool
    output: Any = None
    sources: tuple[Source, ...] = ()
    question: str = ""
    call: ToolCall | None = None
