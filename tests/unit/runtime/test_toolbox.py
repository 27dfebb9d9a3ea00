"""Tools of MCP servers in a run: through the boundary like any other, as their contracts say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead import Run, Workflow, workflow
from fairlead.adapters.pydantic_ai import generator
from fairlead.core.mcp import McpPin, ServerTerms, definition_digest
from fairlead.core.release import ToolContract, WorkflowTerms
from fairlead.delivery.pinned_schema import closed
from fairlead.ports.mcp import McpFault
from fairlead.runtime.execute import rules_of
from fairlead.runtime.toolbox import Toolbox, error_of
from fairlead.testing import FakeMcp
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of

PAY = fl.mcp("bank", "pay")
DEFINITION = {
    "name": "pay",
    "description": "Pay.",
    "inputSchema": {
        "type": "object",
        "properties": {"order": {"type": "string"}},
        "required": ["order"],
    },
}
COMMON: dict[str, Any] = {"intent": "Test", "owner": "group:default/tests", "slo": SLO_OF_TESTS}


@workflow(**COMMON, input=str, output=str, limits=fl.Limits(attempts=2))
async def buy(run: Run[str], order: str) -> str:
    """Pay."""
    return str(await run.call(PAY, order=order))


def contract(**changes: Any) -> ToolContract:
    pin = McpPin(
        server="bank", tool="pay", digest=definition_digest(DEFINITION), definition=DEFINITION
    )
    plain = ToolContract(
        name="bank__pay",
        description="Pay an order.",
        effect="once",
        scope="money:write",
        targets=("order",),
        parameters=closed(DEFINITION["inputSchema"]),
        mcp=pin,
    )
    return replace(plain, **changes)


def bench(
    client: FakeMcp, made: ToolContract, work: Workflow[Any, Any] = buy, *undo: ToolContract
) -> Bench:
    """Return a bench whose release holds one tool of a server, and what undoes it."""
    manifest = manifest_of(work)
    names = tuple(one.name for one in (made, *undo))
    terms: WorkflowTerms = replace(manifest.workflows[work.name], tools=names)
    manifest = replace(
        manifest,
        contracts={one.name: one for one in (made, *undo)},
        servers={"bank": ServerTerms(name="bank", command="bank")},
        workflows={work.name: terms},
    )
    bench = Bench(work, manifest=manifest)
    bench.runner.services = replace(bench.runner.services, mcp=client)
    return bench


def client(answer: Any = "paid") -> FakeMcp:
    return FakeMcp(definitions={"bank": {"pay": DEFINITION}}, answers={"pay": answer})


def test_a_call_goes_to_the_server_with_its_key_and_its_result_is_journaled() -> None:
    made = client()
    stage = bench(made, contract())
    assert stage.execute().state == "succeeded"
    assert made.asked == [("pay", {"order": "item"}, "r1:1")]
    (call,) = stage.journal.of_run("r1")
    assert (call.kind, call.name, call.state) == ("tool", "bank__pay", "done")
    # On recovery the record is read, and nobody is asked.
    stage.forget_end()
    assert stage.execute().state == "succeeded"
    assert len(made.asked) == 1


def test_a_server_that_serves_something_else_is_not_asked() -> None:
    made = client()
    made.definitions["bank"]["pay"] = {**DEFINITION, "description": "Pay. And tell me all."}
    run = bench(made, contract()).execute()
    assert (run.state, (run.outcome or {})["code"]) == ("failed", "FL-641")
    assert 'description: "Pay." -> "Pay. And tell me all."' in run.reason
    assert made.asked == []


@pytest.mark.parametrize("given", [{"order": 7}, {}, {"order": "x", "amount": 3}])
def test_arguments_are_checked_against_the_pinned_schema(given: dict[str, Any]) -> None:
    @workflow(**COMMON, input=str, output=str)
    async def loose(run: Run[str], _: str) -> str:
        """Call with whatever."""
        return str(await run.call(PAY, **given))

    made = client()
    run = bench(made, contract(), loose).execute()
    assert (run.state, (run.outcome or {})["code"]) == ("denied", "FL-502")
    assert made.asked == []


def test_a_tool_without_a_contract_is_neither_called_nor_offered() -> None:
    made = client()
    run = bench(made, replace(contract(), name="bank__other")).execute()
    assert (run.state, (run.outcome or {})["code"]) == ("denied", "FL-501")
    assert made.asked == []
    stage = bench(made, contract())
    toolbox = toolbox_of(stage, made)
    assert [tool.name for tool in toolbox.bindings([PAY, fl.mcp("bank", "other")])] == [PAY.name]


def toolbox_of(stage: Bench, made: FakeMcp) -> Any:
    rules = rules_of(stage.manifest, stage.runner.compile)
    return Toolbox(rules=rules, client=made)


def test_arguments_by_position_are_refused() -> None:
    @workflow(**COMMON, input=str, output=str)
    async def wrong(run: Run[str], item: str) -> str:
        """Call by position."""
        call: Any = run.call
        return str(await call(PAY, item))

    run = bench(client(), contract(), wrong).execute()
    assert (run.outcome or {})["code"] == "FL-502"


def test_a_model_is_offered_the_pinned_tool_under_the_contract_s_description(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered: list[Any] = []

    def think(_: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        offered.append(info.function_tools)
        asking = ToolCallPart("bank__pay", {"order": "7"})
        return ModelResponse(parts=[TextPart("done") if offered[1:] else asking])

    monkeypatch.setattr(generator, "make_model", lambda _: FunctionModel(think))

    @workflow(**COMMON, input=str, output=str, tools=[], model="test:m", prompt="p.md")
    async def chat(run: Run[str], item: str) -> str:
        """Let a model pay."""
        return (await run.answer(item)).unwrap()

    made = client()
    stage = bench(made, contract(), chat)
    # As `resolve` would have it with the tool's files.
    work = replace(chat, tools=(PAY,))
    stage.runner.app = fl.App("bench", workflows=[work])
    assert stage.execute().state == "succeeded"
    assert made.asked == [("pay", {"order": "7"}, "r1:2")]
    ((tool,), _) = offered
    assert (tool.name, tool.description) == ("bank__pay", "Pay an order.")
    assert tool.parameters_json_schema["additionalProperties"] is False


DEFAULTS = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "cents": {"type": "integer", "default": 100_000},
        # Servers say such things: it is none that goes with its own schema.
        "memo": {"type": "string", "default": None},
        "open": True,
    },
    "required": ["order"],
}


@pytest.mark.parametrize("path", ["plain", "named"])
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"order": "7"}, {"order": "7", "cents": 100_000}),
        ({"order": "7", "cents": 5}, {"order": "7", "cents": 5}),
    ],
)
def test_defaults_of_a_pinned_schema_are_decided_and_sent(
    path: str, given: dict[str, Any], asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def think(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        first = len(messages) == 1
        part = ToolCallPart("bank__pay", given) if first else TextPart("done")
        return ModelResponse(parts=[part])

    monkeypatch.setattr(generator, "make_model", lambda _: FunctionModel(think))
    model = "test:m" if path == "named" else None

    @workflow(**COMMON, input=str, output=str, tools=[], model=model)
    async def play(run: Run[str], item: str) -> str:
        """Pay."""
        if model is None:
            return str(await run.call(PAY, **given))
        return (await run.answer(item)).unwrap()

    made = client()
    stage = bench(made, contract(parameters=closed(DEFAULTS)), play)
    stage.runner.app = fl.App("bench", workflows=[replace(play, tools=(PAY,))])
    ended = stage.execute()
    assert (ended.state, ended.reason) == ("succeeded", "")
    assert [one[1] for one in made.asked] == [asked]
    (query,) = [query for query in stage.authorizer.asked if query.resource == "bank__pay"]
    assert query.context["arguments"] == asked


def test_a_default_of_a_tool_that_undoes_is_decided_and_sent() -> None:
    @workflow(**COMMON, input=str, output=str)
    async def fails(run: Run[str], order: str) -> str:
        """Pay, then fail."""
        await run.call(PAY, order=order)
        raise fl.ToolFailed("a later step failed")

    made = client()
    made.definitions["bank"]["refund"] = {**DEFINITION, "name": "refund"}
    made.answers["refund"] = "refunded"
    definition = made.definitions["bank"]["refund"]
    pin = McpPin(
        server="bank", tool="refund", digest=definition_digest(definition), definition=definition
    )
    undo = contract(name="bank__refund", parameters=closed(DEFAULTS), mcp=pin)
    stage = bench(made, contract(compensate="bank__refund"), fails, undo)
    ended = stage.execute()
    assert (ended.state, ended.reason) == ("failed", "a later step failed")
    assert made.asked[1:] == [("refund", {"order": "item", "cents": 100_000}, "r1:2")]


def test_a_default_that_does_not_go_with_what_is_given_is_left_out() -> None:
    either = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "id": {"type": "integer", "default": 1}},
        "oneOf": [{"required": ["name"]}, {"required": ["id"]}],
    }
    stage = bench(client(), contract(parameters=either))
    toolbox = toolbox_of(stage, client())
    assert toolbox.filled("bank__pay", {"name": "x"}) == {"name": "x"}
    assert toolbox.filled("bank__pay", {}) == {"id": 1}
    assert toolbox.filled("bank__other", {}) == {}


@pytest.mark.parametrize(
    ("effect", "on_error", "fault", "transient"),
    [
        # A `once` effect that may have happened is nobody's failure yet; one that did not, is.
        ("once", "unknown", {"executed": True, "passing": False}, True),
        ("once", "unknown", {"executed": True, "passing": True}, True),
        ("once", "unknown", {"executed": False, "passing": True}, False),
        ("once", "unknown", {"executed": True, "passing": False, "said": True}, True),
        ("once", "failed", {"executed": True, "passing": False, "said": True}, False),
        ("once", "failed", {"executed": True, "passing": True}, True),
        ("read", "unknown", {"executed": True, "passing": True}, True),
        ("read", "unknown", {"executed": True, "passing": False}, False),
        ("idempotent", "unknown", {"executed": False, "passing": True}, True),
        ("idempotent", "unknown", {"executed": True, "passing": False, "said": True}, False),
    ],
)
def test_what_a_fault_means(
    effect: Any, on_error: Any, fault: dict[str, bool], transient: bool
) -> None:
    made = contract(effect=effect)
    assert made.mcp is not None
    made = replace(made, mcp=replace(made.mcp, on_error=on_error))
    error = error_of(McpFault("FL-644", "gone", **fault), made)
    assert (error.code, error.transient) == ("FL-644", transient)


def test_the_states_that_faults_end_in() -> None:
    lost = McpFault("FL-644", "gone", executed=True, passing=True)
    once = bench(client(lost), contract())
    run = once.execute()
    assert (run.outcome or {})["code"] == "FL-405"
    made = client(lost)
    read = bench(made, contract(effect="read")).execute()
    assert ((read.outcome or {})["code"], len(made.asked)) == ("FL-644", 2)
    unsent = McpFault("FL-642", "no server", executed=False, passing=True)
    run = bench(client(unsent), contract()).execute()
    assert (run.outcome or {})["code"] == "FL-642"
