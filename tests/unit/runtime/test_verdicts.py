"""A run is judged at its beginning and at its end, whatever its workflow's code calls."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.core.history import turn_from_json
from fairlead.ports.runs import RunRecord
from fairlead.testing import FakeEngine
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench
from tests.unit.runtime.test_pipeline import rail

CARD = "4111 1111 1111 1111"


async def _respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Say again what was asked, as far as it is short."""
    return ModelResponse(parts=[TextPart(f"said: {messages[-1].parts[-1].content!s:.40}")])


AGENT = Agent(FunctionModel(_respond, model_name="m"), name="echo")


@fl.tool(effect="read", scope="a:b")
async def look(_: fl.Context, item: str) -> str:
    """Look at an item."""
    return f"looked: {item}"


async def agent(run: Any, item: str) -> Any:
    return await run.agent(AGENT, item)


async def calls(run: Any, item: str) -> Any:
    return await run.call(look, item)


async def answer(run: Any, item: str) -> Any:
    return (await run.answer(item)).unwrap()


async def nothing(_: Any, item: str) -> Any:
    return item


Body: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
BODIES: list[Body] = [agent, calls, answer, nothing]
every_body = pytest.mark.parametrize("body", BODIES)


def bench_of(
    body: Body, *rails: Any, takes: Any = str, gives: Any = str, input: Any = "item"
) -> Bench:
    """Return a bench for one body under some guardrails."""
    declare = fl.workflow(
        intent="Be judged",
        owner="group:default/tests",
        input=takes,
        output=gives,
        model=AGENT,
        tools=[look],
        guardrails=rails,
        slo=SLO_OF_TESTS,
    )
    return Bench(declare(body), input=input)


def ended(body: Body, *rails: Any, **options: Any) -> tuple[Bench, RunRecord]:
    bench = bench_of(body, *rails, **options)
    return bench, bench.execute()


def verdicts(run: RunRecord) -> list[tuple[str, bool]]:
    """Return the verdicts in a run's outcome."""
    return [(check["stage"], check["passed"]) for check in run.outcome["checks"]]


def recorded(bench: Bench) -> list[tuple[str, bool]]:
    """Return the verdicts in a run's chain."""
    events = [event for event in bench.events.events if event.type == "checks.finished"]
    return [(check["stage"], check["passed"]) for event in events for check in event.data["checks"]]


@every_body
@pytest.mark.parametrize(
    ("on_fail", "state", "code"),
    [("block", "denied", "FL-604"), ("escalate", "escalated", "FL-605")],
)
def test_a_request_that_fails_makes_no_call(
    body: Body, on_fail: str, state: str, code: str
) -> None:
    begun: list[str] = []

    async def begins(run: Any, item: str) -> Any:
        begun.append(item)
        return await body(run, item)

    bench, run = ended(begins, rail("input", on_fail, passes=False))
    assert (run.state, run.outcome["code"], run.outcome["answer"]) == (state, code, None)
    assert (begun, bench.journal.of_run("r1")) == ([], [])
    assert verdicts(run) == recorded(bench) == [("input", False)]


@every_body
@pytest.mark.parametrize(
    ("on_fail", "state", "code"),
    [
        ("block", "denied", "FL-604"),
        ("escalate", "escalated", "FL-605"),
        ("warn", "succeeded", ""),
        ("retry", "denied", "FL-604"),
    ],
)
def test_what_the_code_returns_is_judged(body: Body, on_fail: str, state: str, code: str) -> None:
    rails = rail("input", "warn", passes=False), rail("output", on_fail, passes=False)
    bench, run = ended(body, *rails)
    assert (run.state, run.outcome["code"]) == (state, code)
    assert verdicts(run) == recorded(bench) == [("input", False), ("output", False)]


@every_body
def test_each_guardrail_is_asked_once(body: Body) -> None:
    seen: list[str] = []
    rails = [rail(stage, "block", passes=True, seen=seen) for stage in ("input", "output")]
    bench, run = ended(body, *rails)
    assert seen == ["Request", "Draft"]
    assert verdicts(run) == recorded(bench) == [("input", True), ("output", True)]


@every_body
def test_a_replay_gives_the_same_verdicts_and_records_nothing_again(body: Body) -> None:
    rails = rail("input", "warn", passes=False), rail("output", "warn", passes=False)
    bench, run = ended(body, *rails)
    for keep in range(len(bench.engine.steps)):
        bench.forget_end()
        again = bench.execute(bench.engine.replay(keep=keep))
        assert again.outcome == run.outcome
        assert recorded(bench) == [("input", False), ("output", False)]


def test_a_child_is_judged_as_any_run() -> None:
    bench = bench_of(calls, rail("input", "block", passes=False))
    run = bench.runs.get("r1")
    bench.runs.records |= {
        "p": replace(run, id="p"),
        "r1": replace(run, parent_id="p", parent_call=1, root_id="p"),
    }
    assert bench.execute().state == "denied"
    assert bench.journal.of_run("r1") == []


def test_a_request_of_its_own_is_judged_of_its_own() -> None:
    seen: list[str] = []

    @fl.guardrail(stage="input", on_fail="block")
    def short(_: fl.Context, request: fl.Request) -> fl.Verdict:
        """A question is short."""
        seen.append(request.question)
        return fl.PASS if len(request.question) < 10 else fl.fail("too long")

    async def spelled(run: Any, item: str) -> Any:
        first = await run.answer(item)
        assert first.state == "succeeded"
        return (await run.answer(item * 5)).unwrap()

    bench, run = ended(spelled, short)
    assert seen == ["item", "item" * 5]
    assert (run.state, run.outcome["code"]) == ("denied", "FL-604")
    assert verdicts(run) == [("input", True), ("input", False)]
    assert recorded(bench) == [("input", True), ("input", False)]


def test_code_that_fails_leaves_the_verdicts_on_record() -> None:
    async def fails(_: Any, __: str) -> Any:
        raise ValueError("no")

    bench, run = ended(fails, rail("input", "warn", passes=False))
    assert run.state == "failed"
    assert verdicts(run) == recorded(bench) == [("input", False)]


def test_a_run_whose_record_cannot_be_followed_ends_all_the_same() -> None:
    bench = bench_of(calls, rail("input", "warn", passes=False))
    run = bench.execute(FakeEngine(steps=[("another step", None), ("and one more", None)]))
    assert (run.state, run.outcome["code"]) == ("failed", "FL-403")
    assert verdicts(run) == [("input", False)]


# What is taken out.


def masking(stage: Any, keep: str = "***") -> Any:
    """Return a guardrail that takes digits out, and says what stands in their place."""

    def taken(value: Any) -> Any:
        if isinstance(value, list):
            return [taken(one) for one in value]
        if isinstance(value, dict):
            return {name: taken(one) for name, one in value.items()}
        return keep if any(sign.isdigit() for sign in str(value)) else value

    @fl.guardrail(stage=stage, on_fail="redact", redact=taken)
    def no_digits(_: fl.Context, subject: Any) -> fl.Verdict:
        """Nothing has digits."""
        text = subject.input if stage == "input" else subject.output
        return fl.fail("digits") if any(sign.isdigit() for sign in str(text)) else fl.PASS

    return no_digits


@every_body
def test_the_code_gets_what_redaction_leaves(body: Body) -> None:
    got: list[str] = []

    async def gets(run: Any, item: str) -> Any:
        got.append(item)
        return await body(run, item)

    bench, run = ended(gets, masking("input"), input="item 8675309")
    assert (run.state, got) == ("succeeded", ["***"])
    assert "8675309" not in json.dumps([run.outcome, bench.engine.steps])
    assert verdicts(run) == recorded(bench) == [("input", False)]


def test_a_conversation_keeps_what_redaction_left() -> None:
    bench = bench_of(calls, masking("input"), input="item 8675309")
    bench.runs.records["r1"] = replace(bench.runs.get("r1"), conversation="t", turn=1)
    bench.execute()
    turn = turn_from_json(bench.runs.said["r1"])
    assert (turn.question, turn.answer) == ("***", "looked: ***")


def test_what_redaction_left_is_as_trusted_as_the_input() -> None:
    labels: list[Any] = []

    async def reads(run: Any, item: str) -> Any:
        await run.call(look, item)
        labels.append(run._boundary.flow.label_of(item))
        return item

    bench_of(reads, masking("input"), input="item 8675309").execute()
    bench_of(reads, input="***").execute()
    assert labels[0] == labels[1]
    assert labels[0].integrity == "trusted"


def test_an_output_is_redacted_at_the_end() -> None:
    async def card(_: Any, __: str) -> Any:
        return f"your card {CARD}"

    _, run = ended(card, fl.checks.personal_data())
    assert (run.state, run.outcome["answer"]) == ("succeeded", "your card [redacted:card]")


@dataclass(frozen=True)
class Count:
    """So many items."""

    items: int


@pytest.mark.parametrize("stage", ["input", "output"])
def test_what_no_longer_fits_its_type_blocks(stage: str) -> None:
    async def same(_: Any, count: Count) -> Any:
        return count

    options: dict[str, Any] = {"takes": Count, "gives": Count, "input": {"items": 12}}
    _, run = ended(same, masking(stage), **options)
    assert (run.state, run.outcome["code"]) == ("denied", "FL-604")
    assert "redaction did not help" in run.reason


@pytest.mark.parametrize("left", [None, "", [], ["one"], ["a", "b", "c"], [None, 1], 5])
def test_a_redaction_that_gives_anything_else_blocks(left: Any) -> None:
    @fl.guardrail(stage="input", on_fail="redact", redact=lambda _: left)
    def odd(_: fl.Context, request: fl.Request) -> fl.Verdict:
        """Nothing passes that was not changed."""
        return fl.fail("as it was") if request.input == "item" else fl.PASS

    _, run = ended(nothing, odd)
    assert (run.state, run.outcome["code"]) == ("denied", "FL-604")


# What `run.answer` judged.


@dataclass
class Words:
    """Some words."""

    words: list[str]


def no_secret() -> Any:
    @fl.guardrail(stage="output", on_fail="block")
    def no_secret(_: fl.Context, draft: fl.Draft[Any]) -> fl.Verdict:
        """Nothing says `secret`."""
        return fl.fail("a secret") if "secret" in str(draft.output) else fl.PASS

    return no_secret


def test_a_draft_that_was_blocked_is_not_talked_away() -> None:
    """Code may look at the draft of an outcome; it cannot pass it on as if it had succeeded."""

    async def takes(run: Any, item: str) -> Any:
        return (await run.answer(item)).answer

    bench, run = ended(takes, no_secret(), input="a secret")
    assert (run.state, run.outcome["code"]) == ("denied", "FL-604")
    assert recorded(bench) == [("output", False)]


def test_another_text_than_the_draft_is_judged() -> None:
    async def adds(run: Any, item: str) -> Any:
        return (await run.answer(item)).unwrap() + " and a secret"

    bench, run = ended(adds, no_secret())
    assert run.state == "denied"
    assert recorded(bench) == [("output", True), ("output", False)]
    assert verdicts(run) == [("output", False)]


def test_a_draft_that_the_code_changed_is_judged_again() -> None:
    async def structured(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, {"words": ["fine"]})])

    async def changes(run: Any, item: str) -> Any:
        draft = (await run.answer(item)).unwrap()
        draft.words.append("secret")
        return draft

    declare = fl.workflow(
        intent="Be judged",
        owner="group:default/tests",
        input=str,
        output=Words,
        model=Agent(FunctionModel(structured, model_name="m"), name="words", output_type=Words),
        guardrails=[no_secret()],
        slo=SLO_OF_TESTS,
    )
    run = Bench(declare(changes)).execute()
    assert (run.state, run.outcome["code"], run.reason) == (
        "denied",
        "FL-604",
        "no_secret: a secret",
    )


def test_a_draft_of_another_type_is_the_codes_to_convert() -> None:
    async def converts(run: Any, item: str) -> Any:
        return Words((await run.answer(item)).unwrap().split()[:1])

    bench, run = ended(converts, no_secret(), gives=Words)
    assert (run.state, run.outcome["answer"]) == ("succeeded", {"words": ["said:"]})
    assert recorded(bench) == [("output", True), ("output", True)]


def test_grounded_does_not_hold_where_nothing_was_retrieved() -> None:
    async def claims(_: Any, __: str) -> Any:
        return fl.Answer(text="All is well.")

    _, run = ended(claims, fl.grounded, gives=fl.Answer)
    assert (run.state, run.outcome["code"]) == ("escalated", "FL-605")


RAILS = st.tuples(
    st.sampled_from(["input", "output"]),
    st.sampled_from(["block", "escalate", "warn"]),
    st.booleans(),
)


@given(rails=st.lists(RAILS, max_size=4, unique=True), body=st.sampled_from(BODIES))
def test_a_run_ends_as_its_verdicts_say_whatever_its_code_calls(
    rails: list[tuple[str, str, bool]], body: Body
) -> None:
    """The first stage that stops decides; in it a block wins over an escalation."""
    expected = "succeeded"
    for stage in ("output", "input"):
        failed = {on_fail for where, on_fail, passes in rails if where == stage and not passes}
        stops = [one for one in ("block", "escalate") if one in failed]
        if stops:
            expected = {"block": "denied", "escalate": "escalated"}[stops[0]]
    made = [rail(stage, on_fail, passes=passes) for stage, on_fail, passes in rails]
    bench, run = ended(body, *made)
    assert run.state == expected
    assert sorted(verdicts(run)) == sorted(recorded(bench))
