"""A run's tools, wherever their bodies stand: in the app's code or at an MCP server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.authoring.mcp import McpTool
from fairlead.core.bounds import ARGUMENTS, excess
from fairlead.core.calls import uncut
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import ArgumentsInvalid, McpUnreachable
from fairlead.core.release import ToolContract
from fairlead.guardrails.shapes import SchemaCheck, shape_of
from fairlead.ports.boundary import Driven, Driver, DriverError
from fairlead.ports.generator import ToolBinding
from fairlead.ports.mcp import McpClient, McpFault
from fairlead.runtime.scope import Rules
from fairlead.runtime.tools import AnyTool, binding_of, driver_of, result_of, to_json


@dataclass(frozen=True, kw_only=True)
class Toolbox:
    """Turns a workflow's tools into bodies of calls.

    Attributes:
        rules: The rules of the run's release: a server's tool is what they hold of it.
        client: The way to MCP servers.
    """

    rules: Rules
    client: McpClient

    def arguments(
        self, tool: AnyTool | McpTool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Json]:
        """Return the arguments of a Python call as JSON.

        Raises:
            ArgumentsInvalid: They do not fit the tool's signature.
        """
        if not isinstance(tool, McpTool):
            return to_json(tool, args, kwargs)
        if args:
            raise ArgumentsInvalid(f"tool {tool.name} takes its arguments by name", tool=tool.name)
        if excess(kwargs, ARGUMENTS) is not None:
            # The boundary refuses them, and records that it did.
            return kwargs
        arguments: dict[str, Json] = shape_of(Any).dump(kwargs, of=f"the caller of {tool.name}")
        return arguments

    def driver(self, tool: AnyTool | McpTool, arguments: dict[str, Json]) -> Driver:
        """Return the body of one call of a tool."""
        if not isinstance(tool, McpTool):
            return driver_of(tool, arguments)
        return self.remote(tool.name, arguments)

    def remote(self, name: str, arguments: dict[str, Json]) -> Driver:
        """Return the body of one call of a server's tool, by the name that contracts know."""

        async def drive(context: Context) -> Driven:
            # The boundary has refused by now what has no contract.
            contract = self.rules.contracts[name]
            return Driven(value=await self._ask(contract, arguments, context.idempotency_key))

        return drive

    def result(self, tool: AnyTool | McpTool, value: Json) -> Any:
        """Return what workflow code gets for a call's JSON value."""
        return value if isinstance(tool, McpTool) else result_of(tool).load(value)

    def bindings(self, tools: Sequence[AnyTool | McpTool]) -> list[ToolBinding]:
        """Return tools as an agent loop offers them to a model; none without a contract."""
        return [
            self._binding(self.rules.contracts[tool.name])
            if isinstance(tool, McpTool)
            else binding_of(tool)
            for tool in tools
            if not isinstance(tool, McpTool) or tool.name in self.rules.contracts
        ]

    def _binding(self, contract: ToolContract) -> ToolBinding:
        async def body(context: Context, arguments: dict[str, Json]) -> Json:
            return await self._ask(contract, arguments, context.idempotency_key)

        return ToolBinding(
            name=contract.name,
            description=contract.description,
            parameters=contract.parameters,
            body=body,
            finding=SchemaCheck(contract.parameters, quoting=False).finding,
            remote=True,
        )

    async def _ask(self, contract: ToolContract, arguments: dict[str, Json], key: str) -> Json:
        pin = contract.mcp
        server = None if pin is None else self.rules.servers.get(pin.server)
        if pin is None or server is None:
            raise McpUnreachable(f"the release names no MCP server for {contract.name}")
        try:
            return await self.client.call(server, pin, arguments, key=key)
        except McpFault as fault:
            raise error_of(fault, contract) from fault


def error_of(fault: McpFault, contract: ToolContract) -> DriverError:
    """Return what a server's fault means for a call.

    A `once` effect that may have happened is nobody's failure yet: it is handed on as one that may
    pass, which the boundary records as unknown. One that surely did not happen has failed.

    Args:
        fault: What the server did.
        contract: The tool's contract.
    """
    executed, passing = fault.executed, fault.passing
    if fault.said and contract.mcp is not None and contract.mcp.on_error == "failed":
        executed = False
    if contract.effect == "once":
        passing = executed
    return DriverError(uncut(str(fault)), transient=passing, code=fault.code)
