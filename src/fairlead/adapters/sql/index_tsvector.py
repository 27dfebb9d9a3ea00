"""PostgreSQL's full-text index: a `tsvector` for each passage, in a table of its own.

Its words are cut and stemmed by `core/text.py`, as SQLite's index does it, and not by one of the
server's configurations. Those know other stop words, keep accents, and take `docs/leave.md` for one
word; then a release that passed its gate on SQLite would answer otherwise on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.ranking import Question, Statistics
from fairlead.core.text import stem, tokens

# The server takes 2,046 bytes; a longer word is nobody's question.
_WORD_BYTES_MAX = 1000

_INSERT = sa.text(
    "INSERT INTO passages_words (passage_id, words) VALUES (:passage, CAST(:words AS tsvector))"
)
_COUNT = sa.text(
    """
    SELECT asked.number, (
        SELECT count(*) FROM passages_words WHERE words @@ asked.condition
    ) FROM unnest(CAST(:conditions AS tsquery[])) WITH ORDINALITY AS asked (condition, number)
    """
)
# A rarer word counts more, a word of the title (label A) twice, and a long passage less. All of it
# stands behind the condition, which holds the scope.
_CANDIDATES = sa.text(
    """
    SELECT passage_id FROM passages_words WHERE words @@ CAST(:condition AS tsquery)
    ORDER BY (
        SELECT sum(asked.weight * ts_rank('{0.5, 0, 0, 1}', words, asked.term, 1))
        FROM unnest(CAST(:terms AS tsquery[]), CAST(:weights AS double precision[]))
            AS asked (term, weight)
    ) DESC, passage_id LIMIT :most
    """
)


class TsvectorIndex:
    """Finds passages by a condition that holds their scope and the question's words."""

    def insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Store passages with their words."""
        inserted = connection.scalars(
            sa.insert(schema.passages).returning(
                schema.passages.c.id, sort_by_parameter_order=True
            ),
            rows,
        ).all()
        words = [
            {"passage": number, "words": _vector(row["scope"], row["title"], row["text"])}
            for number, row in zip(inserted, rows, strict=True)
        ]
        connection.execute(_INSERT, words)

    def look_up(
        self, connection: sa.Connection, scopes: Sequence[str], question: Question, most: int
    ) -> tuple[Sequence[int], Statistics]:
        """Find candidates for a question.

        Args:
            connection: A reading transaction.
            scopes: Where to look; at least one.
            question: What is asked; it has at least one term.
            most: Most candidates.

        Returns:
            The passages' numbers, and how common the terms are within the scopes.
        """
        within = _any_of(scopes)
        terms = {term: _quoted(term) for term in question.terms if _fits(term)}
        statistics = _count(connection, within, terms)
        found = {term: quoted for term, quoted in terms.items() if statistics.found_in[term]}
        if not found:
            return [], statistics
        values = {
            "condition": f"{within} & {_any_of(found)}",
            "terms": [*found.values()],
            "weights": [statistics.weight(term) for term in found],
            "most": most,
        }
        return connection.scalars(_CANDIDATES, values).all(), statistics


def _count(connection: sa.Connection, within: str, terms: dict[str, str]) -> Statistics:
    """Count the passages of the scope, and those that hold each term."""
    conditions = [within, *(f"{within} & {quoted}" for quoted in terms.values())]
    rows = connection.execute(_COUNT, {"conditions": conditions})
    counts = {int(number): int(found) for number, found in rows}
    found_in = {term: counts[number] for number, term in enumerate(terms, start=2)}
    return Statistics(passages=counts[1], found_in=found_in)


def _vector(scope: str, title: str, text: str) -> str:
    """Return a passage's words as the server reads them: each with its places."""
    in_title, in_text = tokens(title), tokens(text)
    places: dict[str, list[str]] = {}
    for place, word in enumerate([*in_title, *in_text], start=1):
        label = "A" if place <= len(in_title) else ""
        places.setdefault(stem(word), []).append(f"{place}{label}")
    words = [f"{_quoted(word)}:{','.join(at)}" for word, at in places.items() if _fits(word)]
    return " ".join([_quoted(scope), *words])


def _any_of(words: Iterable[str]) -> str:
    return "(" + " | ".join(map(_quoted, words)) + ")"


def _fits(word: str) -> bool:
    return len(word.encode()) <= _WORD_BYTES_MAX


def _quoted(word: str) -> str:
    """Return a word so that nothing in it is an operator."""
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
