"""The request path: seven types, six stages, in this order.

    Request -> Admitted -> Authorized -> Grounding -> Draft -> Checked -> Outcome

Each stage takes only what the stage before produces, so none can be skipped or moved without a
type error. No stage catches another stage's error; here every FairleadError becomes an outcome,
once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fairlead.authoring.workflow import Workflow
from fairlead.core.errors import (
    Denied,
    FairleadError,
    GuardrailBlocked,
    GuardrailEscalated,
)
from fairlead.core.outcome import Outcome, OutcomeState
from fairlead.core.request import Request
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.documents import DocumentStore
from fairlead.ports.generator import Generator
from fairlead.runtime.authorize import authorize
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.check import check
from fairlead.runtime.conversing import Thread
from fairlead.runtime.generate import Place, generate
from fairlead.runtime.memory import DurableMemory
from fairlead.runtime.recollect import recollect
from fairlead.runtime.redacting import told
from fairlead.runtime.retrieve import retrieve
from fairlead.runtime.verdicts import Verdicts


@dataclass(frozen=True, kw_only=True)
class Path:
    """What the request path of one run uses.

    Attributes:
        workflow: The workflow, for its types, tools and guardrails.
        boundary: The run's way out.
        documents: What may be retrieved.
        generator: The agent loop.
        verdicts: The run's verdicts.
        memory: What is kept beyond the run.
        thread: The run's part in its conversation.
    """

    workflow: Workflow[Any, Any]
    boundary: Boundary
    documents: DocumentStore
    generator: Generator
    verdicts: Verdicts
    memory: DurableMemory
    thread: Thread = field(default_factory=Thread)

    async def walk(self, request: Request) -> Outcome[Any]:
        """Walk the whole path; an error becomes an outcome."""
        try:
            return await self._stages(request)
        except FairleadError as error:
            outcome = outcome_of(error)
            if outcome.checks:
                await self.verdicts.record(outcome.checks)
            return outcome

    async def _stages(self, request: Request) -> Outcome[Any]:
        scope = self.boundary.scope
        admitted = self.verdicts.admit(request)
        authorized = authorize(admitted, scope.rules.bundle)
        grounding = await retrieve(authorized, self.boundary, self.documents)
        grounding = await recollect(grounding, self.memory)
        place = Place(thread=self.thread, toolbox=self.boundary.toolbox)
        draft = await generate(grounding, self.workflow, self.generator, place)
        shape = shape_of(self.workflow.output)
        checked = check(draft, admitted, self.workflow.guardrails, shape=shape)
        return await self.verdicts.answered(checked, admitted)


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
