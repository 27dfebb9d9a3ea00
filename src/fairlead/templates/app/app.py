"""Answers questions from the handbook in `documents/`, and cites them to the character."""

from dataclasses import dataclass
from datetime import timedelta

import fairlead as fl

GLOSSARY = {
    "pto": "paid leave",
    "wfh": "work from home",
    "sev1": "severe incident",
}
"""What people type, and what the handbook calls it."""


@dataclass(frozen=True)
class Question:
    """What somebody asks."""

    question: str


@fl.tool(effect="read", scope="glossary:read")
async def spell_out(_: fl.Context, text: str) -> str:
    """Replace the house's abbreviations in a text by the words of the handbook."""
    return " ".join(_spelled(word) for word in text.split())


def _spelled(word: str) -> str:
    bare = word.rstrip("?!.,;:")
    return GLOSSARY.get(bare.lower(), bare) + word[len(bare) :]


@fl.guardrail(
    stage="input",
    on_fail="block",
    samples=[
        fl.Sample(passes=True, question="How many days of PTO do I get?"),
        fl.Sample(passes=False, question="   "),
        fl.Sample(passes=False, question="why " * 1000),
    ],
)
def is_a_question(_: fl.Context, request: fl.Request) -> fl.Verdict:
    """A question has words, and at most 2,000 characters."""
    if not request.question.strip():
        return fl.fail("the question is empty")
    if len(request.question) > 2000:
        return fl.fail("the question is longer than 2,000 characters")
    return fl.PASS


# `fl.grounded` lets no answer through whose quotes do not stand in the documents; what it stops
# goes to a person.
@fl.workflow(
    intent="Answer questions about the handbook, with citations",
    owner="group:default/{{name}}",
    input=Question,
    output=fl.Answer,
    model="fairlead:extractive",
    prompt="answer.md",
    tools=[spell_out],
    guardrails=[is_a_question, fl.grounded],
    memory=fl.Memory(semantic=fl.Recall("handbook", top_k=5)),
    limits=fl.Limits(steps=8, cost_usd=0.05, wall_time=timedelta(minutes=2)),
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def answer(run: fl.Run[fl.Answer], question: Question) -> fl.Answer:
    """Answer one question."""
    asked = await run.call(spell_out, question.question)
    outcome = await run.answer(Question(question=asked))
    return outcome.unwrap()


app = fl.App("{{name}}", workflows=[answer])
