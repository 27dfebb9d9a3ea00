"""A replay: the recording answers in the driver's place, so that nothing reaches the outside."""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.budget import CHARGED
from fairlead.core.calls import Failed, Result
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.interceptors.turn import turn_cost_usd
from fairlead.runtime.scope import Services
from fairlead.runtime.screening import noted


async def answers(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Return what is on record, or ask `inner`; outside of a replay it steps aside."""
    if services.answers is None:
        return await inner(attempt, services)
    call = attempt.call
    found = await services.answers.of(call, undoing=attempt.undoing)
    if found is None:
        return await _live(attempt, services, inner)
    if isinstance(found, Failed) and found.checks:
        # What guardrails say of the arguments is said again, and would stand there twice.
        said = attempt.noted + noted(attempt.scope, call)
        found = replace(found, checks=tuple(one for one in found.checks if one not in said))
    return found, 1


async def _live(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner`; what a model's turn is expected to cost is held before it."""
    call, answers = attempt.call, services.answers
    assert answers is not None, "only a replay asks for this"
    if call.kind == "model":
        await answers.hold(call, turn_cost_usd(call, attempt.scope, services))
    try:
        return await inner(attempt, services)
    except Stumble as stumble:
        answers.stumbled(call, charged=stumble.code in CHARGED)
        raise
