"""What speaks for and against a remembered item as the answer to a question, in numbers.

An item is a turn of a conversation, a paragraph of a document, or a fact. A turn seldom says
everything itself: "It was wonderful" answers a question of the turn before it. So each number
looks at the item, at what stands next to it in its thread, or at the stretch of the thread that
was said on the same day. No number compares candidates with each other, so a score means the same
in a small and in a large memory.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date

from fairlead.core.text import tokens, words
from fairlead.memory.question import Question, date_of, forms_of, key_of
from fairlead.ports.memory import Candidate, Statistics

# An item is read up to here.
TEXT_CHARS_MAX = 8_000

# BM25's two usual constants, and how often a word of the title counts.
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.5
_TITLE_WEIGHT = 2
# Days after which nearness to a date that the question names has shrunk to 1/e.
_DAYS_NEAR = 4.0

# What the month after the one that the question names is worth, and the year alone.
_MONTH_AFTER = 0.3
_YEAR_ALONE = 0.5
_FIRST_PERSON_MAX = 3
_LENGTH_SCALE = 5.0
_AROUND = (-1, 1, -2, 2)
_END_CHARS = 16

_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|we|us|our|ours)\b", re.IGNORECASE)
_TIME = re.compile(
    r"\b(?:yesterday|tonight|tomorrow|ago|since|recently|(?:last|next|this) \w+|\d{4}"
    r"|(?:few|two|three|couple of) (?:day|week|month|year)s"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|january|february|march|april|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found about one candidate.

    Attributes:
        candidate: The item.
        features: Each feature by name, about 0 to 1. Those of similarity are left out where no
            candidate has one.
        gains: The question's keys that the item holds, and what each is worth by BM25, as a
            share of the whole question.
    """

    candidate: Candidate
    features: Mapping[str, float]
    gains: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """One candidate as far as the question is concerned."""

    candidate: Candidate
    said: date | None
    gains: Mapping[str, float]
    shares: Mapping[str, float]  # the question's keys with their weights, which sum to 1
    words: float
    length: int
    named: bool
    other: bool
    asks: bool


def weight_of(statistics: Statistics, key: str) -> float:
    """Return the inverse document frequency of a word: more than 0, and more for rarer ones.

    Args:
        statistics: How common the question's words are.
        key: One of the question's keys.
    """
    found = sum(statistics.found_in.get(form, 0) for form in forms_of(key))
    items = max(0, statistics.items)
    found = max(0, min(found, items))
    return math.log(1 + (items - found + 0.5) / (found + 0.5))


def measure(
    question: Question, candidates: Sequence[Candidate], statistics: Statistics
) -> list[Measured]:
    """Measure the candidates.

    Args:
        question: What is asked.
        candidates: The items, each id once. What stands next to one in its thread is looked for
            among them.
        statistics: How common the question's words are.

    Returns:
        One result for each candidate, in the candidates' order.
    """
    read = _read(question, candidates, statistics)
    places = {
        (one.candidate.thread, one.candidate.place): index
        for index, one in enumerate(read)
        if one.candidate.thread
    }
    stretches = _stretches(read)
    similar = _similarities(candidates)
    measured: list[Measured] = []
    for index, one in enumerate(read):
        thread, place = one.candidate.thread, one.candidate.place
        around = [places.get((thread, place + distance)) for distance in _AROUND]
        near = [None if other is None else read[other] for other in around]
        features = _of_words(one, near, stretches.get((thread, one.said), frozenset()))
        features |= _of_form(question, one, near[0])
        features |= _of_time(question, one.said)
        if similar:
            beside = [0.0 if other is None else similar[other] for other in around]
            features |= _of_similarity(similar[index], beside)
        measured.append(Measured(candidate=one.candidate, features=features, gains=one.gains))
    return measured


def _of_words(one: _Read, near: Sequence[_Read | None], stretch: Set[str]) -> dict[str, float]:
    before, _, before_2, after_2 = ((other.words if other else 0.0) for other in near)
    shares = one.shares
    nearby = set(one.gains).union(*(other.gains for other in near[:2] if other))
    return {
        "words": one.words,
        "words_before": before,
        "words_2": before_2 + after_2,
        "held_nearby": sum(shares.get(key, 0.0) for key in nearby),
        "held_in_stretch": sum(shares.get(key, 0.0) for key in stretch),
    }


def _of_form(question: Question, one: _Read, before: _Read | None) -> dict[str, float]:
    text = one.candidate.text[:TEXT_CHARS_MAX]
    first = min(_FIRST_PERSON_MAX, len(_FIRST_PERSON.findall(text))) if one.named else 0
    said = bool(one.candidate.actor)
    return {
        "actor": float(one.named),
        "actor_other": float(one.other),
        "actor_first_person": first / _FIRST_PERSON_MAX,
        "written": float(not said),
        "asks": float(one.asks and said),
        "asked_before": float(before is not None and before.asks),
        "length": min(1.0, math.log1p(one.length) / _LENGTH_SCALE) if said else 0.0,
        "time_asked": float(question.when and said and _TIME.search(text) is not None),
    }


def _of_time(question: Question, said: date | None) -> dict[str, float]:
    """Compare when an item was said with the dates that the question names."""
    month = day = 0.0
    if said is not None and (not question.years or said.year in question.years):
        if said.month in question.months:
            month = 1.0
        elif any((said.month - asked) % 12 == 1 for asked in question.months):
            month = _MONTH_AFTER
        elif question.years and not question.months:
            month = _YEAR_ALONE
        if question.days:
            away = min(_days_apart(said, m, d) for m in question.months for d in question.days)
            day = math.exp(-away / _DAYS_NEAR)
    return {"month": month, "day": day}


def _days_apart(said: date, month: int, day: int) -> int:
    """Return about how many days lie between two days of a year."""
    apart = abs((said.month - month) * 30 + said.day - day)
    return min(apart, 360 - apart)


def _of_similarity(own: float, beside: Sequence[float]) -> dict[str, float]:
    before, after, before_2, after_2 = beside
    return {
        "similarity": own,
        "similarity_before": before,
        "similarity_after": after,
        "similarity_2": before_2 + after_2,
        "similarity_best": max(own, before, after),
    }


def _read(
    question: Question, candidates: Sequence[Candidate], statistics: Statistics
) -> list[_Read]:
    texts = [tokens(candidate.text[:TEXT_CHARS_MAX]) for candidate in candidates]
    titles = [tokens(candidate.title[:TEXT_CHARS_MAX]) for candidate in candidates]
    names = {
        actor: frozenset(key_of(word) for word in words(actor[:TEXT_CHARS_MAX]))
        for actor in {candidate.actor for candidate in candidates}
    }
    weights = {key: weight_of(statistics, key) for key in question.keys}
    # In what was said, a name is seldom the speaker's own: names are compared with the actor.
    everyone = frozenset[str]().union(*names.values())
    spoken = _shares({key: w for key, w in weights.items() if key not in everyone})
    written = _shares(weights)
    anyone = not everyone.isdisjoint(weights)
    asked = _asked(set().union(*texts, *titles), weights.keys())
    mean = max(1.0, statistics.mean_words)
    read: list[_Read] = []
    for candidate, text, title in zip(candidates, texts, titles, strict=True):
        shares = spoken if candidate.actor else written
        times = Counter(asked[word] for word in text if word in asked)
        for word in title:
            if word in asked:
                times[asked[word]] += _TITLE_WEIGHT
        norm = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(text) / mean)
        gains = {
            key: shares[key] * count * (_SATURATION + 1) / (count + norm)
            for key, count in times.items()
            if key in shares
        }
        named = not names[candidate.actor].isdisjoint(weights)
        read.append(
            _Read(
                candidate=candidate,
                said=date_of(candidate.at),
                gains=gains,
                shares=shares,
                words=sum(gains.values()),
                length=len(text),
                named=named,
                other=anyone and bool(candidate.actor) and not named,
                asks=candidate.text[-_END_CHARS:].rstrip().endswith("?"),
            )
        )
    return read


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    everything = sum(weights.values())
    return {key: weight / everything for key, weight in weights.items()}


def _asked(vocabulary: Set[str], keys: Set[str]) -> dict[str, str]:
    """Return those words that the question asks for, in any form, with their keys."""
    # A stem begins as its word does; most words are told apart by that, and need no stemming.
    initials = {form[0] for key in keys for form in forms_of(key)}
    found = ((word, key_of(word)) for word in vocabulary if word[0] in initials)
    return {word: key for word, key in found if key in keys}


def _stretches(read: Sequence[_Read]) -> dict[tuple[str, date | None], Set[str]]:
    """Return what was said of the question in each thread on each day, where that was a talk."""
    together: defaultdict[tuple[str, date | None], list[_Read]] = defaultdict(list)
    for one in read:
        if one.candidate.thread:
            together[one.candidate.thread, one.said].append(one)
    return {
        stretch: frozenset(key for one in members for key in one.gains)
        for stretch, members in together.items()
        if len(members) > 1
    }


def _similarities(candidates: Sequence[Candidate]) -> list[float]:
    """Return all similarities; one that is missing or no number counts as the mean of the rest."""
    given = [math.nan if one.similarity is None else one.similarity for one in candidates]
    known = [max(-1.0, min(1.0, value)) for value in given if math.isfinite(value)]
    if not known:
        return []
    mean = sum(known) / len(known)
    return [max(-1.0, min(1.0, value)) if math.isfinite(value) else mean for value in given]
