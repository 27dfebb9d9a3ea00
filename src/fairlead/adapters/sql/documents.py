"""Documents and passages on SQLite, found through a full-text index (FTS5).

Tenant and collection are one word of the index, the scope, and stand in the same MATCH as the
question's words. So the index never meets, and never ranks, a row that the asker may not see.
How common a word is, is counted within the scope as well: what another tenant keeps does not
change a score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.ranking import Question, Statistics, rank, read_question
from fairlead.core.grounding import Passage
from fairlead.ports.documents import Document, Hit, Query

# The index holds no text of its own: it reads the columns of `passages`, and triggers keep it in
# step with that table, so no writer can forget it.
FTS_DDL: tuple[str, ...] = (
    """
    CREATE VIRTUAL TABLE passages_fts USING fts5(
        scope, title, text,
        content = 'passages', content_rowid = 'id',
        tokenize = 'porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER passages_fts_insert AFTER INSERT ON passages BEGIN
        INSERT INTO passages_fts (rowid, scope, title, text)
        VALUES (new.id, new.scope, new.title, new.text);
    END
    """,
    """
    CREATE TRIGGER passages_fts_delete AFTER DELETE ON passages BEGIN
        INSERT INTO passages_fts (passages_fts, rowid, scope, title, text)
        VALUES ('delete', old.id, old.scope, old.title, old.text);
    END
    """,
    """
    CREATE TRIGGER passages_fts_update AFTER UPDATE ON passages BEGIN
        INSERT INTO passages_fts (passages_fts, rowid, scope, title, text)
        VALUES ('delete', old.id, old.scope, old.title, old.text);
        INSERT INTO passages_fts (rowid, scope, title, text)
        VALUES (new.id, new.scope, new.title, new.text);
    END
    """,
)
# Undoes FTS_DDL; the triggers go with their table or before it.
FTS_DROP_DDL: tuple[str, ...] = (
    "DROP TRIGGER IF EXISTS passages_fts_update",
    "DROP TRIGGER IF EXISTS passages_fts_delete",
    "DROP TRIGGER IF EXISTS passages_fts_insert",
    "DROP TABLE IF EXISTS passages_fts",
)

# A question's further words are not looked up.
TERMS_MAX = 64
# Matches that are looked at closely, for each hit that is asked for, and at least.
_CANDIDATES_PER_HIT = 4
_CANDIDATES_MIN = 48

_CANDIDATES = sa.text(
    "SELECT rowid FROM passages_fts WHERE passages_fts MATCH :match "
    "ORDER BY bm25(passages_fts, 0.0, 2.0, 1.0), rowid LIMIT :most"
)


class SqlDocumentStore:
    """Keeps documents in SQLite and finds passages by their words."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(
        self, tenant: str, collection: str, documents: Iterable[Document]
    ) -> tuple[int, int, int]:
        """Make the collection hold exactly these documents, in one transaction.

        Args:
            tenant: Whose documents they are.
            collection: The collection's name.
            documents: All of its documents; each path once. They are read to the end before
                the transaction begins, so that slow files do not hold up other writers.

        Returns:
            How many documents were written, unchanged and removed.

        Raises:
            ValueError: Two documents have the same path; nothing was changed.
        """
        wanted: dict[str, Document] = {}
        for document in documents:
            if document.path in wanted:
                raise ValueError(f"two documents with the path {document.path!r}")
            wanted[document.path] = document
        with self._database.transaction() as connection:
            stored = _stored(connection, tenant, collection)
            unchanged = {
                path
                for path, (_, shape) in stored.items()
                if path in wanted and shape == _shape(wanted[path])
            }
            _delete(connection, [row for path, (row, _) in stored.items() if path not in unchanged])
            fresh = sorted(wanted.keys() - unchanged)
            for path in fresh:
                _insert(connection, (tenant, collection), wanted[path])
        return len(fresh), len(unchanged), len(stored.keys() - wanted.keys())

    def search(self, query: Query) -> Sequence[Hit]:
        """Return the best passages for a query, best first; the filter is applied before ranking.

        Args:
            query: The question, and where the asker may look.

        Returns:
            At most `query.top_k` hits, chosen to answer the question together. A hit's score is
            the share of the question's terms, by weight, that the passage or its title holds;
            the order also counts how often and where they stand, so scores need not descend.
            Nothing is found for a question of stop words only.
        """
        question = read_question(query.text, TERMS_MAX)
        if not question.terms or not query.collections or query.top_k < 1:
            return []
        scopes = " OR ".join(
            f'"{_scope(query.tenant, name)}"' for name in sorted(set(query.collections))
        )
        within = f"scope : ({scopes})"
        most = max(_CANDIDATES_MIN, _CANDIDATES_PER_HIT * query.top_k)
        with self._database.reading() as connection:
            numbers = connection.scalars(
                _CANDIDATES,
                {"match": f"{within} AND {_any_of(question.terms.values())}", "most": most},
            ).all()
            if not numbers:
                return []
            passages = _passages(connection, query, numbers)
            statistics = _count(connection, within, question)
        return rank(question, passages, statistics, (query.top_k, query.min_score))

    def collections(self, tenant: str) -> dict[str, int]:
        """Return each collection of a tenant with its number of documents."""
        table = schema.documents
        counted = (
            sa.select(table.c.collection, sa.func.count())
            .where(table.c.tenant == tenant)
            .group_by(table.c.collection)
            .order_by(table.c.collection)
        )
        with self._database.reading() as connection:
            return {str(name): int(number) for name, number in connection.execute(counted)}


# What a stored document is compared by: digest, title, and its passages' places and titles. An
# unchanged text is cut again when a newer Fairlead cuts it otherwise.
_Shape = tuple[str, str, tuple[tuple[int, int, str], ...]]


def _scope(tenant: str, collection: str) -> str:
    """Return a tenant's collection as one word: a digest, since names may hold anything.

    It ends in a digit, because the index would cut an English ending off a word.
    """
    name = json.dumps([tenant, collection]).encode()
    return f"s{hashlib.sha256(name).hexdigest()[:32]}0"


def _any_of(words: Iterable[str]) -> str:
    """Return the part of a MATCH that finds any of the words; in quotes they are no operators."""
    return "({title text} : (" + " OR ".join(f'"{word}"' for word in words) + "))"


def _passages(connection: sa.Connection, query: Query, numbers: Sequence[int]) -> list[Passage]:
    """Read passages by their row numbers; the scope is checked once more, on the documents."""
    documents, passages = schema.documents, schema.passages
    selected = (
        sa.select(
            documents.c.tenant,
            documents.c.collection,
            documents.c.path,
            passages.c.title,
            passages.c.start,
            passages.c.end,
            passages.c.text,
        )
        .join_from(passages, documents, passages.c.document_id == documents.c.id)
        .where(passages.c.id.in_(numbers))
    )
    # The check stands here and not in the statement, where SQLite would take it as an invitation
    # to walk through the whole collection.
    return [
        Passage(collection=name, document=path, title=title, start=start, end=end, text=text)
        for tenant, name, path, title, start, end, text in connection.execute(selected)
        if tenant == query.tenant and name in query.collections
    ]


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


def _stored(
    connection: sa.Connection, tenant: str, collection: str
) -> dict[str, tuple[int, _Shape]]:
    """Return row number and shape of each stored document by its path."""
    documents, passages = schema.documents, schema.passages
    inside = (documents.c.tenant == tenant) & (documents.c.collection == collection)
    places: dict[int, list[tuple[int, int, str]]] = {}
    for row, start, end, title in connection.execute(
        sa.select(passages.c.document_id, passages.c.start, passages.c.end, passages.c.title)
        .join_from(passages, documents, passages.c.document_id == documents.c.id)
        .where(inside)
        .order_by(passages.c.document_id, passages.c.start)
    ):
        places.setdefault(row, []).append((start, end, title))
    return {
        path: (row, (digest, title, tuple(places.get(row, ()))))
        for row, path, digest, title in connection.execute(
            sa.select(
                documents.c.id, documents.c.path, documents.c.digest, documents.c.title
            ).where(inside)
        )
    }


def _shape(document: Document) -> _Shape:
    places = ((one.start, one.end, one.title) for one in document.passages)
    return document.digest, document.title, tuple(places)


def _delete(connection: sa.Connection, rows: Sequence[int]) -> None:
    documents, passages = schema.documents, schema.passages
    keys = [{"row": row} for row in rows]
    if keys:
        row: sa.BindParameter[int] = sa.bindparam("row")
        connection.execute(sa.delete(passages).where(passages.c.document_id == row), keys)
        connection.execute(sa.delete(documents).where(documents.c.id == row), keys)


def _insert(connection: sa.Connection, owner: tuple[str, str], document: Document) -> None:
    tenant, collection = owner
    inserted = connection.execute(
        sa.insert(schema.documents).values(
            tenant=tenant,
            collection=collection,
            path=document.path,
            title=document.title,
            digest=document.digest,
            text=document.text,
        )
    )
    key = inserted.inserted_primary_key
    assert key is not None, "an insert returns its key"
    rows = [
        {
            "document_id": key[0],
            "scope": _scope(tenant, collection),
            "title": one.title,
            "start": one.start,
            "end": one.end,
            "text": one.text,
        }
        for one in document.passages
    ]
    if rows:
        connection.execute(sa.insert(schema.passages), rows)
