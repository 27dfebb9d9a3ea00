"""Placeholder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.core.text import stem, terms, tokens
from fairlead.ports.memory import Candidate, Statistics


@dataclass(frozen=True, kw_only=True)
class Scored:
    candidate: Candidate
    score: float
    parts: Mapping[str, float]


def asked_stems(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for term in terms(text)[:64]:
        found.setdefault(stem(term), term)
    return found


def rank(
    question: str,
    candidates: Sequence[Candidate],
    statistics: Statistics,
    *,
    top_k: int,
    min_score: float = 0.0,
) -> list[Scored]:
    asked = asked_stems(question)
    weights = {
        one: math.log(1 + statistics.items / (1 + statistics.found_in.get(one, 0))) for one in asked
    }
    whole = sum(weights.values()) or 1.0
    scored = []
    for one in candidates:
        held = {stem(word) for word in tokens(one.text)}
        words = sum(weight for name, weight in weights.items() if name in held) / whole
        near = max(0.0, one.similarity or 0.0)
        score = min(1.0, max(words, near))
        if score > 0 and score >= min_score:
            scored.append(Scored(candidate=one, score=score, parts={"words": words, "near": near}))
    scored.sort(key=lambda one: (-one.score, one.candidate.id))
    return scored[:top_k]
