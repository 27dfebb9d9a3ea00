"""Memory at scale: vectors under a filter that keeps one row of a hundred, writes, retraction.

Each figure stands beside a plain numpy scan of the same rows in the same run: the floor that the
machine sets at that moment.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.bench_app import quantile
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.core.label import Label
from fairlead.core.memory import MemoryQuery, Note, Provenance, Reader
from fairlead.ports.clock import SystemClock
from fairlead.ports.memory import Change, MemoryStore, Roots, Search, Stamp
from fairlead.runtime.redacting import redacting
from fairlead.testing.postgres import PostgresServer

DIMENSIONS = 384
TOP_K = 10
SCOPES = 100
BATCH = 5_000
QUERIES = 300
EMBEDDER = "bench"
# One line each of what a shop speaks of.
_SAID = """order refund mail customer city street parcel lid invoice card bank gold desk clerk late
broken blue green window garden river train ticket seat booking phone charger cable screen"""
WORDS = tuple(_SAID.split())


@contextmanager
def database_of(kind: str, server: PostgresServer | None) -> Iterator[Database]:
    """Yield a fresh database of a kind."""
    if kind == "sqlite":
        with TemporaryDirectory() as folder:
            database = Database(f"sqlite:///{Path(folder)}/fairlead.db")
            yield database
            database.close()
        return
    assert server is not None, "a server is there for its kind"
    with server.database() as url:
        database = Database(url)
        yield database
        database.close()


def measure(database: Database, items: int) -> dict[str, float]:
    """Fill a store, ask it, and compare each answer with a scan of all rows.

    Args:
        database: A fresh database.
        items: How many items are written.
    """
    store: MemoryStore = redacting(SqlMemoryStore(database, SystemClock()))
    chance = np.random.default_rng(7)
    vectors = chance.normal(size=(items, DIMENSIONS)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scopes = np.arange(items) % SCOPES
    writes_per_s = _fill(store, vectors, scopes)
    asked = chance.normal(size=(QUERIES, DIMENSIONS)).astype("<f4")
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    for scope in range(SCOPES):
        # Each scope once: what a process reads at its first question of a user.
        _ask(store, asked[0], scope)
    times, scans, right = [], [], 0
    for number, question in enumerate(asked):
        scope = number % SCOPES
        begun = time.perf_counter()
        found = _ask(store, question, scope)
        times.append((time.perf_counter() - begun) * 1000)
        begun = time.perf_counter()
        cosines = np.where(scopes == scope, vectors @ question, -2.0)
        best = np.argsort(-cosines)[:TOP_K]
        scans.append((time.perf_counter() - begun) * 1000)
        right += len({f"item {place}" for place in best} & set(found))
    return {
        "p50_ms": round(quantile(times, 0.5), 2),
        "p99_ms": round(quantile(times, 0.99), 2),
        "filtered_recall": round(right / (TOP_K * QUERIES), 4),
        "writes_per_s": round(writes_per_s),
        "scan_p50_ms": round(quantile(scans, 0.5), 2),
        "scan_p99_ms": round(quantile(scans, 0.99), 2),
    }


def _fill(store: MemoryStore, vectors: Any, scopes: Any) -> float:
    chance = random.Random(7)
    spent = 0.0
    for scope in range(SCOPES):
        places = np.flatnonzero(scopes == scope)
        for start in range(0, len(places), BATCH):
            some = places[start : start + BATCH]
            notes = [
                Note(kind="semantic", text=f"item {place} {' '.join(chance.choices(WORDS, k=8))}")
                for place in some
            ]
            given = [vectors[place].tobytes() for place in some]
            begun = time.perf_counter()
            store.write(_reader(scope), notes, Stamp(embedder=EMBEDDER, vectors=given))
            spent += time.perf_counter() - begun
    return len(vectors) / spent


def _reader(scope: int) -> Reader:
    return Reader(tenant=f"tenant-{scope}", app="bench", user="ada")


def _ask(store: MemoryStore, question: Any, scope: int) -> list[str]:
    query = MemoryQuery(
        text="", kinds=("semantic",), vector=question.tobytes(), embedder=EMBEDDER, top_k=TOP_K
    )
    found = store.candidates(_reader(scope), query, Search(terms={}, vector_max=TOP_K))
    return [" ".join(one.text.split()[:2]) for one in found.found]


def bulk(database: Database, items: int = 50_000) -> float:
    """Return how many items are written in a second, in bulk, into one scope."""
    store: MemoryStore = redacting(SqlMemoryStore(database, SystemClock()))
    chance, rows = random.Random(7), np.random.default_rng(7)
    vectors = rows.normal(size=(BATCH, DIMENSIONS)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = [vector.tobytes() for vector in vectors]
    spent = 0.0
    for start in range(0, items, BATCH):
        notes = [
            Note(kind="semantic", text=f"item {start + n} {' '.join(chance.choices(WORDS, k=8))}")
            for n in range(BATCH)
        ]
        begun = time.perf_counter()
        store.write(_reader(0), notes, Stamp(embedder=EMBEDDER, vectors=given))
        spent += time.perf_counter() - begun
    return items / spent


def retraction(database: Database, items: int = 10_000) -> tuple[float, int]:
    """Retract a source with everything that was derived from it, in three generations.

    Returns:
        Seconds, and how many items were retracted.
    """
    store: MemoryStore = SqlMemoryStore(database, SystemClock())
    who = Reader(tenant="retracted", app="bench", user="ada")
    parents: Sequence[str] = [
        one.id
        for one in store.write(
            who,
            [
                Note(kind="semantic", text=f"root {n}", provenance=Provenance(source="tool:bad"))
                for n in range(10)
            ],
        )
    ]
    left, generation = items, 0
    while left > 0:
        generation += 1
        many = min(left, BATCH)
        notes = [
            Note(
                kind="semantic",
                text=f"derived {generation} {n}",
                provenance=Provenance(
                    source="user:ada",
                    derivation="bench",
                    derived_from=(parents[n % len(parents)],),
                ),
            )
            for n in range(many)
        ]
        parents = [one.id for one in store.write(who, notes)]
        left -= many
    begun = time.perf_counter()
    operator = Reader(tenant="retracted", app="bench")
    reached = store.reach(operator, Roots(source="tool:bad"))
    gone = store.settle(operator, reached.items, "retracted", Change(by="bench", reason="bad"))
    return time.perf_counter() - begun, len(gone)


def crossed(database: Database, queries: int = 10_000) -> int:
    """Ask generated questions of tenants that keep near-duplicates of each other's items.

    Returns:
        How many rows of another tenant, or of another user of the same one, came back.
    """
    store: MemoryStore = SqlMemoryStore(database, SystemClock())
    chance = random.Random(11)
    owners = [(f"t{n}", f"u{m}") for n in range(10) for m in range(3)]
    rows = np.random.default_rng(3).normal(size=(40, DIMENSIONS)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    for tenant, user in owners:
        only = Label(readers=(f"tenant:{tenant}/user:{user}",))
        notes = [
            Note(kind="semantic", text=f"{_fact(n)} {tenant} {user}", subject=f"s{n}", label=only)
            for n in range(40)
        ]
        stamp = Stamp(embedder=EMBEDDER, vectors=[row.tobytes() for row in rows])
        store.write(Reader(tenant=tenant, app="bench", user=user), notes, stamp)
    wrong = found = 0
    for _ in range(queries):
        tenant, user = chance.choice(owners)
        other = chance.choice(owners)
        number = chance.randrange(40)
        words = [*_fact(number).split(), *chance.choice([(), other, (*other, "*", '"')])]
        query = MemoryQuery(
            text=" ".join(words),
            kinds=("semantic",),
            subject=chance.choice([None, f"s{number}"]),
            vector=rows[number].tobytes(),
            embedder=EMBEDDER,
        )
        search = Search(terms={one: one for one in words if one.isalnum()}, vector_max=20)
        got = store.candidates(Reader(tenant=tenant, app="bench", user=user), query, search).found
        found += len(got)
        wrong += sum(not one.text.endswith(f"{tenant} {user}") for one in got)
    if found < queries:
        raise SystemExit(f"{queries} questions found {found} items: each must find its own")
    return wrong


def _fact(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]} {WORDS[(number * 7 + 3) % len(WORDS)]} {number}"
