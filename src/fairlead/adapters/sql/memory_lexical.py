"""Candidates by their words, on either database's full-text index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from fairlead.adapters.sql import index_fts5, index_tsvector
from fairlead.adapters.sql.copying import copy_rows
from fairlead.adapters.sql.memory_filter import Filter
from fairlead.adapters.sql.ranking import Statistics

_FTS5_COLUMNS = "text meta"


class LexicalIndex(Protocol):
    """What each kind of index does in its own way."""

    def insert(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put new items into the index, where no trigger does."""
        ...

    def look_up(
        self, connection: sa.Connection, within: Filter, terms: Mapping[str, str], most: int
    ) -> tuple[Sequence[int], int, Mapping[str, int]]:
        """Return the likeliest items' numbers, how many items there are, and in how many a stem."""
        ...


class MemoryFts5:
    """SQLite's index; triggers keep it in step with the items."""

    def insert(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do nothing: the triggers did."""

    def look_up(
        self, connection: sa.Connection, within: Filter, terms: Mapping[str, str], most: int
    ) -> tuple[Sequence[int], int, Mapping[str, int]]:
        """Find candidates by a MATCH that holds their tags and the question's words."""
        tagged = " AND ".join(_tag(words) for words in within.tags)
        asked = {
            stemmed: index_fts5.any_of(_FTS5_COLUMNS, [word]) for stemmed, word in terms.items()
        }
        counts = index_fts5.counted(connection, "memories_fts", tagged, asked)
        items = counts.pop("")
        if not any(counts.values()):
            return [], items, counts
        match = f"{tagged} AND {index_fts5.any_of(_FTS5_COLUMNS, terms.values())}"
        statement = sa.text(
            "SELECT m.number FROM memories_fts JOIN memories m ON m.number = memories_fts.rowid "
            f"WHERE memories_fts MATCH :match AND {within.sql} "
            "ORDER BY bm25(memories_fts, 0.0, 1.0, 0.4), m.number LIMIT :most"
        )
        values = {**within.values, "match": match, "most": most}
        return connection.scalars(statement, values).all(), items, counts


def _tag(words: Sequence[str]) -> str:
    return "tags : (" + " OR ".join(f'"{word}"' for word in words) + ")"


class MemoryTsvector:
    """PostgreSQL's index, with our own words; see `index_tsvector.py`."""

    def insert(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store the words of new items."""
        words = (
            {
                "number": row["number"],
                "words": index_tsvector.vector_of(row["tags"].split(), row["meta"], row["text"]),
            }
            for row in rows
        )
        copy_rows(connection, "memories_words", ("number", "words"), words)

    def look_up(
        self, connection: sa.Connection, within: Filter, terms: Mapping[str, str], most: int
    ) -> tuple[Sequence[int], int, Mapping[str, int]]:
        """Find candidates by a condition that holds their tags and the question's words."""
        tagged = " & ".join(index_tsvector.any_of(words) for words in within.tags)
        asked = {
            stemmed: index_tsvector.quoted(stemmed)
            for stemmed in terms
            if index_tsvector.fits(stemmed)
        }
        counts = index_tsvector.counted(connection, "memories_words", tagged, asked)
        items = counts.pop("")
        found = {stemmed: asked[stemmed] for stemmed, number in counts.items() if number}
        if not found:
            return [], items, counts
        known = Statistics(passages=items, found_in=counts)
        statement = sa.text(
            "SELECT m.number FROM memories_words w JOIN memories m ON m.number = w.number "
            f"WHERE w.words @@ CAST(:condition AS tsquery) AND {within.sql} ORDER BY ("
            "SELECT sum(asked.weight * ts_rank('{0.4, 0, 0, 0.4}', w.words, asked.term, 1)) "
            "FROM unnest(CAST(:terms AS tsquery[]), CAST(:weights AS double precision[])) "
            "AS asked (term, weight)) DESC, m.number LIMIT :most"
        )
        values = {
            **within.values,
            "condition": f"{tagged} & {index_tsvector.any_of(found)}",
            "terms": [*found.values()],
            "weights": [known.weight(stemmed) for stemmed in found],
            "most": most,
        }
        return connection.scalars(statement, values).all(), items, counts
