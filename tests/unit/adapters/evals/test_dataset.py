"""Datasets: what is expected of which case, and mistakes named with their place."""

from __future__ import annotations

import pytest

from fairlead.adapters.evals.cases import CASES_MAX
from fairlead.adapters.evals.dataset import parse_dataset
from fairlead.core.errors import InvalidConfig
from fairlead.ports.datasets import Expectation

TEXT = """
name: answer
evaluators:
  - State: succeeded
cases:
  - name: rope
    inputs: {question: "What runs?"}
    evaluators: [{Contains: rope}, {Cites: {value: a.md}}]
  - name: moon
    inputs: {question: "How many moons?"}
    evaluators: [{State: escalated}]
  - inputs: 17
    expected_output: [1, 2]
    evaluators: [EqualsExpected]
"""


def test_a_dataset_is_read() -> None:
    rope, moon, third = parse_dataset("evals/a.yaml", TEXT)
    succeeded = Expectation(name="State", value="succeeded")
    assert (rope.name, rope.inputs) == ("rope", {"question": "What runs?"})
    assert rope.expectations == (
        succeeded,
        Expectation(name="Contains", value="rope"),
        Expectation(name="Cites", value="a.md"),
    )
    # A case's own expectation of a kind stands in place of the dataset's.
    assert moon.expectations == (Expectation(name="State", value="escalated"),)
    assert (third.name, third.inputs) == ("3", 17)
    assert third.expectations == (succeeded, Expectation(name="EqualsExpected", value=[1, 2]))


CASE = "cases: [{inputs: 1, evaluators: [%s]}]"
MISTAKES = [
    ("cases: [", "no YAML"),
    ("", "no list of cases"),
    ("[]", "no list of cases"),
    ("cases: {}", "no list of cases"),
    ("cases: []", "no list of cases"),
    ("cases: [5]", "case 1 has no inputs"),
    ("cases: [{name: a}]", "case 1 has no inputs"),
    ("cases: [{inputs: 1}]", "case 1 expects nothing"),
    (CASE % "Nonsense", "unknown evaluator 'Nonsense'"),
    (CASE % "{LLMJudge: x}", "unknown evaluator 'LLMJudge'"),
    (CASE % "{State: a, Contains: b}", "no evaluator"),
    (CASE % "5", "no evaluator"),
    ("cases: !!python/object/apply:os.getcwd []", "no YAML"),
]


@pytest.mark.parametrize(("text", "named"), MISTAKES)
def test_a_mistake_is_named_with_its_file(text: str, named: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        parse_dataset("evals/a.yaml", text)
    assert named in error.value.message
    assert error.value.message.startswith("evals/a.yaml")


def test_invariant_11_a_dataset_is_bounded() -> None:
    cases = "\n".join(["cases:", *["- {inputs: 1}"] * (CASES_MAX + 1)])
    with pytest.raises(InvalidConfig, match=str(CASES_MAX)):
        parse_dataset("evals/a.yaml", "evaluators: [{State: succeeded}]\n" + cases)
