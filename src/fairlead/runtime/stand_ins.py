"""A drill: what has an effect is not executed, and a stand-in answers in its place.

Everything else of a call is as ever: contract, policy, approval, budget, intent and outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.core.calls import Call
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.release import Release
from fairlead.core.stand_ins import stand_in
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.boundary import Driven, Driver, DriverError
from fairlead.ports.faults import NoFaults
from fairlead.runtime.tools import AnyTool, result_of


class StandIns(NoFaults):
    """Takes the place of the body of each tool that is `idempotent` or `once`."""

    def __init__(
        self, tools: Mapping[str, AnyTool], releases: Callable[[], Sequence[Release]] = tuple
    ) -> None:
        """Know the results that are to be stood in for.

        Args:
            tools: The app's tools by name.
            releases: Returns the releases, newest first: they hold what a server's tool promises.
        """
        self._tools = tools
        self._releases = releases

    def body(self, call: Call, driver: Driver) -> Driver:
        """Return a body that executes nothing, for a tool with an effect."""
        # What is written to memory goes into the scratch place, as all that the run keeps.
        if call.kind != "tool" or call.effect == "read":
            return driver
        tool = self._tools.get(call.name)

        async def answer(_: Context) -> Driven:
            if tool is not None:
                return Driven(value=_answer(call.name, result_of(tool).schema))
            schema = await asyncio.to_thread(self._promised, call.name)
            if schema is None:
                raise DriverError(
                    f"a drill executes no effect, and tool {call.name} has no stand-in",
                    transient=False,
                )
            return Driven(value=_answer(call.name, schema))

        return answer

    def _promised(self, name: str) -> Mapping[str, Any] | None:
        """Return what a server's tool promises to return: its text, unless it says otherwise."""
        for release in self._releases():
            contract = release.manifest.contracts.get(name)
            if contract is not None and contract.mcp is not None:
                pin = contract.mcp
                return pin.definition["outputSchema"] if pin.answers_structured else _TEXT
        return None


_TEXT = {"type": "string"}


def _answer(name: str, schema: Mapping[str, Any]) -> Json:
    value: Json = None
    try:
        value = stand_in(schema)
        finding = SchemaCheck(schema).finding(value)
    except (ValueError, TypeError, AttributeError) as error:
        finding = str(error)
    if finding is not None:
        raise DriverError(f"no stand-in fits the result of tool {name}: {finding}", transient=False)
    return value
