"""The request path: seven types, six stages, in this order.

    Request -> Admitted -> Authorized -> Grounding -> Draft -> Checked -> Outcome

Each stage takes only what the stage before produces, so none can be skipped or moved without a
type error. No stage catches another stage's error; here every FairleadError becomes an outcome,
once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.authoring.workflow import Workflow
from fairlead.core.errors import (
    Denied,
    FairleadError,
    GuardrailBlocked,
    GuardrailEscalated,
)
from fairlead.core.guarding import Check
from fairlead.core.outcome import Outcome, OutcomeState
from fairlead.core.request import Request
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.clock import Clock
from fairlead.ports.documents import DocumentStore
from fairlead.ports.events import EventLog
from fairlead.ports.generator import Generator
from fairlead.runtime.admit import admit
from fairlead.runtime.authorize import authorize
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.check import check
from fairlead.runtime.conversing import Thread
from fairlead.runtime.generate import Place, generate
from fairlead.runtime.record import conclude, record_checks
from fairlead.runtime.redacting import told
from fairlead.runtime.retrieve import retrieve


@dataclass(frozen=True, kw_only=True)
class Path:
    """What the request path of one run uses.

    Attributes:
        workflow: The workflow, for its types, tools and guardrails.
        boundary: The run's way out.
        documents: What may be retrieved.
        generator: The agent loop.
        events: The run's chain.
        clock: Time and chance.
        thread: The run's part in its conversation.
    """

    workflow: Workflow[Any, Any]
    boundary: Boundary
    documents: DocumentStore
    generator: Generator
    events: EventLog
    clock: Clock
    thread: Thread = field(default_factory=Thread)

    async def walk(self, request: Request) -> Outcome[Any]:
        """Walk the whole path; an error becomes an outcome."""
        try:
            return await self._stages(request)
        except FairleadError as error:
            outcome = outcome_of(error)
            if outcome.checks:
                await self._record(outcome.checks)
            return outcome

    async def _stages(self, request: Request) -> Outcome[Any]:
        scope = self.boundary.scope
        admitted = admit(request, scope, self.workflow.guardrails)
        authorized = authorize(admitted, scope.rules.bundle)
        grounding = await retrieve(authorized, self.boundary, self.documents)
        place = Place(thread=self.thread, toolbox=self.boundary.toolbox)
        draft = await generate(grounding, self.workflow, self.generator, place)
        shape = shape_of(self.workflow.output)
        checked = check(draft, admitted, self.workflow.guardrails, shape=shape)
        await self._record(checked.checks)
        return conclude(checked)

    async def with_noted(self, outcome: Outcome[Any]) -> Outcome[Any]:
        """Return a run's outcome with the tool guardrails that failed on its calls, recorded."""
        noted = tuple(self.boundary.noted)
        if not noted:
            return outcome
        await self._record(noted)
        return replace(outcome, checks=outcome.checks + noted)

    async def _record(self, checks: tuple[Check, ...]) -> None:
        run_id = self.boundary.scope.context.run_id
        await record_checks(
            checks, run_id, engine=self.boundary.engine, events=self.events, clock=self.clock
        )


def outcome_of(error: FairleadError) -> Outcome[Any]:
    """Return the outcome that an error makes."""
    checks = error.checks if isinstance(error, GuardrailBlocked) else ()
    reason = told(error.message)
    return Outcome(state=_state_of(error), checks=checks, reason=reason, code=error.code)


def _state_of(error: FairleadError) -> OutcomeState:
    if isinstance(error, GuardrailEscalated):
        return "escalated"
    if isinstance(error, Denied | GuardrailBlocked):
        return "denied"
    return "failed"
