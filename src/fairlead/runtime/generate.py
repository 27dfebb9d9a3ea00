"""Grounding -> Draft: the agent loop, grounded in what was retrieved."""

from __future__ import annotations

from typing import Any

from fairlead.authoring.workflow import Workflow
from fairlead.core.digests import canonical_json
from fairlead.core.errors import ModelUnknown
from fairlead.core.prompting import render
from fairlead.core.request import Draft, Grounding, Request
from fairlead.ports.generator import Generator, Task
from fairlead.runtime.tools import binding_of


async def generate(
    grounding: Grounding, workflow: Workflow[Any, Any], generator: Generator
) -> Draft[Any]:
    """Ask the pinned model, with the pinned prompt and the retrieved sources.

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
        message=render(_question(admitted.request), grounding.sources),
        output=workflow.output,
        tools=[binding_of(tool) for tool in workflow.tools],
        settings=terms.model_settings,
        fallbacks=terms.fallbacks,
        reasks=terms.limits.reasks,
    )
    output = await generator.generate(task)
    return Draft(output=output, sources=grounding.sources)


def _question(request: Request) -> str:
    """The question alone when it is all of the input; else the whole input."""
    plain = request.input == request.question or request.input == {"question": request.question}
    return request.question if plain else canonical_json(request.input)
