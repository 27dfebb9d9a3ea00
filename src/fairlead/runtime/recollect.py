"""Grounding -> Grounding: beside what was retrieved, what is remembered of the question."""

from __future__ import annotations

from dataclasses import replace

from fairlead.authoring.memory import Wanted
from fairlead.core.errors import MemoryInvalid
from fairlead.core.grounding import Passage, Source
from fairlead.core.memory import Recalled
from fairlead.core.request import Grounding
from fairlead.runtime.memory import DurableMemory


async def recollect(grounding: Grounding, memory: DurableMemory) -> Grounding:
    """Recall for the question, where the workflow declares it for `run.answer`.

    What was remembered becomes a source like a passage: it stands in the prompt as quoted data,
    and an answer may cite it.

    Raises:
        MemoryInvalid: The input does not name the subject that the workflow declares.
        FairleadError: The recall was denied or failed.
    """
    admitted = grounding.authorized.admitted
    terms = admitted.terms.remember
    if terms is None or not terms.grounding:
        return grounding
    try:
        subject = terms.subject_in(admitted.request.input)
    except ValueError as error:
        # Without a subject it would recall what is said of everybody.
        raise MemoryInvalid(f"workflow {admitted.terms.name}: {error}") from error
    about: Wanted = {} if subject is None else {"subject": subject}
    found = await memory.recall(admitted.request.question, **about)
    sources = [_source(number, one) for number, one in enumerate(found, start=1)]
    return replace(grounding, sources=(*grounding.sources, *sources))


def _source(number: int, recalled: Recalled) -> Source:
    item = recalled.item
    title = " > ".join(part for part in ("memory", item.subject, item.predicate) if part)
    passage = Passage(
        collection="memory",
        document=item.id,
        title=title,
        start=0,
        end=len(item.text),
        text=item.text,
    )
    return Source(id=f"m{number}", passage=passage, score=recalled.score)
