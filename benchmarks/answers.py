"""Real questions through the whole request path, as durable runs.

The data folder (FAIRLEAD_BENCH_DATA, by default `../shared/data`) holds `hotpot-dev.json`:
questions with ten paragraphs each and the labelled supporting ones. Every paragraph becomes a
document of one collection; every question is asked of all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench_app import example_app, quantile
from fairlead import Principal
from fairlead.core.calls import Done
from fairlead.operations import Platform, Release, RunRecord


@dataclass(frozen=True)
class Asked:
    """One question and what came of it."""

    recall: float
    quotes: int
    verbatim: int
    abstained: bool
    latency_ms: float


def main() -> None:
    """Ask every question and print the figures."""
    folder = Path(os.environ.get("FAIRLEAD_BENCH_DATA", "../shared/data"))
    path = folder / "hotpot-dev.json"
    if not path.is_file():
        sys.exit(f"there is no {path}: set FAIRLEAD_BENCH_DATA to the folder that holds it")
    questions = json.loads(path.read_text(encoding="utf-8"))
    paragraphs = {
        title: f"# {title}\n\n{''.join(sentences)}\n"
        for item in questions
        for title, sentences in zip(
            item["context"]["title"], item["context"]["sentences"], strict=True
        )
    }
    names = {title: f"{n:04d}-{_safe(title)}.md" for n, title in enumerate(sorted(paragraphs), 1)}
    documents = {names[title]: text for title, text in paragraphs.items()}
    with example_app(documents) as (platform, release):
        asked = asyncio.run(_ask_all(platform, release, questions, names))
    quotes = sum(item.quotes for item in asked)
    latencies = [item.latency_ms for item in asked]
    figures = {
        "questions": len(asked),
        "supporting_recall_at_5": round(sum(item.recall for item in asked) / len(asked), 4),
        "citations_verbatim": round(sum(item.verbatim for item in asked) / max(quotes, 1), 4),
        "abstained": sum(item.abstained for item in asked),
        "p50_ms": round(quantile(latencies, 0.5), 1),
        "p95_ms": round(quantile(latencies, 0.95), 1),
        "documents": len(documents),
        "citations": quotes,
    }
    print(json.dumps(figures))


async def _ask_all(
    platform: Platform, release: Release, questions: list[Any], names: dict[str, str]
) -> list[Asked]:
    texts = _texts(platform)
    asked = []
    for item in questions:
        run = platform.admission.start(
            release, "answer", {"question": item["question"]}, principal=Principal(user="bench")
        )
        ended = await platform.admission.wait(run.id, 60.0)
        asked.append(_judge(platform, ended, _supporting(item, names), texts))
    return asked


def _judge(
    platform: Platform, ended: RunRecord, supporting: set[str], texts: dict[str, str]
) -> Asked:
    found: set[str] = set()
    for call in platform.journal.of_run(ended.id):
        if call.kind == "retrieval" and isinstance(call.result, Done):
            found |= {source["document"] for source in call.result.value}
    outcome = ended.outcome
    answer = outcome["answer"] or {"citations": [], "abstained": True}
    # A citation counts when its place in the document holds exactly its words.
    verbatim = sum(
        texts[source["document"]][source["start"] : source["end"]] == citation["quote"]
        for citation, source in zip(answer["citations"], outcome["grounded_sources"], strict=False)
    )
    return Asked(
        recall=len(found & supporting) / len(supporting),
        quotes=len(answer["citations"]),
        verbatim=verbatim,
        abstained=bool(answer["abstained"]),
        latency_ms=((ended.finished_at or 0.0) - ended.created_at) * 1000,
    )


def _texts(platform: Platform) -> dict[str, str]:
    """Return every document's text as it is stored, by its path."""
    with platform.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT path, text FROM documents")
        return {path: text for path, text in rows}  # noqa: C416 - rows are no pairs to the checker


def _supporting(item: Any, names: dict[str, str]) -> set[str]:
    return {names[title] for title in item["supporting_facts"]["title"]}


def _safe(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]


if __name__ == "__main__":
    main()
