"""SQLite's full-text index (FTS5). Triggers keep it in step with the passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.ranking import Question, Statistics

_CANDIDATES = sa.text(
    "SELECT rowid FROM passages_fts WHERE passages_fts MATCH :match "
    "ORDER BY bm25(passages_fts, 0.0, 2.0, 1.0), rowid LIMIT :most"
)


class Fts5Index:
    """Finds passages by a MATCH that holds their scope and the question's words."""

    def insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Store passages; a trigger puts them into the index."""
        connection.execute(sa.insert(schema.passages), rows)

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
        within = "scope : (" + " OR ".join(f'"{scope}"' for scope in scopes) + ")"
        match = f"{within} AND {_any_of(question.terms.values())}"
        numbers = connection.scalars(_CANDIDATES, {"match": match, "most": most}).all()
        if not numbers:
            return [], Statistics(passages=0, found_in={})
        return numbers, _count(connection, within, question)


def _any_of(words: Iterable[str]) -> str:
    """Return the part of a MATCH that finds any of the words; in quotes they are no operators."""
    return "({title text} : (" + " OR ".join(f'"{word}"' for word in words) + "))"


def _count(connection: sa.Connection, within: str, question: Question) -> Statistics:
    """Count the passages of the scope, and those that hold each term of the question."""
    matches = [within, *(f"{within} AND {_any_of([word])}" for word in question.terms.values())]
    statement = " UNION ALL ".join(
        f"SELECT {index}, count(*) FROM passages_fts WHERE passages_fts MATCH :m{index}"
        for index in range(len(matches))
    )
    parameters = {f"m{index}": match for index, match in enumerate(matches)}
    rows = connection.execute(sa.text(statement), parameters)
    counts = {int(index): int(number) for index, number in rows}
    found_in = {stemmed: counts[index] for index, stemmed in enumerate(question.terms, start=1)}
    return Statistics(passages=counts[0], found_in=found_in)
