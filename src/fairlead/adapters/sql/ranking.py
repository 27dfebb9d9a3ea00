"""The order of the passages that match a question: pure, and the same on every database.

The index proposes candidates; this module looks at them more closely. The best k passages one by
one are often not the best k together: five passages that repeat one half of a question leave the
other half without a source. So the passages are chosen one after another, and

- what earlier choices have already said about the question counts less each time;
- a passage whose title an earlier choice mentions by name counts more, for the second half of a
  question is often about something that only the first half's answer names.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from fairlead.core.grounding import Passage
from fairlead.core.text import stem, terms, tokens
from fairlead.ports.documents import Hit

# BM25's two usual constants, and how often a word of the title counts.
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_TITLE_WEIGHT = 2.0
# What a word is worth once an earlier choice has it; once more for each further one.
_REPEAT = 0.7
# A title that an earlier choice names, as a share of that choice's own relevance.
_NAMED_IN_CHOSEN = 0.3

_QUALIFIER = re.compile(r"\s*\([^()]*\)\s*\Z")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question as the index sees it.

    Attributes:
        terms: Each term's stem, in order, and the first word that has it. The index is asked
            for the word, because the stem of a stem may be another one.
    """

    terms: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """How common a question's words are in the passages that the asker may see.

    Attributes:
        passages: Number of passages.
        found_in: For each stem the number of passages that hold it.
    """

    passages: int
    found_in: Mapping[str, int]

    def weight(self, stemmed: str) -> float:
        """Return the inverse document frequency: more than 0, and more for rarer words."""
        found = self.found_in.get(stemmed, 0)
        return math.log(1 + (self.passages - found + 0.5) / (found + 0.5))


@dataclass(kw_only=True)
class _Candidate:
    passage: Passage
    score: float
    gains: dict[str, float]
    names: tuple[str, ...]
    bonus: float = 0.0
    relevance: float = field(init=False)

    def __post_init__(self) -> None:
        self.relevance = sum(self.gains.values())

    def value(self, said: Mapping[str, int]) -> float:
        """Return what the candidate adds to the words that earlier choices have said."""
        return self.bonus + sum(gain * _REPEAT ** said[key] for key, gain in self.gains.items())


def read_question(text: str, terms_max: int) -> Question:
    """Reduce a question to what the index can look up.

    Args:
        text: The question in words; anything is allowed.
        terms_max: How many different terms are kept, from the start.

    Returns:
        The question; without terms when it holds nothing but stop words or signs.
    """
    found: dict[str, str] = {}
    for term in terms(text):
        if len(found) == terms_max:
            break
        found.setdefault(stem(term), term)
    return Question(terms=found)


def rank(
    question: Question,
    passages: Sequence[Passage],
    statistics: Statistics,
    query: tuple[int, float],
) -> list[Hit]:
    """Choose the passages that together answer a question best.

    Args:
        question: What is asked.
        passages: The candidates, in any order.
        statistics: How common the question's words are.
        query: Most hits to return, and the least score of a hit.

    Returns:
        The hits, best first. A hit's score is the share of the question's terms, by weight, that
        its title or text holds: sum(idf of those held) / sum(idf of all).
    """
    top_k, min_score = query
    found = [one for one in _candidates(question, passages, statistics) if one.score >= min_score]
    found.sort(key=lambda one: (one.passage.collection, one.passage.document, one.passage.start))
    said: Counter[str] = Counter()
    hits: list[Hit] = []
    while found and len(hits) < top_k:
        best = max(found, key=lambda one: one.value(said))  # the first of equals
        found.remove(best)
        said.update(best.gains.keys())
        for other in found:
            if other.passage.document != best.passage.document and _names(best, other):
                other.bonus = max(other.bonus, _NAMED_IN_CHOSEN * best.relevance)
        hits.append(Hit(passage=best.passage, score=best.score))
    return hits


def _candidates(
    question: Question, passages: Sequence[Passage], statistics: Statistics
) -> list[_Candidate]:
    weights = {stemmed: statistics.weight(stemmed) for stemmed in question.terms}
    everything = sum(weights.values())
    texts = [tokens(passage.text) for passage in passages]
    titles = [tokens(passage.title) for passage in passages]
    asked = _asked(set().union(*texts, *titles), weights)
    mean = max(1.0, sum(map(len, texts)) / max(1, len(texts)))
    found: list[_Candidate] = []
    for passage, text, title in zip(passages, texts, titles, strict=True):
        norm = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(text) / mean)
        in_text = Counter(asked[word] for word in text if word in asked)
        in_title = Counter(asked[word] for word in title if word in asked)
        gains: dict[str, float] = {}
        for stemmed, weight in weights.items():
            times = in_text[stemmed] + _TITLE_WEIGHT * in_title[stemmed]
            if times:
                gains[stemmed] = weight * times * (_SATURATION + 1) / (times + norm)
        if not gains:
            continue
        held = sum(weights[stemmed] for stemmed in gains)
        found.append(
            _Candidate(
                passage=passage, score=held / everything, gains=gains, names=_titles(passage.title)
            )
        )
    return found


def _asked(vocabulary: Set[str], weights: Mapping[str, float]) -> dict[str, str]:
    """Return those words that the question asks for, in any form, with their stems."""
    # A stem begins as its word does; most words are told apart by that, and need no stemming.
    initials = {stemmed[0] for stemmed in weights}
    stems = ((word, stem(word)) for word in vocabulary if word[0] in initials)
    return {word: stemmed for word, stemmed in stems if stemmed in weights}


def _titles(trail: str) -> tuple[str, ...]:
    """Return the document's title and the last heading, without a qualifier in parentheses."""
    parts = trail.split(" > ")
    return tuple(dict.fromkeys(_QUALIFIER.sub("", part) for part in (parts[0], parts[-1])))


def _names(chosen: _Candidate, other: _Candidate) -> bool:
    """Say whether a passage names another's title, in capitals as a name is written."""
    text = chosen.passage.text
    return any(
        name in text and name != name.lower() and re.search(rf"\b{re.escape(name)}\b", text)
        for name in other.names
    )
