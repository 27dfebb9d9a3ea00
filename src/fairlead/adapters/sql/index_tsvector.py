"""PostgreSQL's full-text index: a `tsvector` for each passage, in a table of its own.

Its words are cut and stemmed by `core/text.py`, as SQLite's index does it, and not by one of the
server's configurations. Those know other stop words, keep accents, and take `docs/leave.md` for one
word; then a release that passed its gate on SQLite would answer otherwise on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
_COUNT = """
    SELECT asked.number, (
        SELECT count(*) FROM {table} WHERE words @@ asked.condition
    ) FROM unnest(CAST(:conditions AS tsquery[])) WITH ORDINALITY AS asked (condition, number)
"""
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
            {"passage": number, "words": vector_of([row["scope"]], row["title"], row["text"])}
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
        within = any_of(scopes)
        terms = {term: quoted(term) for term in question.terms if fits(term)}
        counts = counted(connection, "passages_words", within, terms)
        statistics = Statistics(passages=counts.pop(""), found_in=counts)
        found = {term: quoted for term, quoted in terms.items() if statistics.found_in[term]}
        if not found:
            return [], statistics
        values = {
            "condition": f"{within} & {any_of(found)}",
            "terms": [*found.values()],
            "weights": [statistics.weight(term) for term in found],
            "most": most,
        }
        return connection.scalars(_CANDIDATES, values).all(), statistics


def replace(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Store the words of passages anew whose text was changed.

    Args:
        connection: A writing transaction.
        numbers: The passages' numbers.
    """
    passages = schema.passages
    rows = connection.execute(sa.select(passages).where(passages.c.id.in_(numbers))).all()
    given = sa.text("DELETE FROM passages_words WHERE passage_id = ANY(:numbers)")
    connection.execute(given, {"numbers": [row.id for row in rows]})
    words = [
        {"passage": row.id, "words": vector_of([row.scope], row.title, row.text)} for row in rows
    ]
    if words:
        connection.execute(_INSERT, words)


def counted(
    connection: sa.Connection, table: str, within: str, terms: Mapping[str, str]
) -> dict[str, int]:
    """Count the rows within a condition, and those of them that hold each term.

    Args:
        connection: A reading transaction.
        table: A table with the column `words`.
        within: The condition.
        terms: Each term with its condition.

    Returns:
        The number for each term, and under the empty one that of all rows within.
    """
    conditions = [within, *(f"{within} & {one}" for one in terms.values())]
    rows = connection.execute(sa.text(_COUNT.format(table=table)), {"conditions": conditions})
    counts = {int(number): int(found) for number, found in rows}
    return {"": counts[1], **{term: counts[n] for n, term in enumerate(terms, start=2)}}


def vector_of(tags: Sequence[str], title: str, text: str) -> str:
    """Return a text's words as the server reads them: each with its places.

    Args:
        tags: Words that are kept as they are, and have no place.
        title: What counts more, as label A.
        text: The text.
    """
    in_title, in_text = tokens(title), tokens(text)
    places: dict[str, list[str]] = {}
    for place, word in enumerate([*in_title, *in_text], start=1):
        label = "A" if place <= len(in_title) else ""
        places.setdefault(stem(word), []).append(f"{place}{label}")
    words = [f"{quoted(word)}:{','.join(at)}" for word, at in places.items() if fits(word)]
    return " ".join([*map(quoted, tags), *words])


def any_of(words: Iterable[str]) -> str:
    """Return a condition that any of the words fulfils."""
    return "(" + " | ".join(map(quoted, words)) + ")"


def fits(word: str) -> bool:
    """Say whether the server can keep a word."""
    return len(word.encode()) <= _WORD_BYTES_MAX


def quoted(word: str) -> str:
    """Return a word so that nothing in it is an operator."""
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
