"""In a drill no body of a tool with an effect is executed, whatever the kind of its effect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import Field

import fairlead as fl
from fairlead.core.calls import Call
from fairlead.core.context import Context
from fairlead.core.identity import Principal
from fairlead.core.mcp import McpPin
from fairlead.core.release import ToolContract
from fairlead.ports.boundary import Driven, DriverError
from fairlead.runtime.stand_ins import StandIns

DONE: list[str] = []


@fl.tool(effect="once", scope="a:write", targets=["name"])
async def pay(ctx: fl.Context, name: str) -> dict[str, str]:
    """Pay."""
    return {"paid": name}


@fl.tool(effect="idempotent", scope="a:write", targets=["name"])
async def odd(ctx: fl.Context, name: str) -> Annotated[str, Field(pattern="^[a-z]+-[0-9]+$")]:
    """Return what nobody can guess."""
    return "a-1"


def of_a_server(name: str, **promised: Any) -> ToolContract:
    """Return the contract of a tool of an MCP server."""
    definition = {"inputSchema": {}, **promised}
    pin = McpPin(server="s", tool=name, digest="d", definition=definition)
    return ToolContract(
        name=f"s__{name}",
        description="",
        effect="once",
        scope="a:write",
        targets=(),
        parameters={},
        mcp=pin,
    )


SERVED = [
    of_a_server("pay", outputSchema={"type": "object", "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 3}}}),
    of_a_server("send"),
]  # fmt: skip
RELEASE: Any = SimpleNamespace(
    manifest=SimpleNamespace(contracts={one.name: one for one in SERVED})
)
CALL = Call(run_id="r", number=1, kind="tool", name="pay", arguments={}, effect="once", lineage="r")
CONTEXT = Context(run_id="r", principal=Principal(), workflow="w", release="f" * 64)


def answered(call: Call) -> Any:
    async def body(_: Context) -> Driven:
        DONE.append(call.name)
        return Driven(value="executed")

    DONE.clear()
    driver = StandIns({"pay": pay, "odd": odd}, lambda: [RELEASE]).body(call, body)
    return asyncio.run(driver(CONTEXT)).value  # type: ignore[arg-type]


@pytest.mark.parametrize("effect", ["once", "idempotent"])
def test_a_stand_in_answers_and_nothing_is_executed(effect: Any) -> None:
    assert answered(replace(CALL, effect=effect)) == {}
    assert DONE == []


@pytest.mark.parametrize(("name", "value"), [("s__pay", {"n": 3}), ("s__send", "")])
def test_a_server_s_tool_answers_what_its_definition_promises(name: str, value: Any) -> None:
    assert answered(replace(CALL, name=name)) == value
    assert DONE == []


def test_what_only_reads_is_executed() -> None:
    assert answered(replace(CALL, effect="read")) == "executed"
    assert DONE == ["pay"]


def test_what_is_remembered_is_remembered_in_the_scratch_place() -> None:
    assert answered(replace(CALL, kind="memory", effect="idempotent")) == "executed"


@pytest.mark.parametrize(
    ("name", "why"), [("odd", "no stand-in fits"), ("of_a_server", "has no stand-in")]
)
def test_what_has_no_stand_in_fails_and_is_not_executed(name: str, why: str) -> None:
    with pytest.raises(DriverError, match=why) as found:
        answered(replace(CALL, name=name))
    assert not found.value.transient
    assert DONE == []
