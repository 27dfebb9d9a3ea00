"""Documents and passages on SQL, found through a full-text index.

Tenant and collection are one word of the index, the scope, and stand in the same condition as the
question's words. So the index never meets, and never ranks, a row that the asker may not see.
How common a word is, is counted within the scope as well: what another tenant keeps does not
change a score.

Each database has an index of its own kind, which proposes candidates and counts; their order is
made in `ranking.py`. Both kinds know the same words, so a question finds the same on both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.index_fts5 import Fts5Index
from fairlead.adapters.sql.index_tsvector import TsvectorIndex
from fairlead.adapters.sql.ranking import Question, Statistics, rank, read_question
from fairlead.core.grounding import Passage
from fairlead.ports.documents import Document, Hit, Query

# A question's further words are not looked up.
TERMS_MAX = 64
# Matches that are looked at closely, for each hit that is asked for, and at least.
_CANDIDATES_PER_HIT = 4
_CANDIDATES_MIN = 48


class _Index(Protocol):
    """What each kind of index does in its own way."""

    def insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Store passages, so that they are found."""
        ...

    def look_up(
        self, connection: sa.Connection, scopes: Sequence[str], question: Question, most: int
    ) -> tuple[Sequence[int], Statistics]:
        """Return the numbers of the likeliest passages of the scopes, and how common terms are."""
        ...


class SqlDocumentStore:
    """Keeps documents and finds passages by their words."""

    def __init__(self, database: Database) -> None:
        self._database = database
        server = database.engine.dialect.name == "postgresql"
        self._index: _Index = TsvectorIndex() if server else Fts5Index()

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
            serialize(connection, f"documents:{_scope(tenant, collection)}")
            stored = _stored(connection, tenant, collection)
            unchanged = {
                path
                for path, (_, shape) in stored.items()
                if path in wanted and shape == _shape(wanted[path])
            }
            _delete(connection, [row for path, (row, _) in stored.items() if path not in unchanged])
            fresh = sorted(wanted.keys() - unchanged)
            for path in fresh:
                rows = _insert(connection, (tenant, collection), wanted[path])
                if rows:
                    self._index.insert(connection, rows)
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
        scopes = [_scope(query.tenant, name) for name in sorted(set(query.collections))]
        most = max(_CANDIDATES_MIN, _CANDIDATES_PER_HIT * query.top_k)
        with self._database.reading() as connection:
            numbers, statistics = self._index.look_up(connection, scopes, question, most)
            passages = _passages(connection, query, numbers) if numbers else []
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
    # The check stands here and not in the statement, where a database could take it as an
    # invitation to walk through the whole collection.
    return [
        Passage(collection=name, document=path, title=title, start=start, end=end, text=text)
        for tenant, name, path, title, start, end, text in connection.execute(selected)
        if tenant == query.tenant and name in query.collections
    ]


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


def _insert(
    connection: sa.Connection, owner: tuple[str, str], document: Document
) -> list[dict[str, Any]]:
    """Store a document; return its passages as rows that are still to be stored."""
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
    return [
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
