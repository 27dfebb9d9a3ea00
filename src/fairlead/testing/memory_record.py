"""How an item takes its place among others, for the store in a dict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.errors import MemoryKeyTaken
from fairlead.core.memory import Item, MemoryQuery, Note, Reader, Written
from fairlead.core.memory_times import earlier, fate_of, next_begin, waits
from fairlead.ports.clock import Clock
from fairlead.testing.memory_rules import (
    alike,
    believed,
    held_by,
    overlap,
    refusals,
    slot_of,
)

Key = tuple[str, ...]


@dataclass
class FakeMemoryRecord:
    """Items, and the rules by which one replaces, ends or merges into another.

    Attributes:
        clock: Time and ids.
        kept: Every item by its id, oldest first.
    """

    clock: Clock
    kept: dict[str, Item] = field(default_factory=dict)
    _keys: dict[Key, str] = field(default_factory=dict)
    _stones: set[tuple[str, ...]] = field(default_factory=set)

    def _one(self, writer: Reader, note: Note, item: Item) -> Item | Written:
        """Return what is known already, or the new item, once what it replaces is retired."""
        origin = None
        if note.key:
            before, origin = self._under_key(writer, note, item)
            if before is not None:
                return Written(id=before.id, state=before.state, merged=True)
        if not self._stones.isdisjoint(refusals(writer, item)):
            return Written(id="", state="retracted")
        beside = [one for one in self._current(writer) if one.audience == item.audience]
        named = next((one for one in beside if one.id == note.supersedes and note.supersedes), None)
        if named is not None and note.valid_from is None and self._waits(named):
            item = replace(item, valid_from=named.valid_from)
        same = [one for one in beside if alike(one) == alike(item)]
        worse = same[-1] if same and overlap(same[-1], item) else None
        if worse is not None and item.predicate and self._waits(worse):
            worse = None if item.valid_from < worse.valid_from else worse
        if worse is not None and (believed(worse) or not believed(item)):
            self.kept[worse.id] = replace(worse, seen=worse.seen + 1)
            return Written(id=worse.id, state=worse.state, merged=True)
        item = replace(item, supersedes="" if named is None else named.id)
        corrects = bool(note.supersedes)
        return self._placed(writer, item, beside, [named, origin, worse], corrects=corrects)

    def _placed(
        self,
        writer: Reader,
        item: Item,
        beside: Sequence[Item],
        more: Sequence[Item | None],
        *,
        corrects: bool,
    ) -> Item:
        """Return a new item, once what it replaces is retired."""
        later = [one for one in self._of_slot(item, beside) if self._waits(one)]
        later = [one for one in later if one.valid_from > item.valid_from]
        held = held_by(writer, item, [one for one in beside if one not in later])
        named, *rest = more
        before = [one for one in (named, held, *rest) if one is not None]
        if not believed(item) and any(map(believed, before)):
            return replace(item, state="quarantined")
        late = held is not None and not corrects and item.valid_from < held.valid_from
        if held is not None and late and believed(held) == believed(item):
            until = item.valid_from if item.state == "quarantined" else held.valid_from
            until = until if item.valid_to is None else min(until, item.valid_to)
            now = self.clock.now()
            return replace(item, state="superseded", retired_at=now, valid_to=until)
        for one in later:
            if one.overlay != writer.overlay or one in before:
                continue
            if believed(one) or not believed(item):
                item = replace(item, valid_to=earlier(item.valid_to, one.valid_from))
            elif one.state == "active":
                before.append(one)
        for one in before:
            item = replace(item, supersedes=item.supersedes or one.id)
            if one.overlay == writer.overlay:
                self._give_way(one, item)
        return item

    def _key_of(self, writer: Reader, note: Note) -> Key:
        """Return the key that a new item is kept under: the run's own, where the other is taken."""
        key = (writer.tenant, writer.app, note.key)
        made = note.provenance
        return (*key, made.run_id, made.release) if self._keys.get(key) in self.kept else key

    def _under_key(self, writer: Reader, note: Note, item: Item) -> tuple[Item | None, Item | None]:
        """Return what a note repeats under its key; else what it says otherwise than."""
        made = note.provenance
        key = (writer.tenant, writer.app, note.key)
        for one in ((*key, made.run_id, made.release), key):
            before = self.kept.get(self._keys.get(one, ""))
            if before is None:
                continue
            same = (before.audience, alike(before), before.value) == (
                item.audience,
                alike(item),
                item.value,
            )
            of = before.provenance
            if made.run_id and (of.run_id, of.release) != (made.run_id, made.release):
                seen = before.retired_at is None and before.overlay in ("", writer.overlay)
                if not (same and seen):
                    return None, before if seen else None
            if not same:
                raise MemoryKeyTaken.of(note.key, before.id)
            return before, None
        return None, None

    def _current(self, writer: Reader) -> list[Item]:
        """Return what a writer's items may be the same as, or replace; the last one counts."""
        now = self.clock.now()
        found = [
            one
            for one in self._own(writer)
            if one.retired_at is None
            and one.expires_at > now
            and one.overlay in ("", writer.overlay)
            and not self._behind(writer, one)
        ]
        return sorted(found, key=lambda one: one.overlay)

    def _waits(self, one: Item, at: float | None = None) -> bool:
        """Say whether an item is still to begin, now or at a time."""
        return waits(one.valid_from, one.recorded_at, self.clock.now() if at is None else at)

    def _of_slot(self, item: Item, others: Iterable[Item]) -> list[Item]:
        return [one for one in others if item.predicate and slot_of(one) == slot_of(item)]

    def _give_way(self, one: Item, item: Item) -> None:
        """Retire what an item replaces; what holds until the item begins ends then."""
        one, waiting = self.kept[one.id], self._waits(one)
        later = self._waits(item)
        fate = fate_of(one.valid_from, item.valid_from, waiting=waiting, later=later)
        if fate == "ends":
            self.kept[one.id] = replace(one, valid_to=earlier(one.valid_to, item.valid_from))
            return
        self._retire(one.id, item.valid_from)
        if waiting:
            self._go_on(one, item)

    def _go_on(self, gone: Item, instead: Item | None = None) -> None:
        """Have what was to end where an item begins go on, once that never will begin."""
        if gone.retired_at is not None or not self._waits(gone):
            return
        own = self._own(Reader(tenant=gone.tenant, app=gone.app))
        beside = [
            one
            for one in self._of_slot(gone, own)
            if (one.retired_at, one.overlay) == (None, gone.overlay) and one.id != gone.id
        ]
        for one in beside:
            if one.valid_to == gone.valid_from and one.valid_from < gone.valid_from:
                begins = [x.valid_from for x in beside if believed(x) or not believed(one)]
                if instead is not None and self._of_slot(gone, [instead]):
                    begins.append(instead.valid_from)
                until = next_begin(one.valid_from, begins)
                self.kept[one.id] = replace(one, valid_to=until)

    def _own(self, reader: Reader) -> Iterable[Item]:
        own = (reader.tenant, reader.app)
        return [one for one in self.kept.values() if (one.tenant, one.app) == own]

    def _retire(self, item_id: str, since: float) -> None:
        one = self.kept[item_id]
        if one.retired_at is not None:
            return
        until = max(since, one.valid_from)
        until = until if one.valid_to is None else min(one.valid_to, until)
        until = one.valid_from if one.state == "quarantined" else until
        now = self.clock.now()
        self.kept[item_id] = replace(one, state="superseded", retired_at=now, valid_to=until)

    def _take_place(self, one: Item, overlay: str, *, of_slot: bool = True) -> None:
        """Retire or end what an item replaces that becomes current."""
        for other in list(self._own(Reader(tenant=one.tenant, app=one.app))):
            named = other.id == one.supersedes and other.audience == one.audience
            held = of_slot and other.state == "active" and bool(self._of_slot(one, [other]))
            current = other.retired_at is None and other.id != one.id
            if not (named or held) or not current or other.overlay != overlay:
                continue
            stays = self._waits(other) and other.valid_from > one.valid_from and not named
            if stays:
                now = self.kept[one.id]
                until = earlier(now.valid_to, other.valid_from)
                self.kept[one.id] = replace(now, valid_to=until)
            else:
                self._give_way(other, one)

    def _behind(self, reader: Reader, one: Item, query: MemoryQuery | None = None) -> bool:
        """Say whether a trial knows something else instead of an item."""
        known_at = None if query is None else query.known_at
        at = self.clock.now() if known_at is None else known_at
        if query is not None and query.valid_at is not None and not query.retired:
            at = query.valid_at
        if not reader.overlay or one.overlay == reader.overlay:
            return False
        for other in self._own(reader):
            if other.overlay != reader.overlay:
                continue
            later = known_at is not None and (other.retired_at or 0.0) > known_at
            if known_at is not None and (
                other.recorded_at > known_at or other.state == "quarantined"
            ):
                continue
            if self._waits(other, at):
                continue
            current = other.state == "active" or (
                known_at is not None and (other.retired_at is None or later)
            )
            if other.supersedes == one.id and (other.state in ("active", "superseded") or later):
                return True
            if one.predicate and slot_of(other) == slot_of(one) and current:
                return True
        return False
