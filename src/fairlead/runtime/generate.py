"""Grounding -> Draft: the agent loop, grounded in what was retrieved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fairlead.authoring.workflow import Workflow
from fairlead.core.errors import ModelUnknown
from fairlead.core.prompting import render
from fairlead.core.request import Draft, Grounding
from fairlead.ports.generator import Generator, Task
from fairlead.runtime.check import ask
from fairlead.runtime.conversing import Thread
from fairlead.runtime.toolbox import Toolbox


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an agent loop stands.

    Attributes:
        thread: The run's part in its conversation.
        toolbox: The run's tools.
    """

    thread: Thread
    toolbox: Toolbox


async def generate(
    grounding: Grounding, workflow: Workflow[Any, Any], generator: Generator, place: Place
) -> Draft[Any]:
    """Ask the pinned model, with the pinned prompt, the retrieved sources and what was said before.

    Raises:
        FairleadError: A call was denied or failed, or the model cannot do it.
    """
    admitted = grounding.authorized.admitted
    terms = admitted.terms
    ready = workflow.model if not isinstance(workflow.model, str | None) else None
    if ready is None and not terms.model:
        raise ModelUnknown(f"workflow {terms.name} has no model", workflow=terms.name)
    task = Task(
        name=terms.name,
        model=terms.model if ready is None else ready,
        override="" if ready is None else terms.model,
        instructions=terms.prompt,
        message=render(admitted.request.words, grounding.sources),
        output=workflow.output,
        tools=place.toolbox.bindings(workflow.tools),
        settings=terms.model_settings,
        fallbacks=terms.fallbacks,
        reasks=terms.limits.reasks,
        history=place.thread.history.turns,
        complaint=_complaint(grounding, workflow),
    )
    made = await generator.generate(task)
    place.thread.uses.extend(made.uses)
    return Draft(output=made.output, sources=grounding.sources)


def _complaint(
    grounding: Grounding, workflow: Workflow[Any, Any]
) -> Callable[[Any], str | None] | None:
    """Return what says why an output must be made again; None when no guardrail asks for that."""
    context = grounding.authorized.admitted.context
    rails = [rail for rail in workflow.guardrails if rail.on_fail == "retry"]
    if not rails:
        return None

    def complaint(output: Any) -> str | None:
        draft = Draft(output=output, sources=grounding.sources)
        checks = (ask(rail, context, draft) for rail in rails)
        return next((check.reason for check in checks if not check.passed), None)

    return complaint
