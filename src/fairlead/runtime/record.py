"""Checked -> Outcome: the verdicts are recorded, and what they mean becomes the outcome."""

from __future__ import annotations

from typing import Any

from fairlead.core.errors import GuardrailBlocked, GuardrailEscalated
from fairlead.core.event import Fact
from fairlead.core.grounding import ground
from fairlead.core.guarding import Check
from fairlead.core.outcome import Outcome, OutcomeState
from fairlead.core.request import Checked
from fairlead.ports.clock import Clock
from fairlead.ports.engine import Engine
from fairlead.ports.events import EventLog
from fairlead.runtime.check import enforce
from fairlead.runtime.persist import persist


async def record_checks(
    checks: tuple[Check, ...],
    run_id: str,
    number: int,
    *,
    engine: Engine,
    events: EventLog,
    clock: Clock,
) -> None:
    """Append the verdicts to the run's chain, in one journaled step.

    Args:
        checks: The verdicts.
        run_id: The run.
        number: How often the run has recorded verdicts, with this time.
        engine: Journals the step.
        events: The run's chain.
        clock: Time and chance.
    """
    # Facts only: a reason may quote what a user wrote, and stands in the outcome, outside the log.
    data = {
        "number": number,
        "checks": [
            {"name": check.name, "stage": check.stage, "passed": check.passed} for check in checks
        ],
    }
    fact = Fact(chain=f"run:{run_id}", type="checks.finished", data=data)

    async def step() -> None:
        # The step may run again after a crash between the append and the engine's own record.
        newest = await persist(clock, events.list, chain=fact.chain, limit=1)
        if not newest or newest[-1].type != fact.type or newest[-1].data != fact.data:
            await persist(clock, events.append, [fact])

    await engine.step("record checks", step)


def conclude(checked: Checked[Any]) -> Outcome[Any]:
    """Return the outcome that the verdicts make of a draft."""
    draft = checked.draft
    state: OutcomeState = "succeeded"
    reason = code = ""
    try:
        enforce(checked.checks)
    except GuardrailEscalated as error:
        state, reason, code = "escalated", error.message, error.code
    except GuardrailBlocked as error:
        state, reason, code = "denied", error.message, error.code
    return Outcome(
        state=state,
        answer=draft.output,
        checks=checked.checks,
        grounded_sources=ground(draft.output, draft.sources),
        reason=reason,
        code=code,
    )
