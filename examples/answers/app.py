"""Answers questions from documents, and cites them to the character."""

from dataclasses import dataclass
from datetime import timedelta

import fairlead as fl


@dataclass(frozen=True)
class Question:
    """What a reader asks."""

    question: str


@fl.guardrail(
    stage="input",
    on_fail="block",
    samples=[
        fl.Sample(passes=True, question="How do I roll a release back?"),
        fl.Sample(passes=False, question="   "),
        fl.Sample(passes=False, question="why " * 1000),
    ],
)
def is_a_question(_: fl.Context, request: fl.Request) -> fl.Verdict:
    """A question has words, and not more than a page of them."""
    if not request.question.strip():
        return fl.fail("the question is empty")
    if len(request.question) > 2000:
        return fl.fail("the question is longer than 2,000 characters")
    return fl.PASS


@fl.workflow(
    intent="Answer questions from the documentation, with citations",
    owner="group:default/docs",
    input=Question,
    output=fl.Answer,
    model="fairlead:extractive",
    prompt="answer.md",
    guardrails=[is_a_question, fl.grounded],
    memory=fl.Memory(
        semantic=fl.Recall("documents", top_k=5),
        remember=fl.Remember(["semantic"], grounding=True),
    ),
    limits=fl.Limits(steps=8, cost_usd=0.05, wall_time=timedelta(minutes=2)),
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def answer(run: fl.Run[fl.Answer], question: Question) -> fl.Answer:
    """Answer one question."""
    outcome = await run.answer(question)
    return outcome.unwrap()


app = fl.App("answers", workflows=[answer])
