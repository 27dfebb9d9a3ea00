"""The two data sets that recall is measured on, as items to remember and questions to ask.

The folder (FAIRLEAD_BENCH_DATA, by default `../shared/data`) holds

- `locomo-dev.json`: long conversations of two people. An item is one turn with its speaker, the
  date of its session and its place; a question names the turns that hold its answer.
  `locomo-dev-corrections.json` replaces the evidence that an audit found to be wrong;
- `hotpot-dev.json`: questions with ten paragraphs each, two of which hold the answer. All
  paragraphs are pooled; an item is one paragraph with its title.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Choices and weights were made on these conversations; all others are held out.
TUNED_CONVERSATIONS = frozenset({"conv-26", "conv-30", "conv-41"})

_TURN_ID = re.compile(r"D(\d+):(\d+)")
_QUESTION_ID = re.compile(r"locomo_\d+_qa(\d+)")
_SESSION = re.compile(r"session_(\d+)")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to remember.

    Attributes:
        id: Unique within its haystack.
        text: What was said or written.
        actor: Who said it; empty for a paragraph.
        at: Seconds since 1970 when it was said, if that is known.
        thread: The conversation.
        place: Position in the conversation, from 0.
        title: A paragraph's title.
    """

    id: str
    text: str
    actor: str = ""
    at: float | None = None
    thread: str = ""
    place: int = 0
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with the items that hold its answer.

    Attributes:
        text: The question.
        evidence: Ids of the items.
        group: `category-1` to `category-5` or `hotpot`.
    """

    text: str
    evidence: frozenset[str]
    group: str


@dataclass(frozen=True, kw_only=True)
class Haystack:
    """Items that are searched together, and the questions about them.

    Attributes:
        name: Such as `conv-26`.
        tuned: Whether choices were made by looking at it.
        items: What is remembered, in order.
        questions: What is asked.
        left_out: Evidence ids of the data set that name no turn.
    """

    name: str
    tuned: bool
    items: tuple[Item, ...]
    questions: tuple[Asked, ...]
    left_out: int = 0


def data_folder() -> Path:
    """Return the folder that holds the data sets."""
    return Path(os.environ.get("FAIRLEAD_BENCH_DATA", "../shared/data"))


def load_locomo(folder: Path) -> list[Haystack]:
    """Read the conversations, each as a haystack of its own.

    Args:
        folder: Where `locomo-dev.json` is, and the corrections, if there are any.

    Returns:
        The haystacks in the order of the file. A question without any evidence is left out.
    """
    path = folder / "locomo-dev-corrections.json"
    listed = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    corrections = {
        (int(match[1]), entry["question"]): entry["correct_evidence"]
        for entry in listed
        if entry.get("correct_evidence") and (match := _QUESTION_ID.fullmatch(entry["question_id"]))
    }
    conversations = json.loads((folder / "locomo-dev.json").read_text(encoding="utf-8"))
    return [_conversation(conversation, corrections) for conversation in conversations]


def _conversation(source: Any, corrections: Mapping[tuple[int, str], list[str]]) -> Haystack:
    name = source["sample_id"]
    items = tuple(_turns(name, source["conversation"]))
    known = {item.id for item in items}
    questions: list[Asked] = []
    left_out = 0
    for index, qa in enumerate(source["qa"]):
        cited = _turn_ids(corrections.get((index, qa["question"])) or qa["evidence"])
        evidence = cited & known
        left_out += len(cited - known)
        if evidence:
            group = f"category-{qa['category']}"
            questions.append(Asked(text=qa["question"], evidence=evidence, group=group))
    return Haystack(
        name=name,
        tuned=name in TUNED_CONVERSATIONS,
        items=items,
        questions=tuple(questions),
        left_out=left_out,
    )


def _turns(thread: str, source: Mapping[str, Any]) -> Iterator[Item]:
    sessions = sorted(int(match[1]) for key in source if (match := _SESSION.fullmatch(key)))
    place = 0
    for session in sessions:
        said = source.get(f"session_{session}_date_time")
        for turn in source[f"session_{session}"]:
            yield Item(
                id=turn["dia_id"],
                text=turn["text"],
                actor=turn["speaker"],
                at=_seconds(said) if said else None,
                thread=thread,
                place=place,
            )
            place += 1


def _seconds(said: str) -> float:
    """Return when a session was, such as "1:56 pm on 8 May, 2023"."""
    return datetime.strptime(said, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC).timestamp()


def _turn_ids(cited: list[str]) -> frozenset[str]:
    """Return ids as the turns have them: "D8:6; D9:17" are two, "D:11:26" is "D11:26"."""
    parts = re.split(r"[;,\s]+", " ".join(cited).replace("D:", "D"))
    matches = {part: _TURN_ID.fullmatch(part) for part in parts if part}
    return frozenset(f"D{int(m[1])}:{int(m[2])}" if m else part for part, m in matches.items())


def load_hotpot(folder: Path) -> list[Haystack]:
    """Read the paragraphs of all questions as one haystack.

    Args:
        folder: Where `hotpot-dev.json` is.

    Returns:
        One haystack. An item's id is its title.
    """
    source = json.loads((folder / "hotpot-dev.json").read_text(encoding="utf-8"))
    paragraphs: dict[str, str] = {}
    for entry in source:
        context = entry["context"]
        for title, sentences in zip(context["title"], context["sentences"], strict=True):
            paragraphs.setdefault(title, "".join(sentences))
    questions = tuple(
        Asked(
            text=entry["question"],
            evidence=frozenset(entry["supporting_facts"]["title"]),
            group="hotpot",
        )
        for entry in source
    )
    items = tuple(Item(id=title, title=title, text=text) for title, text in paragraphs.items())
    return [Haystack(name="hotpot", tuned=True, items=items, questions=questions)]
