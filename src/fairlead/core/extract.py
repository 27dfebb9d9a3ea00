"""Answers a question with sentences that stand in its sources; writes nothing of its own.

How a sentence is judged: each term of the question has a weight, which is higher the rarer the term
is in the sources. A sentence's support is the share of that weight which it covers, by itself or,
at a discount, by the headings above it and the sentence before it. Below `min_support` there is no
answer. Among supported sentences the kind of question decides (a number for "how many"), then the
rank of the source, then the position.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from fairlead.core.grounding import Answer, Citation, Source
from fairlead.core.text import sentences, stem, terms, words

# Below 0.4, questions about things that the sources do not mention begin to get answers; above 0.6,
# questions that use other words than the sources get none.
MIN_SUPPORT = 0.5
MAX_QUESTION_CHARS = 4_000
MAX_TERMS = 64
MAX_SENTENCES = 2_000
MAX_SENTENCE_CHARS = 2_000  # a longer stretch is a page, not an answer
MAX_STEPS_CHARS = 1_000

# The share of a term's weight that is covered when the term is not in the sentence itself.
_HEADING_SHARE = 0.7
_BEFORE_SHARE = 0.4
_KIN_SHARE = 0.8
_KIN_CHARS = 5
_KIN_TAIL_MAX = 3
# How much more or less a term weighs.
_NAME_FACTOR = 1.6  # names and numbers
_LIGHT_FACTOR = 0.3
# What a support is multiplied by.
_MISSING_NUMBER_FACTOR = 0.6
_POOR_FACTOR = 0.5  # code or a table, where no command was asked for
_OPPOSITE_FACTOR = 0.5  # "below" where "above" was asked for
# What is added for the choice between supported sentences.
_CUE_BONUS = 0.15
_NAMED_BONUS = 0.2  # the question names the passage's whole title
_PAIR_BONUS = 0.2  # all neighbours in the question are neighbours in the sentence
_RANK_BONUS = 0.05
# Least share of the question that a further sentence must add.
_SECOND_GAIN_MIN = 0.15


def _table(text: str) -> dict[str, str]:
    found = words(text)
    return dict(zip(found[::2], found[1::2], strict=True))


# Words of questions that say little about what is asked. They are not stop words: in a document
# they may matter.
_LIGHT_WORDS = words("""
    actually allow allowed amount anyone anything back best big call called come command count date
    day days describe different exactly explain far find following get give go going happen happens
    help high hour hours kind know large list long look main make many mean means month months name
    need needed number often old one order part people permitted person place please possible
    provide put question require required right say see someone something sort start take takes tall
    thing things time times type use used want way week weeks work year years
""")
_LIGHT = frozenset(stem(word) for word in _LIGHT_WORDS)

# Past forms that a stemmer cannot bring together with the present.
_PRESENT = _table("""
    became/become began/begin begun/begin bought/buy broke/break broken/break brought/bring
    built/build chose/choose chosen/choose drawn/draw driven/drive fallen/fall felt/feel gave/give
    given/give gone/go went/go grew/grow grown/grow held/hold hidden/hide kept/keep knew/know
    known/know laid/lay led/lead lent/lend lost/lose made/make meant/mean met/meet paid/pay ran/run
    rose/rise risen/rise said/say seen/see sent/send shown/show sold/sell spent/spend spoke/speak
    spoken/speak stolen/steal taken/take taught/teach thought/think told/tell took/take won/win
    wore/wear worn/wear written/write wrote/write
""")
_OPPOSITES = _table("""
    above/below below/above after/before before/after first/last last/first least/most most/least
    less/more more/less maximum/minimum minimum/maximum over/under under/over with/without
    without/with
""")

Kind = Literal["prose", "heading", "code", "table", "steps"]
Cue = Literal["who", "when", "number", "command", "none"]

_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|"
    "fifty|sixty|ninety|hundred|thousand|million|dozen|half|quarter|third|none|once|twice|daily|"
    "weekly|monthly|yearly|quarterly|annually|hourly|nightly|unlimited"
)
_TIME_WORDS = (
    "january|february|march|april|june|july|august|september|october|november|december|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|day|week|month|year|hour|minute|"
    "morning|afternoon|evening|noon|midnight|night|today|tomorrow|after|before|once|until|as soon"
)
_CUES: dict[Cue, re.Pattern[str]] = {
    "who": re.compile(r"(?<=[^\s.!?] )[A-Z][\w'-]+|[^\W_]@\w"),
    "when": re.compile(rf"(?i)\d[\d.,:]*|\b(?:{_TIME_WORDS})s?\b"),
    "number": re.compile(rf"(?i)\d[\d.,:]*|\b(?:{_NUMBER_WORDS}|a (?:day|week|month|year))\b"),
    "command": re.compile(r"`[^`\n]+`|^(?:```|~~~)|^\s*\$ ", re.MULTILINE),
}
_ASKS: tuple[tuple[Cue, re.Pattern[str]], ...] = (
    ("command", re.compile(r"\b(?:commands?|command line|cli|shell|syntax|snippet|type in)\b")),
    ("number", re.compile(r"\bhow (?:many|much|long|old|often|far|large|big|high|tall)\b")),
    ("when", re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|time)\b")),
    ("who", re.compile(r"\b(?:who|whom|whose)\b")),
)
_YES_NO = frozenset(
    words("am are can could did do does had has have is may must shall should was were will would")
)
_NAME = re.compile(r"(?<=[^\s.!?:] )[\"'“]?[A-Z][\w-]*|\b\w*\d[\w-]*")
_UNDERLINE = re.compile(r"[ \t]*\n[ \t]*(?:=+|-{2,})[ \t]*(?:\n|\Z)")
_QUALIFIER = re.compile(r"\([^()]*\)")
_BULLET = re.compile(r"\n[ \t>]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_QUESTION = re.compile(r"\?[\"'”*_)]*+\Z")
_LEAD_CHARS_MAX = 40
_HASHES = re.compile(r"#{1,6}[ \t]+\Z")


@dataclass(frozen=True, kw_only=True)
class _Sentence:
    """A sentence of a source, with what is known about its surroundings."""

    rank: int  # of its source, from 0
    text: str  # verbatim
    kind: Kind
    stems: tuple[str, ...]
    own: frozenset[str]
    above: frozenset[str]  # stems of the title and the headings above
    before: frozenset[str]  # stems of the sentence before
    title: frozenset[str]  # stems of the last part of the title


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A question as terms with weights."""

    cue: Cue
    yes_no: bool
    words: frozenset[str]
    weights: dict[str, float]
    total: float
    kin: dict[str, frozenset[str]]  # words of the sources that belong to a term's family
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A sentence that could be the answer."""

    sentence: _Sentence
    support: float  # share of the question that it covers, from 0.0 to 1.0
    score: float  # for the choice between candidates


def extract(
    question: str,
    sources: Sequence[Source],
    max_sentences: int = 2,
    *,
    min_support: float = MIN_SUPPORT,
) -> Answer:
    """Answer a question with the sentences of its sources that support an answer best.

    The same input gives the same answer, always. Only the first 4,000 characters and 64 terms of
    the question and the first 2,000 sentences of the sources are looked at.

    Args:
        question: The question in words.
        sources: What was retrieved for it, best first.
        max_sentences: Most sentences in the answer; a further one is taken only when it covers
            terms of the question that are not covered yet.
        min_support: Least share, from 0.0 to 1.0, of the weight of the question's terms that the
            best sentence must cover. Higher abstains more often.

    Returns:
        The sentences with one citation each; abstained when none is supported well enough.

    Raises:
        ValueError: When `max_sentences` is below 1.
    """
    if max_sentences < 1:
        raise ValueError(f"max_sentences must be at least 1, got {max_sentences}")
    found = _sentences(sources)
    asked = _question(question, found)
    candidates = [_judge(asked, sentence) for sentence in found]
    supported = [
        each
        for each in candidates
        if each.support >= max(min_support, 1e-9) and _adds(asked, each.sentence)
    ]
    if not supported:
        return Answer(text="", abstained=True)
    # `max` keeps the first of equals, which is the earliest sentence of the best source.
    chosen = [max(supported, key=lambda each: each.score).sentence]
    while len(chosen) < max_sentences and (further := _next(asked, chosen, candidates)):
        chosen.append(further)
    return Answer(
        text=" ".join(_spoken(sentence) for sentence in chosen),
        citations=tuple(
            Citation(source=sources[sentence.rank].id, quote=sentence.text) for sentence in chosen
        ),
    )


def _sentences(sources: Sequence[Source]) -> list[_Sentence]:
    """Return the sentences that could be answers: no headings, no questions."""
    found: list[_Sentence] = []
    for rank, source in enumerate(sources):
        text = source.passage.text
        title = frozenset(_stems(source.passage.title))
        last = frozenset(_stems(_QUALIFIER.sub("", source.passage.title.split(" > ")[-1])))
        above, before = title, frozenset[str]()
        spans = sentences(text)
        for number, (start, end) in enumerate(spans):
            if len(found) == MAX_SENTENCES:
                return found
            if end - start > MAX_SENTENCE_CHARS:
                continue
            kind = _kind(text, start, end)
            if kind == "prose" and text[end - 1] == ":":
                kind, end = _with_steps(text, spans, number)
            stems = _stems(text[start:end])
            own = frozenset(stems)
            if kind == "heading":
                above, before = title | own, frozenset()
            if kind == "heading" or _QUESTION.search(text, start, end):
                continue
            found.append(
                _Sentence(
                    rank=rank,
                    text=text[start:end],
                    kind=kind,
                    stems=stems,
                    own=own,
                    above=above,
                    before=before,
                    title=last,
                )
            )
            before = own
    return found


def _kind(text: str, start: int, end: int) -> Kind:
    if text.startswith(("```", "~~~"), start):
        return "code"
    if text.startswith("|", start):
        return "table"
    lead = text[max(0, start - _LEAD_CHARS_MAX) : start].rpartition("\n")[2]
    if _HASHES.search(lead) or _UNDERLINE.match(text, end):
        return "heading"
    return "prose"


def _with_steps(text: str, spans: Sequence[tuple[int, int]], number: int) -> tuple[Kind, int]:
    """Return kind and end of a sentence together with the list or the code that it announces."""
    start, end = spans[number]
    kind: Kind = "prose"
    for left, right in spans[number + 1 :]:
        code = text.startswith(("```", "~~~"), left)
        apart = _BLANK_LINE.search(text, end, left) and not _BULLET.search(text, end, left)
        if right - start > MAX_STEPS_CHARS or (apart and not code):
            break
        kind, end = "steps", right
        if code:
            break
    return kind, end


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(_PRESENT.get(term, term)) for term in terms(text))


def _question(text: str, found: Sequence[_Sentence]) -> _Question:
    text = text[:MAX_QUESTION_CHARS]
    stems = _stems(text)
    names = frozenset(_stems(" ".join(_NAME.findall(text))))
    frequency = Counter(own for sentence in found for own in sentence.own)
    weights: dict[str, float] = {}
    for term in tuple(dict.fromkeys(stems))[:MAX_TERMS]:
        # A term that occurs nowhere may be another word for one that does, so it does not weigh
        # more than one that occurs in half a sentence.
        factor = _NAME_FACTOR if term in names else _LIGHT_FACTOR if term in _LIGHT else 1.0
        weights[term] = factor * math.log1p((len(found) + 1) / max(frequency[term], 0.5))
    vocabulary = frequency.keys() | {above for sentence in found for above in sentence.above}
    said = words(text)
    return _Question(
        cue=next((cue for cue, pattern in _ASKS if pattern.search(text.lower())), "none"),
        yes_no=not _YES_NO.isdisjoint(said[:1]),
        words=frozenset(said),
        weights=weights,
        total=sum(weights.values()),
        kin=_families(weights, vocabulary),
        pairs=frozenset(pairwise(stems)),
    )


def _families(asked: Iterable[str], vocabulary: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return for each term the other words of its family, such as `deliveri` for `deliv`."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for word in vocabulary:
        alike[word[:_KIN_CHARS]].append(word)
    return {
        term: frozenset(
            word
            for word in alike[term[:_KIN_CHARS]]
            if abs(len(word) - len(term)) <= _KIN_TAIL_MAX
            and (word.startswith(term) or term.startswith(word))
        )
        for term in asked
    }


def _adds(question: _Question, sentence: _Sentence) -> bool:
    """Say whether a sentence says more than the question; "Must they?" needs no more."""
    return question.yes_no or not sentence.own <= question.weights.keys()


def _judge(question: _Question, sentence: _Sentence) -> _Candidate:
    cue = _has_cue(question, sentence)
    support = 0.0
    for term, weight in question.weights.items():
        support += weight * max(
            _share(question, term, sentence.own),
            _HEADING_SHARE * _share(question, term, sentence.above),
            _BEFORE_SHARE * _share(question, term, sentence.before),
        )
    support /= question.total or 1.0
    if question.cue == "number" and not cue:
        support *= _MISSING_NUMBER_FACTOR
    if sentence.kind in ("code", "table") and question.cue != "command":
        support *= _POOR_FACTOR
    if _opposes(question, sentence):
        support *= _OPPOSITE_FACTOR
    score = support + _RANK_BONUS / (1 + sentence.rank) + _CUE_BONUS * cue
    if question.pairs:
        shared = question.pairs.intersection(pairwise(sentence.stems))
        score += _PAIR_BONUS * len(shared) / len(question.pairs)
    if sentence.title and sentence.title <= question.weights.keys():
        score += _NAMED_BONUS
    return _Candidate(sentence=sentence, support=support, score=score)


def _share(question: _Question, term: str, stems: frozenset[str]) -> float:
    if term in stems:
        return 1.0
    return 0.0 if stems.isdisjoint(question.kin[term]) else _KIN_SHARE


def _has_cue(question: _Question, sentence: _Sentence) -> bool:
    """Say whether a sentence holds what this kind of question asks for."""
    if question.cue == "none":
        return False
    if question.cue == "command" and sentence.kind == "code":
        return True
    for match in _CUES[question.cue].finditer(sentence.text):
        stems = _stems(match.group())
        # What the question says already is no answer to it.
        if not stems or not question.weights.keys() >= set(stems):
            return True
    return False


def _opposes(question: _Question, sentence: _Sentence) -> bool:
    opposites = question.words & _OPPOSITES.keys()
    said = frozenset(words(sentence.text)) if opposites else frozenset()
    return any(word not in said and _OPPOSITES[word] in said for word in opposites)


def _next(
    question: _Question, chosen: Sequence[_Sentence], candidates: Iterable[_Candidate]
) -> _Sentence | None:
    """Return the sentence that adds most to the chosen ones, or None."""
    missing = {
        term: weight
        for term, weight in question.weights.items()
        if not any(_share(question, term, each.own | each.above) for each in chosen)
    }
    options: list[tuple[float, _Sentence]] = []
    for each in candidates:
        own = each.sentence.own
        gain = sum(weight * _share(question, term, own) for term, weight in missing.items())
        gain /= question.total or 1.0
        known = any(each.sentence.text in sentence.text for sentence in chosen)
        if gain >= _SECOND_GAIN_MIN and each.sentence.kind == "prose" and not known:
            options.append((gain + each.score, each.sentence))
    return max(options, key=lambda option: option[0])[1] if options else None


def _spoken(sentence: _Sentence) -> str:
    """Return a sentence as it stands in an answer: line breaks of prose become spaces."""
    return sentence.text if sentence.kind in ("code", "steps") else " ".join(sentence.text.split())
