"""Compensation: what a run did is undone in reverse order when the run fails after it.

Each undoing is a call like any other: contract, policy, ledger and record hold for it. A run that
was cancelled or escalated is not undone by itself, because a person is looking at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fairlead.core.bounds import UNDOING
from fairlead.core.digests import Json
from fairlead.core.errors import FairleadError
from fairlead.ports.boundary import Driver
from fairlead.runtime.boundary import Boundary, Made
from fairlead.runtime.persist import persist
from fairlead.runtime.tools import AnyTool, driver_of, settled


async def compensate(boundary: Boundary, tools: Mapping[str, AnyTool]) -> Sequence[str]:
    """Undo a run's effects, newest first, where their contracts say how.

    Args:
        boundary: The run's boundary, before it is closed.
        tools: The app's tools by name.

    Returns:
        What could not be undone, in words.
    """
    contracts = boundary.scope.rules.contracts
    undoable = [
        made
        for made in boundary.made
        if made.call.kind == "tool"
        and made.call.name in contracts
        and contracts[made.call.name].compensate
    ]
    if not undoable:
        return ()
    boundary.compensate()
    left: list[str] = []
    for made in reversed(undoable):
        undo = contracts[made.call.name].compensate
        try:
            arguments, bind = _undoing(boundary, tools.get(undo), undo, made)
            await boundary.call("tool", undo, arguments, bind(arguments), rebind=bind)
        except FairleadError as error:
            left.append(f"{made.call.name}, call {made.call.number}: {error.message}")
            continue
        await _record(boundary, made)
    return left


def _undoing(
    boundary: Boundary, undo: AnyTool | None, name: str, made: Made
) -> tuple[Json, Callable[[Json], Driver]]:
    """Return the arguments of an undoing, and what makes its body of them; what is no function is
    a server's tool."""
    known = {**made.call.actual, "result": made.value}
    if undo is not None:
        arguments = {name: known[name] for name in undo.signature.parameters if name in known}
        return settled(undo, arguments, UNDOING), partial(driver_of, undo)
    contract = boundary.scope.rules.contracts.get(name)
    taken = contract.parameters.get("properties", {}) if contract is not None else {}
    arguments = {name: known[name] for name in taken if name in known}
    toolbox = boundary.toolbox
    return toolbox.filled(name, arguments), partial(toolbox.remote, name)


async def _record(boundary: Boundary, made: Made) -> None:
    services = boundary.services

    async def step() -> None:
        await persist(services.clock, services.effects.undo, made.call.key)

    await boundary.engine.step(f"undone {made.call.number}", step)
