"""Grounding -> Grounding: beside what was retrieved, what is remembered of the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fairlead.authoring.memory import Wanted
from fairlead.core.errors import MemoryInvalid
from fairlead.core.grounding import Passage, Source
from fairlead.core.memory import Recalled
from fairlead.core.memory_bounds import GROUNDING_BYTES_MAX
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
    return replace(grounding, sources=(*grounding.sources, *_sources(found)))


def _sources(found: Sequence[Recalled]) -> list[Source]:
    """Return what was recalled as sources that fit in a prompt; the last one says what is cut."""
    room, sources = GROUNDING_BYTES_MAX, list[Source]()
    for number, one in enumerate(found, start=1):
        text = one.item.text
        data = text.encode(errors="replace")
        if len(data) > room:
            text = data[:room].decode(errors="ignore")
            cut = len(one.item.text) - len(text)
            more = f" and {len(found) - number} more items" * (number < len(found))
            text += f" [cut: {cut:,} more characters of {one.item.id}{more}]"
        sources.append(_source(number, one, text))
        room -= len(data)
        if room < 0:
            break
    return sources


def _source(number: int, recalled: Recalled, text: str) -> Source:
    item = recalled.item
    title = " > ".join(part for part in ("memory", item.subject, item.predicate) if part)
    passage = Passage(
        collection="memory",
        document=item.id,
        title=title,
        start=0,
        end=len(text),
        text=text,
    )
    return Source(id=f"m{number}", passage=passage, score=recalled.score)
