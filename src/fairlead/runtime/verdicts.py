"""A run's own verdicts: on its input before its code begins, and on what that code returns.

They hold for every workflow, whatever its code calls. `run.answer` judges what is asked and made in
between; what was judged once is not judged again, and each verdict is on record once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from fairlead.authoring.workflow import Workflow
from fairlead.core.digests import Json
from fairlead.core.errors import (
    GuardrailBlocked,
    JournalForeign,
    ReplayDiverged,
    ResultNotJson,
)
from fairlead.core.guarding import Check
from fairlead.core.label import Label
from fairlead.core.outcome import Outcome
from fairlead.core.request import Admitted, Checked, Draft, Request
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.clock import Clock
from fairlead.ports.events import EventLog
from fairlead.runtime.admit import admit, request_of
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.check import check
from fairlead.runtime.record import conclude, record_checks


class Verdicts:
    """The verdicts of one run, from its first stage to its end.

    Attributes:
        admitted: What the run was asked, with its verdicts; None while it has none that let it in.
    """

    def __init__(
        self, workflow: Workflow[Any, Any], boundary: Boundary, events: EventLog, clock: Clock
    ) -> None:
        """Begin without a verdict.

        Args:
            workflow: Whose guardrails are asked.
            boundary: The run's way out.
            events: The run's chain.
            clock: Time and chance.
        """
        self.admitted: Admitted | None = None
        self._workflow = workflow
        self._boundary = boundary
        self._events = events
        self._clock = clock
        self._unrecorded: tuple[Check, ...] = ()
        self._records = 0
        self._answers: list[tuple[Outcome[Any], Json]] = []

    def begin(self, input: Json, label: Label) -> Any:
        """Judge what the run was asked, and return it as the workflow's code gets it.

        Args:
            input: The run's input.
            label: What is known of it.

        Raises:
            GuardrailBlocked: A check failed that blocks or escalates: the code does not begin.
            InvalidInput: The input does not fit the workflow's type.
        """
        shape = shape_of(self._workflow.input)
        value = shape.load(input)
        try:
            admitted = self.admit(request_of(value, input, None))
        except GuardrailBlocked as error:
            self._unrecorded = error.checks
            raise
        self.admitted, self._unrecorded = admitted, admitted.checks
        left = admitted.request.input
        if left == input:
            return value
        # What a guardrail left of it comes from whoever sent it, too.
        self._boundary.received(left, {"": label})
        return shape.load(left)

    def admit(self, request: Request) -> Admitted:
        """Judge a request, unless it is the one that the run was begun with.

        Raises:
            GuardrailBlocked: A check failed that blocks or escalates.
        """
        if self.admitted is not None and request == self.admitted.request:
            return self.admitted
        shape = shape_of(self._workflow.input)
        return admit(request, self._boundary.scope, self._workflow.guardrails, shape=shape)

    async def answered(self, checked: Checked[Any], admitted: Admitted) -> Outcome[Any]:
        """Record what `run.answer` judged, and return what it means.

        Args:
            checked: The draft with its verdicts.
            admitted: What it answers.
        """
        own = len(admitted.checks) if admitted is self.admitted else 0
        await self.record(checked.checks[own:])
        outcome = conclude(checked)
        shape = shape_of(self._workflow.output)
        # What a ready agent made in another type is no output that could come back as it is.
        with suppress(ResultNotJson):
            self._answers.append((outcome, shape.dump(outcome.answer, of="the model")))
        return outcome

    def end(self, value: Any) -> tuple[Outcome[Any], Json]:
        """Judge what the workflow's code returned; return the outcome, and its output as JSON.

        A draft of `run.answer` that comes back as it was keeps its outcome, whichever that is. All
        else rests on no passage.

        Args:
            value: What it returned.

        Raises:
            ResultNotJson: It does not fit the workflow's type.
        """
        of, shape = f"workflow {self._workflow.name}", shape_of(self._workflow.output)
        output = shape.dump(value, of=of)
        for outcome, judged in reversed(self._answers):
            # The code may have changed the very object since.
            if outcome.answer is value and judged == output:
                return outcome, output
        assert self.admitted is not None, "no code of a workflow runs before its run is admitted"
        draft = Draft(output=value, sources=())
        checked = check(draft, self.admitted, self._workflow.guardrails, shape=shape)
        self._unrecorded += checked.checks[len(self.admitted.checks) :]
        outcome = conclude(checked)
        return outcome, shape.dump(outcome.answer, of=of)

    async def settled(self, outcome: Outcome[Any]) -> Outcome[Any]:
        """Return a run's outcome with all of its verdicts, recorded; also those on tool calls."""
        noted = tuple(self._boundary.noted)
        if self._unrecorded or noted:
            # Where the record cannot be followed any further, the outcome has them.
            with suppress(ReplayDiverged, JournalForeign):
                await self.record(noted)
        first = () if self.admitted is None else self.admitted.checks
        if outcome.checks[: len(first)] == first:
            first = ()
        return replace(outcome, checks=first + outcome.checks + noted)

    async def record(self, checks: tuple[Check, ...]) -> None:
        """Record verdicts, after those that are not on record yet.

        Args:
            checks: The verdicts.
        """
        checks, self._unrecorded = self._unrecorded + checks, ()
        self._records += 1
        await record_checks(
            checks,
            self._boundary.scope.context.run_id,
            self._records,
            engine=self._boundary.engine,
            events=self._events,
            clock=self._clock,
        )
