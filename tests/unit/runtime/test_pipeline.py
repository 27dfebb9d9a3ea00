"""The request path: six stages in order, and one outcome whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.core.outcome import Outcome
from fairlead.testing import FakeAuthorizer, FakeDocuments, FakeEngine
from tests.unit.runtime.bench import SLO_OF_TESTS, TEXT, Bench, documents_of


def rail(stage: Any, on_fail: Any, *, passes: bool, seen: list[str] | None = None) -> Any:
    """Return a guardrail that always says the same."""

    def say(_: fl.Context, subject: Any) -> fl.Verdict:
        if seen is not None:
            seen.append(type(subject).__name__)
        return fl.PASS if passes else fl.fail("because")

    say.__name__ = f"{stage}_{on_fail}_{passes}"
    return fl.guardrail(stage=stage, on_fail=on_fail)(say)


class Walk:
    """One walk along the path, by a workflow that keeps the outcome."""

    def __init__(self, *rails: Any, recalls: bool = True, **options: Any) -> None:
        self.outcomes: list[Outcome[str]] = []
        self.asked: list[list[ModelMessage]] = []

        async def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            self.asked.append(messages)
            return ModelResponse(parts=[TextPart("a draft")])

        @fl.workflow(
            intent="Walk the path",
            owner="group:default/tests",
            input=str,
            output=str,
            model=Agent(FunctionModel(respond, model_name="m"), name="walker"),
            guardrails=rails,
            memory=fl.Memory(semantic=fl.Recall("notes", top_k=2) if recalls else None),
            slo=SLO_OF_TESTS,
        )
        async def walk(run: fl.Run[str], question: str) -> str:
            """Walk, and keep the outcome."""
            self.outcomes.append(await run.answer(question))
            return self.outcomes[-1].unwrap()

        self.bench = Bench(walk, input="an item", **options)
        self.run = self.bench.execute()

    @property
    def outcome(self) -> Outcome[str]:
        """The outcome that the workflow got."""
        return self.outcomes[-1]

    @property
    def calls(self) -> list[str]:
        """Kinds of the calls that were executed."""
        records = self.bench.journal.of_run("r1")
        return [record.kind for record in records if record.state == "done"]


def test_the_stages_come_in_order_and_the_verdicts_are_recorded() -> None:
    seen: list[str] = []
    first = rail("input", "block", passes=True, seen=seen)
    last = rail("output", "block", passes=True, seen=seen)
    walk = Walk(last, first)
    assert seen == ["Request", "Draft"]
    names = [name for name, _ in walk.bench.engine.steps]
    expected = ["retrieval notes #1", "model function:m #2", "record checks", "finish"]
    assert names == expected
    assert (walk.outcome.state, walk.outcome.answer) == ("succeeded", "a draft")
    assert [check.stage for check in walk.outcome.checks] == ["input", "output"]
    (event,) = walk.bench.events.events
    assert (event.chain, event.type) == ("run:r1", "checks.finished")
    assert [check["passed"] for check in event.data["checks"]] == [True, True]


def test_the_model_is_given_what_was_retrieved() -> None:
    walk = Walk()
    assert TEXT in str(walk.asked[0])
    assert TEXT not in str(Walk(recalls=False).asked[0])


VERDICTS = [
    ("input", "warn", "succeeded", "", "a draft", ["retrieval", "model"]),
    ("output", "block", "denied", "FL-604", "a draft", ["retrieval", "model"]),
    ("output", "escalate", "escalated", "FL-605", "a draft", ["retrieval", "model"]),
    ("output", "warn", "succeeded", "", "a draft", ["retrieval", "model"]),
]


@pytest.mark.parametrize(("stage", "on_fail", "state", "code", "answer", "calls"), VERDICTS)
def test_a_failed_check_does_what_it_declares(
    stage: str, on_fail: str, state: str, code: str, answer: str | None, calls: list[str]
) -> None:
    walk = Walk(rail(stage, on_fail, passes=False))
    assert (walk.outcome.state, walk.outcome.code, walk.outcome.answer) == (state, code, answer)
    assert walk.calls == calls
    assert walk.run.state == state
    assert bool(walk.run.reason) == (state != "succeeded")


def test_a_check_that_blocks_counts_before_one_that_escalates() -> None:
    walk = Walk(rail("output", "escalate", passes=False), rail("output", "block", passes=False))
    assert walk.outcome.state == "denied"
    assert len(walk.outcome.checks) == 2


def test_the_run_carries_the_evidence_of_the_answer_that_it_returns() -> None:
    walk = Walk(rail("output", "warn", passes=False))
    (check,) = walk.run.outcome["checks"]
    assert (check["name"], check["passed"]) == ("output_warn_False", False)


def test_a_check_is_recorded_once_when_its_step_is_executed_again() -> None:
    walk = Walk(rail("output", "warn", passes=True))
    walk.bench.forget_end()
    walk.bench.execute(walk.bench.engine.replay(keep=3))
    assert len(walk.bench.events.events) == 1


def test_invariant_07_a_collection_that_may_not_be_read_is_not_searched() -> None:
    """The filter is applied before anything is ranked: a denied collection is no query at all."""
    walk = Walk(authorizer=FakeAuthorizer(denied=frozenset(["notes"])))
    assert walk.bench.documents.queries == []
    assert (walk.outcome.state, walk.outcome.code) == ("denied", "FL-500")


def test_invariant_07_rows_of_another_tenant_zero() -> None:
    """The query names the asker's tenant, and nothing of another one reaches the model."""
    documents = FakeDocuments(
        passages=[
            *documents_of("An item of ours.").passages,
            *documents_of("An item of theirs.", tenant="other").passages,
        ]
    )
    walk = Walk(documents=documents)
    assert [query.tenant for query in documents.queries] == ["default"]
    assert [query.collections for query in documents.queries] == [("notes",)]
    assert "ours" in str(walk.asked[0])
    assert "theirs" not in str(walk.asked[0])


def test_an_error_becomes_an_outcome_once() -> None:
    class Broken(FakeDocuments):
        def search(self, query: Any) -> Any:
            raise ValueError("no index")

    walk = Walk(documents=Broken())
    assert (walk.outcome.state, walk.outcome.code) == ("failed", "FL-603")
    assert "no index" in walk.run.reason
    assert [event.type for event in walk.bench.events.events] == []


def test_a_recovery_walks_the_path_without_going_outside() -> None:
    walk = Walk(rail("output", "warn", passes=True))
    asked = len(walk.asked)
    engine: FakeEngine = walk.bench.engine.replay()
    assert walk.bench.execute(engine) == walk.run
    assert (len(walk.asked), engine.executed) == (asked, [])
