"""A model that is asked again does not read its own bad text, and is not asked for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, ThinkingPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.pydantic_ai.generator import label_of
from fairlead.adapters.pydantic_ai.reask import outgoing
from fairlead.core.errors import InvalidDeclaration
from fairlead.core.outcome import Outcome
from fairlead.testing import Reply, ScriptedModel
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of

BAD = "balderdash " * 500
NAME = "test:scripted"


@dataclass
class Verdict:
    score: int
    why: str


GOOD = Reply(tools=[("final_result", {"score": 7, "why": "it holds"})])
UNFIT = Reply(tools=[("final_result", {"score": BAD, "why": BAD})])


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(_: fl.Context, item: str) -> str:
    """Look at an item."""
    return item


async def answers(run: Any, item: str) -> Outcome[Any]:
    return (await run.answer(item)).unwrap()


class Spied:
    """A scripted model that keeps what goes out to it.

    Attributes:
        sent: The messages of each turn, as JSON.
    """

    def __init__(self, turns: Sequence[Any], *, think: bool = False) -> None:
        self._inner = ScriptedModel(turns).model()
        self._think = think
        self.sent: list[str] = []

    def model(self) -> FunctionModel:
        function = self._inner.function
        assert function is not None

        async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            self.sent.append(ModelMessagesTypeAdapter.dump_json(messages).decode())
            answer: Any = function(messages, info)
            if self._think:
                answer.parts = [ThinkingPart(BAD), *answer.parts]
            return answer

        return FunctionModel(respond, model_name="scripted")


def bench_of(
    monkeypatch: pytest.MonkeyPatch,
    spied: Spied,
    output: Any = str,
    given: Any = NAME,
    **limits: Any,
) -> Bench:
    real = generator.make_model
    model = spied.model()
    monkeypatch.setattr(generator, "make_model", lambda n: model if n == NAME else real(n))
    declare = fl.workflow(
        intent="Answer",
        owner="group:default/tests",
        input=str,
        output=output,
        model=given,
        tools=[look],
        slo=SLO_OF_TESTS,
    )
    workflow = declare(answers)
    return Bench(workflow, manifest=manifest_of(workflow, limits=limits))


@pytest.mark.parametrize("most", [0, 1, 2, 4])
@pytest.mark.parametrize(
    ("turn", "output", "code"),
    [
        (UNFIT, Verdict, "FL-611"),
        (Reply(tools=[("final_result", "{" + BAD)]), Verdict, "FL-611"),
        (Reply(text=BAD), Verdict, "FL-611"),
        (Reply(text=""), str, "FL-611"),
        (Reply(tools=[("lock", {"item": BAD})]), str, "FL-612"),
        (Reply(tools=[("look", BAD)]), str, "FL-612"),
        (Reply(tools=[("look", {"item": [BAD]})]), str, "FL-612"),
    ],
    ids=[
        "misfit",
        "no JSON",
        "words",
        "nothing",
        "no such tool",
        "no JSON for it",
        "misfit for it",
    ],
)
def test_invariant_11_a_model_is_asked_again_so_often_and_no_more(
    turn: Reply, output: Any, code: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spied = Spied([turn])
    bench = bench_of(monkeypatch, spied, output, reasks=most)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", code), ended.reason
    assert len(spied.sent) == most + 1
    assert "balderdash" not in "".join(spied.sent)


def test_what_goes_out_does_not_grow_with_what_was_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    spied = Spied([UNFIT, UNFIT, UNFIT, GOOD], think=True)
    bench = bench_of(monkeypatch, spied, Verdict, reasks=3)
    assert bench.execute().outcome["answer"] == {"score": 7, "why": "it holds"}
    grown = [
        len(after) - len(before) for before, after in zip(spied.sent, spied.sent[1:], strict=False)
    ]
    assert max(grown) < len(BAD) / 3
    assert all("valid integer" in sent for sent in spied.sent[1:])


def test_a_mistake_that_was_mended_does_not_count_later(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Reply(tools=[("look", {"item": "i"})])
    misfit = Reply(tools=[("look", {"thing": "i"})])
    spied = Spied([misfit, fit, misfit, fit, Reply(text="done")])
    assert bench_of(monkeypatch, spied, reasks=2).execute().state == "succeeded"


def test_a_recovery_sends_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    spied = Spied([UNFIT, GOOD])
    bench = bench_of(monkeypatch, spied, Verdict)
    bench.execute()
    bench.forget_end()
    # The worker died before the engine recorded the second turn, and after the journal did.
    assert bench.execute(bench.engine.replay(keep=2)).state == "succeeded"
    assert len(spied.sent) == 2


def test_what_a_tool_says_in_its_own_words_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that asks for another try got arguments that fit: they are no bad text."""
    spied = Spied([Reply(tools=[("peek", {"item": "A-17"})]), Reply(text="done")])
    agent = Agent(spied.model(), name="ready")

    @agent.tool_plain
    def peek(item: str) -> str:
        raise ModelRetry("ask for another item")

    contract = fl.tool(effect="read", scope="items:read", targets=["item"])

    @contract
    async def _peek(_: fl.Context, item: str) -> str:
        """Peek."""
        return item

    declare = fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, model=agent,
        tools=[fl.Tool(**{**vars(_peek), "name": "peek"})], slo=SLO_OF_TESTS,
    )  # fmt: skip
    assert Bench(declare(answers)).execute().state == "succeeded"
    assert "A-17" in spied.sent[1]
    assert "ask for another item" in spied.sent[1]


def test_messages_without_a_complaint_go_out_as_they_are() -> None:
    assert outgoing([], []) == []


def test_an_agent_that_falls_back_by_itself_is_refused() -> None:
    one, two = ScriptedModel(["a"]).model(), ScriptedModel(["b"]).model()
    with pytest.raises(InvalidDeclaration, match="declare fallbacks"):
        label_of(Agent(FallbackModel(one, two), name="sly"))


def test_a_fallback_is_made_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fallback without a key does not stop a run that needs none."""
    made: list[str] = []
    busy = [True]
    primary = ScriptedModel(["own"])

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if busy[0]:
            raise ModelHTTPError(503, "primary")
        answer: Any = primary.model().function
        return answer(messages, info)

    def make(name: str) -> Any:
        made.append(name)
        return FunctionModel(respond) if name == NAME else ScriptedModel(["other"]).model()

    monkeypatch.setattr(generator, "make_model", make)
    declare = fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, model=NAME,
        fallbacks=["test:other"], limits=fl.Limits(attempts=1), slo=SLO_OF_TESTS,
    )  # fmt: skip
    bench = Bench(declare(answers))
    assert bench.execute().outcome["answer"] == "other"
    assert made == [NAME, "test:other"]
    assert [call.name for call in bench.journal.of_run("r1")] == [NAME, "test:other"]
    assert [query.resource for query in bench.authorizer.asked] == [NAME, "test:other"]
    busy[0], made[:] = False, []
    assert Bench(declare(answers)).execute().outcome["answer"] == "own"
    assert made == [NAME]


def with_agent(spied: Spied, **terms: Any) -> Bench:
    """Return a run whose own code runs a ready agent."""

    async def body(run: Any, item: str) -> Any:
        return await run.agent(agent, item)

    agent = Agent(spied.model(), name="ready", output_type=Verdict, retries=9)
    declare = fl.workflow(
        intent="Answer",
        owner="group:default/tests",
        input=str,
        output=Verdict,
        slo=SLO_OF_TESTS,
        **terms,
    )
    return Bench(declare(body))


def test_the_limit_holds_for_an_agent_that_the_workflow_runs() -> None:
    spied = Spied([UNFIT])
    ended = with_agent(spied, limits=fl.Limits(reasks=1)).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-611")
    assert len(spied.sent) == 2


def test_a_fallback_stands_in_for_an_agent_that_the_workflow_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generator, "make_model", lambda _: ScriptedModel([GOOD]).model())
    bench = with_agent(
        Spied([ModelHTTPError(503, "primary")]),
        limits=fl.Limits(attempts=1),
        fallbacks=["test:other"],
    )
    assert bench.execute().outcome["answer"] == {"score": 7, "why": "it holds"}
    names = [call.name for call in bench.journal.of_run("r1")]
    assert names == ["function:scripted", "test:other"]
