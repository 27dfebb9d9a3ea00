"""The grounding check, ready to list among a workflow's guardrails."""

from __future__ import annotations

from fairlead.authoring.guardrail import guardrail
from fairlead.core.context import Context
from fairlead.core.grounding import Answer, Citation, Passage, Source, citations_of, locate
from fairlead.core.guarding import PASS, Sample, Verdict, fail
from fairlead.core.request import Draft

_SOURCE = Source(
    id="s1",
    score=1.0,
    passage=Passage(
        collection="c", document="d.md", title="d", start=0, end=22, text="A line under load runs."
    ),
)


def _sample(passes: bool, source: str, quote: str) -> Sample:
    answer = Answer(text=quote, citations=(Citation(source=source, quote=quote),))
    return Sample(passes=passes, output=answer, sources=(_SOURCE,))


@guardrail(
    stage="output",
    on_fail="escalate",
    samples=[
        _sample(True, "s1", "under load"),
        _sample(False, "s1", "without load"),
        _sample(False, "s2", "under load"),
        Sample(passes=False, output=Answer(text="A line runs."), sources=(_SOURCE,)),
        Sample(passes=False, output=Answer(text="", abstained=True), sources=(_SOURCE,)),
        Sample(passes=False, output=Answer(text="A line runs.")),
    ],
)
def grounded(_: Context, draft: Draft[object]) -> Verdict:
    """An answer rests on quotes that stand verbatim in what was retrieved.

    Fails when nothing was retrieved, when the model abstained, when nothing is cited, and when a
    quote is not found in the source that it names.
    """
    if not draft.sources:
        return fail("nothing was retrieved to rest an answer on")
    if getattr(draft.output, "abstained", False):
        return fail("the retrieved sources do not support an answer")
    citations = citations_of(draft.output)
    if not citations:
        return fail("the answer cites no source")
    for citation in citations:
        if locate(citation, draft.sources) is None:
            return fail(f"the quote from {citation.source} does not stand in that source")
    return PASS
