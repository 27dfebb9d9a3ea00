"""Memory in a dict: the rules of the stores, without a database and without a ranking index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock

from fairlead.core.errors import MemoryKeyTaken
from fairlead.core.event import Fact
from fairlead.core.label import OTHERS
from fairlead.core.memory import (
    TAKEN_BACK,
    Item,
    MemoryQuery,
    MemoryState,
    Note,
    Reader,
    Written,
)
from fairlead.ports.memory import (
    BY_AGE,
    PLAIN,
    Candidates,
    Change,
    MemoryStats,
    Reach,
    Roots,
    Search,
    Stamp,
    Statistics,
)
from fairlead.testing.memory_record import FakeMemoryRecord
from fairlead.testing.memory_rules import (
    answers,
    believed,
    candidate_of,
    comes_from,
    expired,
    item_of,
    stats_of,
    stems_of,
    stones,
    was_current,
)
from fairlead.testing.memory_vectors import FakeVectors

AT_PLACE_MAX = 4
"""Most items at one place of a thread, on average, that stand beside a candidate."""


@dataclass
class FakeMemoryStore(FakeMemoryRecord, FakeVectors):
    """Keeps what is remembered in a dict; what it returns for a question is not ranked.

    Attributes:
        clock: Time and ids.
        kept: Every item by its id, oldest first.
        facts: What was to be appended to the event log.
        reads: Which run got which item by which call, as item, run and number of the call.
    """

    facts: list[Fact] = field(default_factory=list)
    reads: list[tuple[str, str, int]] = field(default_factory=list)
    _vectors: dict[str, bytes] = field(default_factory=dict)
    _schemas: set[tuple[str, str, int, str]] = field(default_factory=set)
    _lock: RLock = field(default_factory=RLock)

    def write(
        self, writer: Reader, notes: Sequence[Note], stamp: Stamp = PLAIN
    ) -> Sequence[Written]:
        """Remember notes, all or none."""
        if not notes:
            return []
        if stamp.vectors and len(stamp.vectors) != len(notes):
            raise ValueError(f"{len(stamp.vectors)} vectors for {len(notes)} notes")
        with self._lock:
            before = dict(self.kept), dict(self._keys), dict(self._vectors)
            try:
                written = self._write(writer, notes, stamp)
            except MemoryKeyTaken:
                self.kept, self._keys, self._vectors = before
                raise
            self._say(stamp.fact)
            return written

    def _write(self, writer: Reader, notes: Sequence[Note], stamp: Stamp) -> Sequence[Written]:
        first = self.clock.id()
        written = []
        for place, note in enumerate(notes):
            one = self._one(writer, note, item_of(writer, note, self.clock.now(), stamp.schema))
            if isinstance(one, Written):
                written.append(one)
                continue
            item = replace(one, id=f"m-{first}{place:04x}")
            if stamp.vectors:
                item = replace(item, embedder=stamp.embedder)
                self._vectors[item.id] = stamp.vectors[place]
            self.kept[item.id] = item
            if note.key:
                self._keys[self._key_of(writer, note)] = item.id
            self._schemas.add((writer.tenant, writer.app, stamp.schema, writer.overlay))
            named = self.kept.get(item.supersedes)
            proposed = named is not None and believed(named) and not believed(item)
            superseded = "" if proposed else item.supersedes
            written.append(Written(id=item.id, state=item.state, superseded=superseded))
        return written

    def candidates(self, reader: Reader, query: MemoryQuery, search: Search) -> Candidates:
        """Find what shares a word with a question, or has a vector that can be compared."""
        with self._lock:
            seen = [one for one in self._own(reader) if self._recalls(reader, query, one)]
        held = {one.id: stems_of(one) for one in seen}
        counts = {term: sum(term in stems for stems in held.values()) for term in search.terms}
        shared = {one.id: len(held[one.id] & search.terms.keys()) for one in seen}
        cosines = {one.id: self.cosine(query, one) for one in seen}
        by_words = sorted((one for one in seen if shared[one.id]), key=lambda x: -shared[x.id])
        near = sorted(
            (one for one in seen if cosines[one.id] is not None),
            key=lambda one: -(cosines[one.id] or 0.0),
        )
        best = by_words[: search.lexical_max] + near[: search.vector_max]
        places = {
            (one.audience, one.thread, one.place + step)
            for one in by_words[: search.seeds_max] + near[: search.seeds_max]
            for step in range(-search.around, search.around + 1)
            if one.thread
        }
        beside = [one for one in seen if (one.audience, one.thread, one.place) in places]
        best += beside[: AT_PLACE_MAX * len(places)]
        best = list({one.id: one for one in best}.values())[: search.most]
        found = {one.id: candidate_of(one, cosines[one.id]) for one in best}
        words = sum(len(one.text.split()) for one in found.values())
        statistics = Statistics(
            items=len(seen), found_in=counts, mean_words=words / max(1, len(found))
        )
        return Candidates(found=list(found.values()), statistics=statistics)

    def _recalls(self, reader: Reader, query: MemoryQuery, one: Item) -> bool:
        """Say whether a reader may recall an item for a question."""
        if reader.audiences is not None and one.audience not in reader.audiences:
            return False
        if one.overlay not in ("", reader.overlay) or self._behind(reader, one, query):
            return False
        return answers(query, one, self.clock.now(), self._own(reader))

    def get(self, reader: Reader, ids: Sequence[str]) -> Sequence[Item]:
        """Return those of the items that the reader may see, in the order of the ids."""
        seen = {one.id: one for one in self._kept_for(reader)}
        return [seen[one] for one in dict.fromkeys(ids) if one in seen]

    def history(
        self, reader: Reader, subject: str, predicate: str, *, known_at: float | None = None
    ) -> Sequence[Item]:
        """Return what was said of a subject, oldest record first."""
        found = [one for one in self._kept_for(reader) if one.subject == subject]
        found = [x for x in found if predicate in ("", x.predicate) and was_current(x, known_at)]
        return sorted(found, key=lambda one: one.recorded_at)

    def _kept_for(self, reader: Reader) -> Iterator[Item]:
        """Yield what a reader may see; what is past its retention only an operator."""
        return (x for x in self.each(reader) if not reader.user or x.expires_at > self.clock.now())

    def items(
        self, reader: Reader, *, states: Sequence[MemoryState], after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items by id, in order, from behind one."""
        found = [one for one in self.each(reader) if one.id > after and one.state in states]
        return found[:most]

    def settle(
        self, reader: Reader, ids: Sequence[str], state: MemoryState, change: Change
    ) -> Sequence[str]:
        """Bring current items into a state; returns the ids of those that were changed."""
        with self._lock:
            found = [
                one
                for one in self.get(reader, ids)
                if one.retired_at is None or (state, one.state) == ("retracted", "superseded")
            ]
            own = [one for one in found if reader.overlay in ("", one.overlay)]
            found = [one for one in own if one.state != state]
            for one in found:
                if state == "active":
                    self._take_place(one, one.overlay)
                    trusted = replace(one.label, integrity="trusted")
                    self.kept[one.id] = replace(one, state=state, label=trusted)
                elif state == "quarantined":
                    self.kept[one.id] = replace(one, state=state)
                    self._go_on(one)
                else:
                    since = self.clock.now() if one.retired_at is None else one.retired_at
                    until = None if one.state == "superseded" else one.valid_to
                    self.kept[one.id] = replace(one, state=state, retired_at=since, valid_to=until)
                    self._stones |= set(stones(reader, one))
                    self._go_on(one)
            if found:
                self._say(change.fact)
            return [one.id for one in found]

    def reach(self, reader: Reader, roots: Roots, *, derived: bool = True) -> Reach:
        """Find items by where they come from, and the runs that got or wrote one of them."""
        own = {one.id: one for one in self._own(reader)}
        found = {one.id for one in own.values() if comes_from(one, roots)}
        while derived:
            made = {
                one.id for one in own.values() if not found.isdisjoint(one.provenance.derived_from)
            }
            if made <= found:
                break
            found |= made
        writers = {own[one].provenance.run_id for one in found} - {""}
        readers = {run for item, run, _ in self.reads if item in found}
        return Reach(
            items=tuple(sorted(found)),
            readers=tuple(sorted(readers)),
            writers=tuple(sorted(writers)),
            unsure=tuple(sorted(self._unsure(own.values(), found))) if roots.source else (),
        )

    @staticmethod
    def _unsure(own: Iterable[Item], found: set[str]) -> Iterator[str]:
        return (x.id for x in own if OTHERS in x.label.origins and x.id not in found)

    def note_reads(self, run_id: str, call: int, ids: Sequence[str]) -> None:
        """Note that a run got items; a second time changes nothing."""
        noted = [(one, run_id, call) for one in dict.fromkeys(ids)]
        self.reads += [one for one in noted if one not in self.reads]

    def merge_overlay(self, app: str, release: str, change: Change) -> int:
        """Make what was remembered in a release's trial everybody's; returns how many items."""
        with self._lock:
            found = self._on_trial(app, release)
            for one in found:
                if one.state in ("active", "superseded"):
                    self._take_place(one, "", of_slot=one.state == "active")
                elif one.state in TAKEN_BACK:
                    self._stones |= set(stones(Reader(tenant=one.tenant, app=app), one))
                self.kept[one.id] = replace(one, overlay="")
                self._schemas.add((one.tenant, app, one.schema, ""))
            self._close(app, release, change if found else None)
            return len(found)

    def drop_overlay(self, app: str, release: str, change: Change) -> int:
        """Remove what was remembered in a release's trial; returns how many items."""
        with self._lock:
            found = self._on_trial(app, release)
            self._purge(found)
            self._close(app, release, change if found else None)
            return len(found)

    def _on_trial(self, app: str, release: str) -> list[Item]:
        return [one for one in self.kept.values() if (one.app, one.overlay) == (app, release)]

    def _close(self, app: str, release: str, change: Change | None) -> None:
        closed = {one for one in self._schemas if (one[1], one[3]) == (app, release)}
        self._schemas -= closed
        self._say(change.fact if change else None)

    def _say(self, fact: Fact | None) -> None:
        self.facts += [] if fact is None else [fact]

    def _purge(self, items: Sequence[Item]) -> None:
        gone = {one.id for one in items}
        for name in gone:
            del self.kept[name]
            self._vectors.pop(name, None)
        for one in self.kept.values():
            parents = one.provenance.derived_from
            if not gone.isdisjoint(parents):
                left = tuple(parent for parent in parents if parent not in gone)
                made = replace(one.provenance, derived_from=left)
                self.kept[one.id] = replace(one, provenance=made)
        self.reads = [one for one in self.reads if one[0] not in gone]

    def schemas(self, reader: Reader) -> Sequence[int]:
        """Return the versions of the memory schema that have written what the reader may see."""
        own = (reader.tenant, reader.app)
        return sorted(
            {
                version
                for tenant, app, version, overlay in self._schemas
                if (tenant, app) == own and overlay in ("", reader.overlay)
            }
        )

    def expire(self, most: int = 10_000, *, change: Change = BY_AGE, rehearse: bool = False) -> int:
        """Remove items that are past their retention, in every tenant, with an event for each."""
        with self._lock:
            gone = [one for one in self.kept.values() if one.expires_at <= self.clock.now()]
            if rehearse:
                return len(gone)
            gone = gone[:most]
            self._purge(gone)
            self.facts += [expired(change, *one) for one in Counter(g.tenant for g in gone).items()]
            return len(gone)

    def stats(self, reader: Reader) -> MemoryStats:
        """Count what is kept."""
        own = (reader.tenant, reader.app)
        return replace(
            stats_of(list(self.each(reader)), self.clock.now()),
            schemas=tuple(sorted({one[2] for one in self._schemas if one[:2] == own})),
            tombstones=sum(one[0] == reader.tenant for one in self._stones),
        )

    def each(self, reader: Reader) -> Iterator[Item]:
        """Yield every item that the reader may see, whatever its state, by id."""
        for one in sorted(self._own(reader), key=lambda one: one.id):
            mine = one.audience in (reader.audiences or ())
            if reader.audiences is None or (mine and one.overlay in ("", reader.overlay)):
                yield one
