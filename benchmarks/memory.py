"""Memory: what recall reaches, how fast it is, and that nothing crosses a tenant.

The data folder (FAIRLEAD_BENCH_DATA, by default `../shared/data`) holds `locomo-dev.json` with
`locomo-dev-corrections.json`, and `hotpot-dev.json`. Each turn and each paragraph is remembered by
the product's own store; each question is recalled from it. The rest is generated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Threads of the linear algebra wait for each other on busy cores. This comes before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.bench_app import quantile
from benchmarks.memory_data import Item, data_folder, load_hotpot, load_locomo
from benchmarks.memory_recall import ADVERSARIAL, Result, figures, measure
from benchmarks.memory_scale import bulk, crossed, database_of, retraction
from benchmarks.memory_scale import measure as measure_scale
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.bootstrap import open_embedder
from fairlead.core.memory import MemoryQuery, Note, Reader
from fairlead.core.memory_terms import MemoryTerms
from fairlead.memory.memories import Memories
from fairlead.ports.clock import SystemClock
from fairlead.ports.embedder import Embedder
from fairlead.testing.postgres import PostgresServer

BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is generated.

    Attributes:
        scale: Items of each measurement of recall by vectors.
        bulk: Items that are written in bulk.
        retracted: Items that are derived from the source that is retracted.
        queries: Questions across tenants on SQLite; on PostgreSQL it is a fifth of them.
    """

    scale: tuple[int, ...] = (10_000, 100_000)
    bulk: int = 50_000
    retracted: int = 10_000
    queries: int = 10_000


SMALL = Sizes(scale=(1_000,), bulk=5_000, retracted=500, queries=200)


class Product:
    """The product's memory, for one haystack: a tenant of its own."""

    def __init__(self, memories: Memories, tenant: str, times_ms: list[float]) -> None:
        self._memories = memories
        self._reader = Reader(tenant=tenant, app="bench", user="ada")
        self._ids: dict[str, str] = {}
        self._times_ms = times_ms

    def remember(self, items: Sequence[Item]) -> None:
        """Remember the items of one haystack."""
        notes = [
            Note(
                kind="episodic" if item.thread else "semantic",
                text=item.text,
                actor=item.actor,
                subject=item.title,
                valid_from=item.at,
                thread=item.thread,
                place=item.place,
            )
            for item in items
        ]
        for start in range(0, len(notes), BATCH):
            written = self._memories.remember(self._reader, notes[start : start + BATCH])
            for item, one in zip(items[start : start + BATCH], written, strict=True):
                self._ids[one.id] = item.id

    def recall(self, question: str, k: int) -> list[tuple[str, float]]:
        """Return the best k items, with their scores."""
        query = MemoryQuery(text=question, kinds=("episodic", "semantic"), top_k=k)
        asked = self._memories.asked(query)
        begun = time.perf_counter()
        found = self._memories.recall(self._reader, asked)
        self._times_ms.append((time.perf_counter() - begun) * 1000)
        return [(self._ids[one.item.id], one.score) for one in found]


@contextmanager
def making(model: Embedder | None, times_ms: list[float]) -> Iterator[Callable[[], Product]]:
    """Yield what makes an empty memory for each haystack."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder)}/fairlead.db")
        memories = Memories(
            store=SqlMemoryStore(database, SystemClock()),
            terms=MemoryTerms(embedder="none" if model is None else model.id),
            embedder=lambda _: model,
        )
        made: list[Product] = []

        def make() -> Product:
            made.append(Product(memories, f"haystack-{len(made)}", times_ms))
            return made[-1]

        yield make
        database.close()


def recall_figures(folder: Path) -> dict[str, Any]:
    """Measure what recall reaches, with MiniLM and by words alone."""
    haystacks = [*load_locomo(folder), *load_hotpot(folder)]
    found: dict[str, Any] = {
        "evidence_left_out": sum(haystack.left_out for haystack in haystacks),
    }
    model = open_embedder("minilm")
    results: dict[str, list[Result]] = {}
    times: dict[str, list[float]] = {}
    for name, embedder in (("vectors", model), ("lexical", None)):
        times[name] = []
        with making(embedder, times[name]) as make:
            results[name] = measure(haystacks, make)
    full, lexical = figures(results["vectors"]), figures(results["lexical"])
    for name in ("r5", "r10", "ndcg10"):
        found[f"locomo_{name}"] = full[f"locomo_{name}"]
        found[f"locomo_{name}_untuned"] = full[f"locomo_untuned_{name}"]
        found[f"locomo_{name}_lexical"] = lexical[f"locomo_{name}"]
        found[f"locomo_{name}_lexical_untuned"] = lexical[f"locomo_untuned_{name}"]
        found[f"hotpot_{name}"] = full[f"hotpot_{name}"]
        found[f"hotpot_{name}_lexical"] = lexical[f"hotpot_{name}"]
    for name in sorted(full):
        if name.startswith(("abst", "category", "conv")):
            found[name] = full[name]
    found["questions"] = len(results["vectors"])
    found["adversarial"] = sum(one.group == ADVERSARIAL for one in results["vectors"])
    for name, values in times.items():
        found[f"recall_p50_ms_{name}"] = round(quantile(values, 0.5), 1)
        found[f"recall_p99_ms_{name}"] = round(quantile(values, 0.99), 1)
    return found


def scale_figures(sizes: Sizes) -> dict[str, Any]:
    """Measure both databases at each size, and what holds at any size."""
    found: dict[str, Any] = {"scale": {}, "cross_tenant": 0, "cross_tenant_queries": 0}
    with closing(PostgresServer(fsync=False)) as server:
        server.start()
        for kind in ("sqlite", "postgresql"):
            measured = found["scale"][kind] = {}
            for size in sizes.scale:
                with database_of(kind, server) as database:
                    measured[str(size)] = measure_scale(database, size)
            with database_of(kind, server) as database:
                found["scale"][kind]["bulk_writes_per_s"] = round(bulk(database, sizes.bulk))
            with database_of(kind, server) as database:
                seconds, items = retraction(database, sizes.retracted)
                found[f"retraction_s_{kind}"] = round(seconds, 2)
                found[f"retracted_{kind}"] = items
            with database_of(kind, server) as database:
                queries = sizes.queries if kind == "sqlite" else sizes.queries // 5
                found["cross_tenant"] += crossed(database, queries)
                found["cross_tenant_queries"] += queries
    return found


def main() -> None:
    """Measure everything, or the part that is named: `recall` or `scale`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="recall, scale; by default both")
    parser.add_argument("--small", action="store_true", help="generate little: what a test needs")
    options = parser.parse_args()
    parts = options.parts or ["scale", "recall"]
    found: dict[str, Any] = {}
    if "scale" in parts:
        found |= scale_figures(SMALL if options.small else Sizes())
    if "recall" in parts:
        try:
            found = {**recall_figures(data_folder()), **found}
        except FileNotFoundError as error:
            sys.exit(f"there is no {error.filename}: set FAIRLEAD_BENCH_DATA to its folder")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
