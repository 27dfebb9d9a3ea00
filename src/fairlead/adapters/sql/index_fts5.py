"""SQLite's full-text index (FTS5). Triggers keep it in step with the passages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.ranking import Question, Statistics

_CANDIDATES = sa.text(
    "SELECT rowid FROM passages_fts WHERE passages_fts MATCH :match "
    "ORDER BY bm25(passages_fts, 0.0, 2.0, 1.0), rowid LIMIT :most"
)

_COLUMNS = "title text"


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
        match = f"{within} AND {any_of(_COLUMNS, question.terms.values())}"
        numbers = connection.scalars(_CANDIDATES, {"match": match, "most": most}).all()
        if not numbers:
            return [], Statistics(passages=0, found_in={})
        counts = counted(connection, "passages_fts", within, _holding(question.terms))
        return numbers, Statistics(passages=counts.pop(""), found_in=counts)


def _holding(terms: Mapping[str, str]) -> dict[str, str]:
    return {stemmed: any_of(_COLUMNS, [word]) for stemmed, word in terms.items()}


def any_of(columns: str, words: Iterable[str]) -> str:
    """Return the part of a MATCH that finds any of the words; in quotes they are no operators.

    Args:
        columns: Names of the columns that are looked at, with spaces between.
        words: The words.
    """
    return f"({{{columns}}} : (" + " OR ".join(f'"{word}"' for word in words) + "))"


def counted(
    connection: sa.Connection, table: str, within: str, terms: Mapping[str, str]
) -> dict[str, int]:
    """Count the rows within a condition, and those of them that hold each term.

    Args:
        connection: A reading transaction.
        table: A full-text table.
        within: The condition, as a part of a MATCH.
        terms: Each term with its own part of a MATCH.

    Returns:
        The number for each term, and under the empty one that of all rows within.
    """
    matches = [within, *(f"{within} AND {one}" for one in terms.values())]
    statement = " UNION ALL ".join(
        f"SELECT {index}, count(*) FROM {table} WHERE {table} MATCH :m{index}"
        for index in range(len(matches))
    )
    parameters = {f"m{index}": match for index, match in enumerate(matches)}
    rows = connection.execute(sa.text(statement), parameters)
    counts = {int(index): int(number) for index, number in rows}
    return {"": counts[0], **{term: counts[n] for n, term in enumerate(terms, start=1)}}
