"""Passages, citations and answers: what an answer rests on, to the character."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A stretch of an ingested document.

    Attributes:
        collection: The collection that the document belongs to.
        document: The document's path inside its collection, with forward slashes.
        title: The document's title and the headings above the passage, joined by " > ".
        start: Offset of the first character in the document's text.
        end: Offset after the last character; `document_text[start:end] == text`.
        text: The passage, verbatim.
    """

    collection: str
    document: str
    title: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that was retrieved for a question.

    Attributes:
        id: Short name under which the model sees it, such as `s1`.
        passage: What was found.
        score: Relevance from 0.0 (nothing shared) to 1.0 (every weighty term of the question).
    """

    id: str
    passage: Passage
    score: float


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One claim's support: a verbatim quote from a source.

    Attributes:
        source: Id of the source, such as `s1`.
        quote: Text that stands in that source, character for character.
    """

    source: str
    quote: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer that cites its sources, or says that they do not support one.

    Attributes:
        text: The answer in words; empty when abstained.
        citations: At least one per answer; empty when abstained.
        abstained: True when the sources do not support an answer.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    abstained: bool = False


@dataclass(frozen=True, kw_only=True)
class GroundedSource:
    """A cited stretch of a document, located to the character.

    Attributes:
        document: Path of the document inside its collection.
        start: Offset of the quote's first character in the document's text.
        end: Offset after the quote's last character.
        text: The quote itself.
    """

    document: str
    start: int
    end: int
    text: str


def locate(citation: Citation, sources: tuple[Source, ...]) -> GroundedSource | None:
    """Find the place that a citation quotes.

    Args:
        citation: Source id and quote.
        sources: What was retrieved for the question.

    Returns:
        The place, or None when the source is not there or does not hold the quote verbatim.
    """
    for source in sources:
        if source.id != citation.source or not citation.quote:
            continue
        offset = source.passage.text.find(citation.quote)
        if offset < 0:
            return None
        start = source.passage.start + offset
        return GroundedSource(
            document=source.passage.document,
            start=start,
            end=start + len(citation.quote),
            text=citation.quote,
        )
    return None


def citations_of(output: Any) -> tuple[Citation, ...]:
    """Return an output's citations; an output without such a field has none."""
    found = (
        output.get("citations") if isinstance(output, dict) else getattr(output, "citations", ())
    )
    return tuple(item for item in found or () if isinstance(item, Citation))


def ground(output: Any, sources: tuple[Source, ...]) -> tuple[GroundedSource, ...]:
    """Locate every quote of an output that stands verbatim in a source."""
    places = (locate(citation, sources) for citation in citations_of(output))
    return tuple(place for place in places if place is not None)


_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\S)[^.!?\n]*)*")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")


def unsupported(
    text: str, citations: tuple[Citation, ...], sources: tuple[Source, ...], share: float
) -> tuple[str, ...]:
    """Return the sentences of an answer that nothing it cites bears out.

    A sentence is borne out when each of its numbers, and at least a share of its words of four
    letters and more, stand in a passage that the answer quotes verbatim.

    Args:
        text: The answer in words.
        citations: What it cites.
        sources: What was retrieved.
        share: Share of the words, from 0.0 to 1.0.
    """
    quoted = {one.source for one in citations if locate(one, sources) is not None}
    cited = " ".join(one.passage.text for one in sources if one.id in quoted).lower()
    numbers, words = set(_NUMBER.findall(cited)), set(_WORD.findall(cited))
    lone = []
    for sentence in (one.strip() for one in _SENTENCE.findall(text)):
        own = _WORD.findall(sentence.lower())
        known = sum(word in words for word in own)
        if not numbers.issuperset(_NUMBER.findall(sentence)) or known < share * len(own):
            lone.append(sentence)
    return tuple(lone)
