"""Recall of what was remembered: is the evidence among the first ten?

Any memory can be measured: `measure` takes a function that makes one for each haystack. Run as a
program, it measures the ranking of `fairlead.memory` over an index in memory, without vectors.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import mul
from typing import Protocol

from benchmarks.memory_data import (
    Asked,
    Haystack,
    Item,
    data_folder,
    load_hotpot,
    load_locomo,
)
from fairlead.core.text import stem, words
from fairlead.memory.question import asked_stems
from fairlead.memory.ranking import (
    CANDIDATES_EXPANDED,
    CANDIDATES_MAX,
    CANDIDATES_SIMILAR,
    CANDIDATES_WORDS,
    NEIGHBOURS,
    rank,
)
from fairlead.ports.memory import Candidate, Statistics

TOP_K = 10
# Recall says "nothing is near" below the score under which this share of the questions that have
# an answer lies, among those that choices were made on.
FALSE_ABSTENTIONS = 0.05
ADVERSARIAL = "category-5"
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class Memory(Protocol):
    """What is measured."""

    def remember(self, items: Sequence[Item]) -> None:
        """Remember the items of one haystack."""

    def recall(self, question: str, k: int) -> Sequence[tuple[str, float]]:
        """Return the ids of the best k items, best first, each with its score from 0 to 1."""


class InMemory:
    """The ranking over an index in memory: it proposes candidates as a store does.

    Args:
        embed: Returns a vector of length 1 for each text; None for words alone.
    """

    def __init__(self, embed: Embed | None = None) -> None:
        self._embed = embed
        self._items: list[Item] = []
        self._postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        self._held: Counter[str] = Counter()
        self._places: dict[tuple[str, int], int] = {}
        self._vectors: Sequence[Sequence[float]] = []

    def remember(self, items: Sequence[Item]) -> None:
        """Index the items of one haystack."""
        self._items = list(items)
        for index, item in enumerate(items):
            told = [stem(word) for word in words(f"{item.title} {item.text}")]
            self._held.update(set(told))
            counts = Counter([*told, *map(stem, words(f"{item.actor} {_date_words(item.at)}"))])
            self._lengths.append(len(told))
            if item.thread:
                self._places[item.thread, item.place] = index
            for stemmed, count in counts.items():
                self._postings[stemmed].append((index, count))
        if self._embed:
            self._vectors = self._embed([embedded_text(item) for item in items])

    def recall(self, question: str, k: int) -> list[tuple[str, float]]:
        """Return the best k items."""
        candidates, statistics = self.propose(question)
        return [
            (hit.candidate.id, hit.score) for hit in rank(question, candidates, statistics, top_k=k)
        ]

    def propose(self, question: str) -> tuple[list[Candidate], Statistics]:
        """Return the candidates for a question, and the statistics of its words."""
        stems = asked_stems(question)
        statistics = Statistics(
            items=len(self._items),
            found_in={stemmed: self._held[stemmed] for stemmed in stems},
            mean_words=sum(self._lengths) / max(1, len(self._lengths)),
        )
        by_words = self._by_words(stems, statistics.mean_words)
        similar = self._similarities(question)
        by_similarity = sorted(similar, key=lambda i: -similar[i])[:CANDIDATES_SIMILAR]
        chosen = dict.fromkeys([*by_words, *by_similarity])
        best = [*by_words[:CANDIDATES_EXPANDED], *by_similarity[:CANDIDATES_EXPANDED]]
        for distance in range(1, NEIGHBOURS + 1):
            for index in best:
                item = self._items[index]
                for place in (item.place - distance, item.place + distance):
                    neighbour = self._places.get((item.thread, place))
                    if neighbour is not None:
                        chosen[neighbour] = None
        kept = list(chosen)[:CANDIDATES_MAX]
        return [self._candidate(index, similar.get(index)) for index in kept], statistics

    def _by_words(self, stems: Iterable[str], mean: float) -> list[int]:
        scores: defaultdict[int, float] = defaultdict(float)
        for stemmed in stems:
            found = self._postings.get(stemmed, [])
            weight = math.log(1 + (len(self._items) - len(found) + 0.5) / (len(found) + 0.5))
            for index, count in found:
                length = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * self._lengths[index] / mean
                scores[index] += weight * count * (_SATURATION + 1) / (count + _SATURATION * length)
        return sorted(scores, key=lambda index: (-scores[index], index))[:CANDIDATES_WORDS]

    def _similarities(self, question: str) -> dict[int, float]:
        if not self._embed:
            return {}
        asked = self._embed([question])[0]
        return {index: sum(map(mul, asked, vector)) for index, vector in enumerate(self._vectors)}

    def _candidate(self, index: int, similarity: float | None) -> Candidate:
        item = self._items[index]
        return Candidate(
            id=item.id,
            text=item.text,
            actor=item.actor,
            at=item.at,
            thread=item.thread,
            place=item.place,
            title=item.title,
            similarity=similarity,
        )


def embedded_text(item: Item) -> str:
    """Return what an item's vector is made of: who said it, or the title, and the text."""
    lead = item.actor or item.title
    return f"{lead}: {item.text}" if lead else item.text


def _date_words(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%A %d %B %Y") if at is not None else ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one question came to.

    Attributes:
        haystack: Name of the haystack.
        tuned: Whether choices were made by looking at it.
        group: `category-1` to `category-5` or `hotpot`.
        r5: Share of the evidence among the first 5.
        r10: Share of the evidence among the first 10.
        ndcg10: Normalised discounted cumulative gain of the first 10.
        best: The first item's score; 0 when nothing was recalled.
    """

    haystack: str
    tuned: bool
    group: str
    r5: float
    r10: float
    ndcg10: float
    best: float


def measure(haystacks: Iterable[Haystack], make: Callable[[], Memory]) -> list[Result]:
    """Ask every question of a memory that holds the question's haystack and nothing else.

    Args:
        haystacks: What is remembered and asked.
        make: Returns an empty memory.

    Returns:
        One result for each question.
    """
    results: list[Result] = []
    for haystack in haystacks:
        memory = make()
        memory.remember(haystack.items)
        for asked in haystack.questions:
            hits = memory.recall(asked.text, TOP_K)
            results.append(_judge(haystack, asked, hits))
    return results


def _judge(haystack: Haystack, asked: Asked, hits: Sequence[tuple[str, float]]) -> Result:
    ids = [found for found, _ in hits]
    wanted = len(asked.evidence)
    gain = sum(1 / math.log2(n + 1) for n, found in enumerate(ids, 1) if found in asked.evidence)
    ideal = sum(1 / math.log2(n + 1) for n in range(1, min(wanted, TOP_K) + 1))
    return Result(
        haystack=haystack.name,
        tuned=haystack.tuned,
        group=asked.group,
        r5=len(asked.evidence & set(ids[:5])) / wanted,
        r10=len(asked.evidence & set(ids)) / wanted,
        ndcg10=gain / ideal,
        best=hits[0][1] if hits else 0.0,
    )


def figures(results: Sequence[Result]) -> dict[str, float]:
    """Summarise results.

    Args:
        results: What `measure` returned.

    Returns:
        `locomo_*` is the mean over the questions of categories 1 to 4, of all conversations, of
        those that choices were made on (`_tuned`) and of the others (`_untuned`), then by category
        and by conversation; `hotpot_*` the same of HotpotQA. `abstained_*` is the share of category
        5, whose questions have no answer, for which recall says that nothing is near.
    """
    locomo = [one for one in results if one.group not in (ADVERSARIAL, "hotpot")]
    groups = {
        "locomo": locomo,
        "locomo_tuned": [one for one in locomo if one.tuned],
        "locomo_untuned": [one for one in locomo if not one.tuned],
        "hotpot": [one for one in results if one.group == "hotpot"],
    }
    for one in locomo:
        groups.setdefault(f"{one.haystack}", []).append(one)
        side = "tuned" if one.tuned else "untuned"
        groups.setdefault(f"{one.group}_{side}", []).append(one)
    found: dict[str, float] = {}
    for name, members in groups.items():
        if members:
            found[f"{name}_r5"] = _mean([one.r5 for one in members])
            found[f"{name}_r10"] = _mean([one.r10 for one in members])
            found[f"{name}_ndcg10"] = _mean([one.ndcg10 for one in members])
    return found | _abstention(results, groups["locomo_tuned"] or locomo)


def _abstention(results: Sequence[Result], answerable: Sequence[Result]) -> dict[str, float]:
    if not answerable:
        return {}
    scores = sorted(one.best for one in answerable)
    near = scores[int(FALSE_ABSTENTIONS * len(scores))]
    found = {"abstention_score": round(near, 4)}
    for name, tuned in (("tuned", True), ("untuned", False)):
        for group, wrong in (("abstained", True), ("abstained_wrongly", False)):
            members = [
                float(one.best < near)
                for one in results
                if one.tuned is tuned and (one.group == ADVERSARIAL) is wrong
                if one.group != "hotpot"
            ]
            if members:
                found[f"{group}_{name}"] = _mean(members)
    return found


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)


def main() -> None:
    """Measure the ranking without vectors and print the figures; the last line is JSON."""
    folder = data_folder()
    try:
        haystacks = [*load_locomo(folder), *load_hotpot(folder)]
    except FileNotFoundError as error:
        sys.exit(f"there is no {error.filename}: set FAIRLEAD_BENCH_DATA to the folder with it")
    sizes = {
        "questions": sum(len(haystack.questions) for haystack in haystacks),
        "evidence_left_out": sum(haystack.left_out for haystack in haystacks),
    }
    print(json.dumps(sizes | figures(measure(haystacks, InMemory))))


if __name__ == "__main__":
    main()
