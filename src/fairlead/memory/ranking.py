"""The order of remembered items that may answer a question: pure, and the same on every store.

The index proposes candidates; this module looks at them more closely. Each is measured
(`memory.features`), and a linear model turns what was found into the log-odds that the item holds
the answer. The best k items one by one are often not the best k together, so they are chosen one
after another:

- what earlier choices have already said about the question counts less each time;
- an item whose title an earlier choice mentions by name counts more, for the second half of a
  question is often about something that only the first half's answer names.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.memory.features import TEXT_CHARS_MAX, Measured, measure
from fairlead.memory.question import read_question
from fairlead.ports.memory import Candidate, Statistics

# What a store proposes: the best by BM25 over text, title, actor and date; the best by cosine; and
# what stands up to NEIGHBOURS places before and after the first CANDIDATES_EXPANDED of each in its
# thread, nearest first. Twice as many of each found no more of the evidence.
CANDIDATES_WORDS = 80
CANDIDATES_SIMILAR = 40
CANDIDATES_EXPANDED = 20
NEIGHBOURS = 2
CANDIDATES_MAX = 200


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A linear model: the log-odds are `base` and the sum of weight times feature.

    The weights stand under the part of the score that they are shown as.
    """

    base: float
    weights: Mapping[str, Mapping[str, float]]


# Learned on conversations 26, 30 and 41 of LoCoMo (categories 1 to 4, evidence as corrected by a
# published audit, vectors of all-MiniLM-L6-v2): a softmax over each question's candidates with an
# L2 penalty of 0.02, then scaled to probabilities. Only the weight of `written`, which moves all
# documents by the same, is from 60 questions of HotpotQA. Features were chosen by leaving out one
# conversation at a time. Conversations 42 and 43 were never looked at for any choice.
_BY_WORDS = _Model(
    base=-8.82,
    weights={
        "words": {
            "words": 1.77,
        },
        "context": {
            "words_before": 0.95,
            "words_2": 0.84,
            "held_nearby": 2.01,
            "held_in_stretch": 2.09,
        },
        "actor": {
            "actor": 1.04,
            "actor_other": -1.05,
            "actor_first_person": 0.43,
        },
        "form": {
            "written": 4.09,
            "asks": -0.44,
            "asked_before": 0.43,
            "length": 0.82,
            "time_asked": 1.36,
        },
        "time": {
            "month": 1.32,
            "day": 2.87,
        },
    },
)
_BY_WORDS_AND_SIMILARITY = _Model(
    base=-12.29,
    weights={
        "words": {
            "words": 0.91,
        },
        "context": {
            "words_before": 0.69,
            "words_2": 0.46,
            "held_nearby": 1.73,
            "held_in_stretch": 1.95,
        },
        "actor": {
            "actor": 0.99,
            "actor_other": -1.01,
            "actor_first_person": 0.36,
        },
        "form": {
            "written": 6.52,
            "asks": -0.38,
            "asked_before": 0.25,
            "length": 2.63,
            "time_asked": 1.52,
        },
        "time": {
            "month": 1.5,
            "day": 3.12,
        },
        "similarity": {
            "similarity": 2.92,
            "similarity_before": 0.93,
            "similarity_after": 0.53,
            "similarity_2": 0.6,
            "similarity_best": 1.73,
        },
    },
)

# The next three were chosen on the same conversations and on HotpotQA.
# What all words of the question are worth, in log-odds, for an item to be the first that has them;
# and what is left of that with each earlier choice that has them.
_REPEATED = 1.0
_REPEAT = 0.7
# What an item gains when an earlier choice names its title, times the words of that choice.
_NAMED = 2.0
_NAME_CHARS_MAX = 200

# Below these scores nothing is near: what somebody said, and what stands written, for their scores
# begin at different heights. Of 850 questions of LoCoMo and HotpotQA no evidence in the first ten
# scored less; of ten turns of a conversation that a question is not about, 3 to 5 are left, and of
# a few facts none.
NEAR_SAID = 0.0007
NEAR_WRITTEN = 0.01

_QUALIFIER = re.compile(r"\s*\([^()]*\)\s*\Z")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate with what speaks for it.

    Attributes:
        candidate: The item.
        score: Estimated probability that it holds a part of the answer, 0 to 1.
        parts: What the score is made of, in log-odds: their sum, through the logistic function,
            is the score. `together` is listed beside them where other choices moved the item; it
            counts for the order and not for the score.
    """

    candidate: Candidate
    score: float
    parts: Mapping[str, float]


@dataclass(kw_only=True, eq=False)
class _Choice:
    measured: Measured
    parts: dict[str, float]
    odds: float
    title: str
    bonus: float = 0.0

    def together(self, said: Mapping[str, int]) -> float:
        """Return what the earlier choices add or take, in log-odds."""
        lost = sum(gain * (1 - _REPEAT ** said[key]) for key, gain in self.measured.gains.items())
        return self.bonus - _REPEATED * lost


def rank(
    question: str,
    candidates: Sequence[Candidate],
    statistics: Statistics,
    *,
    top_k: int,
    min_score: float = 0.0,
    only_near: bool = False,
) -> list[Scored]:
    """Choose the items that together answer a question best.

    Args:
        question: What is asked, in words; anything is allowed.
        candidates: The items, in any order; of several with one id, one is looked at.
        statistics: How common the question's words are (see `asked_stems`).
        top_k: Most items to return.
        min_score: Least score of an item, 0 to 1.
        only_near: Leave out what is not near at all, by `NEAR_SAID` and `NEAR_WRITTEN`.

    Returns:
        The items, best first.
    """
    # Sorted, so that the result does not depend on the order in which the store found them.
    unique = {one.id: one for one in sorted(candidates, key=_identity)}
    measured = measure(read_question(question), tuple(unique.values()), statistics)
    left = [one for one in map(_weigh, measured) if _score(one.odds) >= min_score]
    if only_near:
        left = [one for one in left if _score(one.odds) >= _near(one)]
    said: Counter[str] = Counter()
    chosen: list[Scored] = []
    while left and len(chosen) < top_k:
        best = max(left, key=lambda one: one.odds + one.together(said))  # the first of equals
        left.remove(best)
        together = best.together(said)
        parts = best.parts | ({"together": together} if together else {})
        chosen.append(
            Scored(candidate=best.measured.candidate, score=_score(best.odds), parts=parts)
        )
        said.update(best.measured.gains.keys())
        text = best.measured.candidate.text[:TEXT_CHARS_MAX]
        for other in left:
            if _names(text, other.title):
                other.bonus = max(other.bonus, _NAMED * best.measured.features["words"])
    return chosen


def _weigh(measured: Measured) -> _Choice:
    features = measured.features
    model = _BY_WORDS_AND_SIMILARITY if "similarity" in features else _BY_WORDS
    parts = {"base": model.base}
    for part, weights in model.weights.items():
        parts[part] = sum(weight * features[name] for name, weight in weights.items())
    title = measured.candidate.title[:_NAME_CHARS_MAX]
    return _Choice(
        measured=measured,
        parts=parts,
        odds=sum(parts.values()),
        title=_QUALIFIER.sub("", title),
    )


def _near(one: _Choice) -> float:
    return NEAR_SAID if one.measured.candidate.actor else NEAR_WRITTEN


def _identity(one: Candidate) -> tuple[str | int, ...]:
    when_and_near = (str(one.at), str(one.similarity))
    return (one.id, one.text, one.actor, one.thread, one.place, one.title, *when_and_near)


def _score(odds: float) -> float:
    """Return the probability for log-odds."""
    return 1 / (1 + math.exp(-odds))


def _names(text: str, title: str) -> bool:
    """Say whether a text names a title, in capitals as a name is written."""
    return (
        title != title.lower()
        and title in text
        and re.search(rf"\b{re.escape(title)}\b", text) is not None
    )
