"""A small app whose tools stand at a real MCP server, beside it as a program."""

from __future__ import annotations

import sys
from pathlib import Path

from fairlead.operations import load_settings, pin_mcp
from tests.acceptance.support import mcp_server
from tests.acceptance.support.app import OUTSIDE

_TOML = """\
[app]
name = "remote"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2
concurrency = CONCURRENCY
"""

_APP = '''\
"""Tools of an MCP server, called by code and by models."""

from datetime import timedelta
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart

import fairlead as fl

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}
LIMITS = fl.Limits(attempts=2)
READ, PAY = fl.mcp("files", "read_file"), fl.mcp("files", "pay")
PUT, SIZE = fl.mcp("files", "put"), fl.mcp("files", "size")


@fl.workflow(**COMMON, input=str, output=str, tools=[READ], limits=LIMITS)
async def read(run: fl.Run[str], path: str) -> str:
    """Read one file."""
    return await run.call(READ, path=path)


@fl.workflow(**COMMON, input=str, output=str, tools=[PAY], limits=LIMITS)
async def buy(run: fl.Run[str], order: str) -> str:
    """Pay once."""
    return await run.call(PAY, order=order)


@fl.workflow(**COMMON, input=str, output=str, tools=[PUT], limits=LIMITS)
async def store(run: fl.Run[str], item: str) -> str:
    """Put an item, as often as it takes."""
    return await run.call(PUT, item=item)


@fl.workflow(**COMMON, input=str, output=str, tools=[PAY, READ], limits=LIMITS)
async def saga(run: fl.Run[str], order: str) -> str:
    """Pay, then fail."""
    await run.call(PAY, order=order)
    raise RuntimeError("something went wrong")


@fl.workflow(**COMMON, input=str, output=str, tools=[PAY], limits=LIMITS)
async def ask(run: fl.Run[str], order: str) -> str:
    """Pay when a person agrees."""
    return await run.approve(PAY, order=order)


@fl.workflow(**COMMON, input=dict[str, Any], output=str, tools=[READ], limits=LIMITS)
async def loose(run: fl.Run[str], given: dict[str, Any]) -> str:
    """Read with whatever arguments."""
    return await run.call(READ, **given)


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Call the tool, then say what it returned."""
    for part in messages[-1].parts:
        if part.part_kind == "tool-return":
            return ModelResponse(parts=[TextPart(str(part.content))])
    (tool,) = info.function_tools
    assert tool.description == "Read a file of the app."
    return ModelResponse(parts=[ToolCallPart(tool.name, {"path": "a.txt"})])


AGENT = Agent(FunctionModel(think), name="reader", output_type=str)


@fl.workflow(**COMMON, input=str, output=str, tools=[READ], model=AGENT, limits=LIMITS)
async def agent(run: fl.Run[str], question: str) -> str:
    """Let a ready agent read."""
    return str(await run.agent(AGENT, question))


app = fl.App("remote", workflows=[read, buy, store, saga, ask, loose, agent])
'''

CONTRACTS = """\
server:
  command: PYTHON
  args: [PROGRAM, served]
  call_timeout_s: 3
tools:
  read_file:
    effect: read
    scope: files:read
    targets: [path]
    description: Read a file of the app.
    labels:
      "": {integrity: untrusted, readers: [tenant]}
  size: {effect: read, scope: files:read, targets: [path]}
  pay: {effect: once, scope: money:write, targets: [order], compensate: pay_back}
  pay_back: {effect: idempotent, scope: money:write, targets: [order]}
  put: {effect: idempotent, scope: items:write, targets: [item], egress: true}
"""


def write_mcp_app(folder: Path, *, concurrency: int = 4) -> Path:
    """Write the app into a folder, and pin its tools.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    contracts = CONTRACTS.replace("PYTHON", sys.executable)
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)),
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "tools/files.yaml": contracts.replace("PROGRAM", str(Path(mcp_server.__file__))),
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "served").mkdir(exist_ok=True)
    pin_mcp(load_settings(folder))
    return folder
