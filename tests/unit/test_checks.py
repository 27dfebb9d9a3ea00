"""Checks that are ready to list."""

from __future__ import annotations

from typing import Any

import pytest

import fairlead as fl

CONTEXT = fl.Context(run_id="r", workflow="w", release="", principal=fl.Principal())


@pytest.mark.parametrize(
    ("question", "input", "chars"),
    [
        ("four", "four", 4),
        ("four", {"question": "four"}, len("question") + 4),
        (str({"text": "four"}), {"text": "four"}, 8),
        ("four", "seven..", 11),
        ("four", {"question": "seven.."}, len("question") + 11),
        ("four", ["four", "four"], 12),
    ],
)
def test_size_counts_once_what_was_asked_once(question: str, input: Any, chars: int) -> None:
    request = fl.Request(question=question, input=input)
    assert fl.checks.size(chars_max=chars).function(CONTEXT, request) == fl.PASS
    said = fl.checks.size(chars_max=chars - 1).function(CONTEXT, request)
    assert said.reason == f"it has {chars} characters; {chars - 1} are allowed"


@pytest.mark.parametrize("stage", ["input", "tool", "output"])
@pytest.mark.parametrize("chars_max", [1, 50])
def test_the_samples_of_size_are_judged_as_they_say(stage: Any, chars_max: int) -> None:
    rail = fl.checks.size(stage=stage, chars_max=chars_max + 20)
    for sample in rail.samples:
        subject = {
            "input": fl.Request(question=sample.question, input=sample.question),
            "tool": sample.call,
            "output": fl.Draft(output=sample.output, sources=()),
        }[stage]
        assert rail.function(CONTEXT, subject).passed == sample.passes
