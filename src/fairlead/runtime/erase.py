"""Erases for certain: stage by stage, each of which may be done twice, and none forgotten.

A process that dies leaves its erasure on record at the stage that it was at; whoever goes on does
that stage again. What is looked for is read from the items themselves, so those are removed late.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fairlead.core.digests import Json
from fairlead.core.erasure import LEFT_MAX, RUNS_WAIT_S, Erasure, Stage, Trace, following
from fairlead.core.errors import ErasureHeld
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.erasure import (
    ErasureFiles,
    ErasureStore,
    Ledger,
    MakeEraser,
    Remains,
    ValueEraser,
)
from fairlead.ports.pruning import PruneStore
from fairlead.ports.runs import Order

BATCH_RUNS = 100
"""Runs of one transaction; a history that is larger by itself is one all the same."""

_BEFORE_THE_ROWS_GO: tuple[Stage, ...] = ("runs", "scrub", "rows")

_log = logging.getLogger("fairlead.erasure")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look for what was erased found.

    Attributes:
        checks: What was looked at, with whether it held; None where it could not be looked at.
        traces: Where a value stands.
    """

    checks: dict[str, bool | None]
    traces: tuple[Trace, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found of what could be looked at."""
        return not self.traces and False not in self.checks.values()


@dataclass(frozen=True, kw_only=True)
class Erasing:
    """Carries erasures out.

    Attributes:
        store: The database.
        pruning: Removes what is left of runs.
        queue: The engine, which keeps records of its own.
        ledger: Remembers erasures beside the database.
        files: Exports and logs.
        eraser: Returns what finds some values.
        clock: Time and ids.
    """

    store: ErasureStore
    pruning: PruneStore
    queue: RunQueue
    ledger: Ledger
    files: ErasureFiles
    eraser: MakeEraser
    clock: Clock

    def carry_out(self, erasure_id: str) -> Erasure:
        """Do what is still to be done of an erasure; what has ended stays as it is.

        Args:
            erasure_id: The erasure.

        Returns:
            The erasure: at its end, or at the stage `runs` while one of its runs lives.

        Raises:
            ErasureHeld: Another process is at it.
            LedgerUnusable: The ledger cannot be written; nothing further was done.
            StoreLocked: Somebody holds the database; it can be gone on with.
        """
        holder = self.clock.id()
        erasure = self.store.hold(erasure_id, holder)
        try:
            known: list[str] = []
            passed = 0
            while not erasure.ended:
                stage = erasure.stage
                if stage in _BEFORE_THE_ROWS_GO:
                    known, passed = self._known(erasure)
                erasure = self._at(erasure, known, passed, holder)
                if erasure.stage == stage:
                    break
        finally:
            self.store.release(erasure_id, holder)
        return erasure

    def _known(self, erasure: Erasure) -> tuple[list[str], int]:
        values, passed = self.store.values(erasure)
        return list(values), passed

    def _at(self, erasure: Erasure, known: Sequence[str], passed: int, holder: str) -> Erasure:
        """Do one stage, and say what comes next."""
        stage, fact = erasure.stage, None
        done: dict[str, Json]
        if stage == "ledger":
            self.ledger.add(erasure)
            done = {}
        elif stage == "runs":
            done = self._runs(erasure, known)
            if done["runs_living"] and not self._waited(erasure):
                return self.store.advance(erasure, holder, stage, done)
        elif stage == "scrub":
            done = {**self._scrub(erasure, known), "not_searched": passed, "values": len(known)}
            done["evidence"] = self.store.evidence(known)[:LEFT_MAX]
        elif stage == "rows":
            done = {"rows": int(erasure.receipt.get("rows", 0)) + self.store.purge(erasure)}
        elif stage == "exports":
            # Behind the rows: from now on nobody can export one of them.
            done = self._exports(erasure)
        elif stage == "compact":
            done = {"not_compacted": list(self.store.compact(erasure))}
        elif stage == "verify":
            done = self._verified(erasure, known)
        else:
            done = {"left": list(self._left(erasure))}
            receipt = {"erasure": erasure.id, "by": erasure.by, **erasure.receipt, **done}
            fact = Fact(chain=f"memory:{erasure.tenant}", type="memory.erased", data=receipt)
        return self.store.advance(erasure, holder, following(stage), done, fact=fact)

    # Stages.

    def _runs(self, erasure: Erasure, known: Sequence[str]) -> dict[str, Json]:
        """Remove what is left of the runs that have ended; of the others, only the values."""
        touched = self.store.touched(erasure)
        pruned = int(erasure.receipt.get("runs_pruned", 0))
        order = Order(by=erasure.by, reason=f"erasure {erasure.id}")
        for batch in _batches(touched.at_rest):
            self.store.renew(erasure)
            pruned += self.pruning.prune(batch, order).runs
            self._forget()
        self._forget()
        done: dict[str, Json] = {
            "runs_pruned": pruned,
            "runs_living": list(touched.living[:LEFT_MAX]),
        }
        # Once; what they write from now on goes with them.
        first = touched.living and "scrubbed" not in erasure.receipt
        return {**self._scrub(erasure, known), **done} if first else done

    def _forget(self) -> None:
        """Have the engine forget what was pruned, now or by a process that died after it."""
        while left := self.pruning.unforgotten(BATCH_RUNS):
            self.queue.forget(left)
            self.pruning.forgotten(left)

    def _waited(self, erasure: Erasure) -> bool:
        return self.clock.now() - erasure.begun_at > RUNS_WAIT_S

    def _scrub(self, erasure: Erasure, known: Sequence[str]) -> dict[str, Json]:
        scrubbed = self.store.scrub(erasure, self.eraser(known))
        before = dict(erasure.receipt.get("scrubbed", {}))
        for place, count in scrubbed.places.items():
            before[place] = before.get(place, 0) + count
        return {"scrubbed": before, "kept": [str(one) for one in scrubbed.left[:LEFT_MAX]]}

    def _exports(self, erasure: Erasure) -> dict[str, Json]:
        rewritten = list(erasure.receipt.get("exports", []))
        beyond: list[str] = []
        for export in self.store.exported(erasure):
            self.store.renew(erasure)
            digest, why = self.files.rewrite(export)
            if digest is None:
                beyond.append(f"export {export.id} in {export.path}: {why}")
                continue
            self.store.rewrote(export, digest)
            rewritten.append(export.id)
        return {"exports": rewritten, "exports_beyond": beyond[:LEFT_MAX]}

    def _verified(self, erasure: Erasure, known: Sequence[str]) -> dict[str, Json]:
        found = self.look(erasure, known)
        return {
            "checks": dict(found.checks),
            "traces": [str(one) for one in found.traces[:LEFT_MAX]],
        }

    def _left(self, erasure: Erasure) -> Iterable[str]:
        """Yield what is left, in words."""
        done = erasure.receipt
        yield from (f"run {one} still lives" for one in done.get("runs_living", []))
        yield from done.get("exports_beyond", [])
        yield from done.get("not_compacted", [])
        yield from done.get("traces", [])
        for check, held in done.get("checks", {}).items():
            if held is False:
                yield f"{check}: not so"
        if done.get("checks", {}).get(_SEARCHED) is None:
            yield "no value was searched: verify with `--value`"

    # Verification.

    def look(self, erasure: Erasure, values: Sequence[str]) -> Found:
        """Look for what was erased: its items, what says the same, and values wherever they stand.

        Args:
            erasure: The erasure.
            values: What is searched, and fed again; nothing is when there is none.
        """
        remains = self.store.remains(erasure)
        checks: dict[str, bool | None] = dict(_checks(erasure, remains))
        checks[_SEARCHED] = checks[_REFUSED] = None
        if not values:
            return Found(checks=checks, traces=())
        fed, taken = self.store.feed(erasure, values)
        traces = self._traces(erasure, self.eraser(values))
        checks[_SEARCHED] = not traces
        checks[_REFUSED] = not taken if fed else None
        return Found(checks=checks, traces=tuple(traces))

    def _traces(self, erasure: Erasure, eraser: ValueEraser) -> list[Trace]:
        own = list(self.store.files())
        beside = [path for path in self.files.beside() if path not in own]
        found = list(self.store.traces(erasure, eraser))
        for path in (*own, *beside):
            self.store.renew(erasure)
            found += self.files.traces([path], eraser)
        return found


_SEARCHED = "the values stand nowhere"
_REFUSED = "what was erased is refused when it is fed again"


def _checks(erasure: Erasure, remains: Remains) -> Iterable[tuple[str, bool]]:
    yield "its items are gone", not remains.items
    yield "nothing is derived from them", not remains.derived
    yield "no run is noted to have got them", not remains.reads
    yield "its tombstones stand", remains.stones == len(erasure.tombstones)
    yield "nothing that is remembered says the same", not remains.known_again


def _batches(histories: Iterable[Sequence[str]]) -> Iterable[list[Sequence[str]]]:
    batch: list[Sequence[str]] = []
    size = 0
    for history in histories:
        batch.append(history)
        size += len(history)
        if size >= BATCH_RUNS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(kw_only=True)
class Resuming:
    """Goes on with erasures that nobody is at, from time to time while a worker lives.

    Attributes:
        erasing: Carries them out; None for nothing.
        every_s: Seconds between two looks.
    """

    erasing: Callable[[], Erasing] | None = None
    every_s: float = 10.0
    _said: str = ""
    _thread: threading.Thread | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        if self.erasing is not None:
            self._thread = threading.Thread(target=self._run, name="fairlead-erase", daemon=True)
            self._thread.start()

    def stop(self, wait_s: float) -> None:
        """End; what is under way is gone on with by another worker.

        Args:
            wait_s: Seconds to wait for a stage that is under way.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def tick(self) -> None:
        """Go on with each that has not ended; what fails is said once, and tried again."""
        assert self.erasing is not None, "without it there is nothing to go on with"
        try:
            erasing = self.erasing()
            for erasure_id in erasing.store.open():
                with suppress(ErasureHeld):
                    erasing.carry_out(erasure_id)
            self._said = ""
        except Exception as error:  # noqa: BLE001 - runs go on, and the next look may succeed
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("an erasure was not gone on with: %s", error)

    def _run(self) -> None:
        while not self._stopping.wait(self.every_s):
            self.tick()
