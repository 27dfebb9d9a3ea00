"""What a release remembers on trial, where an item came from, and what is gone for good."""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.label import ORIGINS_MAX
from fairlead.core.memory import Provenance
from fairlead.core.vectors import unit
from fairlead.ports.memory import Roots, Search, Stamp
from fairlead.testing.conformance.memory_site import (
    ADA,
    BOB,
    MOVED,
    OPERATOR,
    TENANT,
    TRIAL,
    MemorySite,
    note,
    outside,
)

OF = {"subject": "c1", "predicate": "contact"}
NEAR = unit([1.0, 1.0])


def _from(*parents: str, run: str = "", source: str = "") -> Provenance:
    made = "summarise@1" if parents else ""
    return Provenance(run_id=run, source=source, derivation=made, derived_from=parents)


class MemoryTrialConformance:
    """Trials, lineage and retention."""

    def test_a_trial_replaces_within_itself_alone(self, memory: MemorySite) -> None:
        """Once and again; nobody else sees a difference."""
        memory.one(note("Contact by mail", **OF))
        for text in ("Contact by phone", "Contact by fax"):
            memory.one(note(text, **OF), by=TRIAL)
            assert memory.found("contact", TRIAL) == [text]
            assert memory.found("contact") == ["Contact by mail"]
            assert memory.found("contact", replace(ADA, overlay="d2")) == ["Contact by mail"]
        memory.one(note("Contact by mail", **OF), by=TRIAL)
        assert memory.found("contact", TRIAL) == ["Contact by mail"]

    def test_a_trial_replaces_what_it_names(self, memory: MemorySite) -> None:
        """Also when what took its place is replaced; another user's item cannot be named."""
        base = memory.one(note("The gate is open"))
        first = memory.one(note("The gate is shut", supersedes=base.id), by=TRIAL)
        memory.one(note("The gate is gone", supersedes=first.id), by=TRIAL)
        assert memory.found("gate", TRIAL) == ["The gate is gone"]
        assert memory.found("gate", BOB) == ["The gate is open"]
        memory.store.merge_overlay("desk", "d1", MOVED)
        assert memory.found("gate", BOB) == ["The gate is gone"]

    def test_a_promotion_on_trial_is_one_for_the_trial(self, memory: MemorySite) -> None:
        """The item that everybody knows stays theirs."""
        memory.one(note("Contact by mail", **OF))
        proposed = memory.one(outside("Contact by phone", **OF), by=TRIAL)
        assert memory.found("contact", TRIAL, quarantined=False) == ["Contact by mail"]
        memory.settle(proposed, state="active")
        assert memory.found("contact", TRIAL) == ["Contact by phone"]
        assert memory.found("contact") == ["Contact by mail"]

    def test_a_trial_takes_back_what_it_remembered_alone(self, memory: MemorySite) -> None:
        """What everybody knows is out of its reach, whatever becomes of the trial."""
        base, own = memory.one(note("The gate is open")), memory.one(note("A lamp"), by=TRIAL)
        for state in ("forgotten", "retracted", "quarantined"):
            assert memory.settle(base, state=state, by=TRIAL) == []
        assert memory.settle(own, state="forgotten", by=TRIAL) == [own.id]
        assert memory.found("gate lamp", TRIAL) == memory.found("gate lamp") == ["The gate is open"]
        assert memory.settle(base, state="forgotten", by=ADA) == [base.id]

    def test_what_a_trial_took_back_is_refused_by_everybody_once_it_is_merged(
        self, memory: MemorySite
    ) -> None:
        """Until then by the trial alone."""
        lamp = note("A lamp", subject="s", predicate="has", value="lamp")
        own = memory.one(lamp, by=TRIAL)
        memory.settle(own, state="forgotten", by=TRIAL)
        assert memory.one(lamp, by=TRIAL).refused
        said = memory.one(lamp, by=BOB)
        assert not said.refused
        memory.settle(said, state="superseded")
        memory.store.merge_overlay("desk", "d1", MOVED)
        for text in ("A lamp", "Some lamp"):
            again = note(text, subject="s", predicate="has", value="lamp")
            assert memory.one(again, by=BOB).refused

    def test_a_trial_recalls_as_of_then_what_it_replaced_later(self, memory: MemorySite) -> None:
        """By its slot and by its name."""
        gate = memory.write(note("The gate is open"), note("Contact by mail", **OF))[0]
        then = memory.clock.now()
        memory.one(note("The gate is shut", supersedes=gate.id), by=TRIAL)
        memory.one(note("Contact by phone", **OF), by=TRIAL)
        later = memory.clock.now()
        memory.one(note("Contact by fax", **OF), by=TRIAL)
        for at, found in (
            (then, ["Contact by mail", "The gate is open"]),
            (later, ["Contact by phone", "The gate is shut"]),
            (None, ["Contact by fax", "The gate is shut"]),
        ):
            assert memory.found("gate contact", TRIAL, known_at=at) == found

    def test_a_merge_gives_everybody_what_the_trial_knows(self, memory: MemorySite) -> None:
        """What it replaced is replaced now; other trials and apps stay as they are."""
        memory.one(note("Contact by mail", **OF))
        memory.write(note("Contact by phone", **OF), note("A lamp"), by=TRIAL)
        for other in (replace(TRIAL, overlay="d2"), replace(TRIAL, app="shop")):
            memory.one(note("A kettle"), by=other)
        assert memory.store.stats(OPERATOR).overlays == {"d1": 2, "d2": 1}
        memory.clock.time += 1
        assert memory.store.merge_overlay("desk", "d1", MOVED) == 2
        assert memory.found("contact lamp kettle", BOB) == ["A lamp", "Contact by phone"]
        (before, now) = memory.store.history(BOB, "c1", "contact")
        assert (before.state, before.valid_to) == ("superseded", now.valid_from)
        assert (now.overlay, memory.store.merge_overlay("desk", "d1", MOVED)) == ("", 0)

    def test_a_drop_leaves_nothing_of_a_trial(self, memory: MemorySite) -> None:
        """And what was known before is current."""
        memory.one(note("Contact by mail", **OF))
        memory.write(
            note("Contact by phone", **OF),
            by=TRIAL,
            stamp=Stamp(schema=2, embedder="e", vectors=[NEAR]),
        )
        assert memory.store.drop_overlay("shop", "d1", MOVED) == 0
        assert memory.store.drop_overlay("desk", "d1", MOVED) == 1
        assert memory.found("contact", TRIAL) == ["Contact by mail"]
        near = memory.candidates("", TRIAL, Search(terms={}), vector=NEAR, embedder="e")
        assert (near, len(list(memory.store.each(OPERATOR)))) == ([], 1)

    def test_schemas_are_those_that_the_reader_may_meet(self, memory: MemorySite) -> None:
        """A trial's own is the trial's, until it is merged; a dropped one was never there."""
        for schema, reader in ((1, ADA), (3, TRIAL), (4, replace(TRIAL, overlay="d2"))):
            memory.write(note(f"Item {schema}"), by=reader, stamp=Stamp(schema=schema))
        store = memory.store
        assert [*store.schemas(ADA)] == [1]
        assert [*store.schemas(TRIAL)] == [1, 3]
        store.merge_overlay("desk", "d1", MOVED)
        store.drop_overlay("desk", "d2", MOVED)
        assert [*store.schemas(BOB)] == [*store.schemas(replace(TRIAL, overlay="d2"))] == [1, 3]
        assert [*store.schemas(replace(ADA, app="shop"))] == []
        assert {one.text: one.schema for one in store.each(OPERATOR)} == {"Item 1": 1, "Item 3": 3}

    # Lineage.

    def test_reach_follows_what_was_derived(self, memory: MemorySite) -> None:
        """Transitively, to the runs that got it or wrote it, and no further."""
        raw = memory.one(note("Raw", provenance=_from(run="r1", source="tool:mail")))
        middle = memory.one(note("Middle", provenance=_from(raw.id, run="r2")))
        last = memory.one(note("Last", provenance=_from(middle.id, raw.id, run="r3")))
        other = memory.one(note("Other", provenance=_from(run="r4", source="user:ada")))
        store = memory.store
        for _ in range(2):
            store.note_reads("r5", 3, [middle.id, middle.id])
        store.note_reads("r6", 1, [other.id])
        reach = store.reach(OPERATOR, Roots(source="tool:mail"))
        assert set(reach.items) == {raw.id, middle.id, last.id}
        assert (reach.readers, reach.writers) == (("r5",), ("r1", "r2", "r3"))
        assert set(store.reach(OPERATOR, Roots(ids=(middle.id,))).items) == {middle.id, last.id}
        assert store.reach(OPERATOR, Roots(ids=(last.id,))).readers == ()
        for foreign in (replace(OPERATOR, tenant="umbra"), replace(OPERATOR, app="shop")):
            assert store.reach(foreign, Roots(source="tool:mail", ids=(raw.id,))).items == ()
        (item,) = store.get(ADA, [last.id])
        assert set(item.provenance.derived_from) == {raw.id, middle.id}

    def test_reach_says_what_it_cannot_know(self, memory: MemorySite) -> None:
        """A label names so many origins; what has more may come from any source."""
        origins = (*(f"tool:a{number:03}" for number in range(ORIGINS_MAX)), "tool:mail")
        many = memory.one(note("Many", label=replace(TENANT, origins=origins)))
        few = memory.one(note("Few", label=replace(TENANT, origins=("tool:mail",))))
        memory.one(note("Others", label=replace(TENANT, origins=("tool:others",))))
        reach = memory.store.reach(OPERATOR, Roots(source="tool:mail"))
        assert (reach.items, reach.unsure) == ((few.id,), (many.id,))
        named = memory.store.reach(OPERATOR, Roots(source="tool:a001"))
        assert (named.items, named.unsure) == ((many.id,), ())
        assert memory.store.reach(OPERATOR, Roots(ids=(few.id,))).unsure == ()
        foreign = replace(OPERATOR, tenant="umbra")
        assert memory.store.reach(foreign, Roots(source="tool:mail")).unsure == ()

    def test_what_is_expired_leaves_nothing(self, memory: MemorySite) -> None:
        """Neither for words nor for vectors, nor who read it; the rest stays."""
        brief = memory.clock.now() + 10.0
        stamp = Stamp(embedder="e", vectors=[NEAR])
        (gone,) = memory.write(note("A lamp", expires_at=brief, key="k"), stamp=stamp)
        made = _from(gone.id)
        (left,) = memory.write(note("A lamp, in short", provenance=made), stamp=stamp)
        memory.store.note_reads("r1", 1, [gone.id])
        assert (memory.store.expire(), len(memory.found("lamp"))) == (0, 2)
        memory.clock.time += 100.0
        assert memory.store.stats(OPERATOR).expired == 1
        assert memory.store.expire() == 1
        assert memory.store.expire() == 0
        assert [one.id for one in memory.store.each(OPERATOR)] == [left.id]
        assert memory.store.get(OPERATOR, [gone.id]) == []
        assert (
            memory.store.reach(
                OPERATOR,
                Roots(
                    ids=(
                        gone.id,
                        left.id,
                    )
                ),
            ).readers
            == ()
        )
        assert memory.store.get(OPERATOR, [left.id])[0].provenance.derived_from == ()
        near = memory.candidates("", search=Search(terms={}), vector=NEAR, embedder="e")
        assert [one.id for one in near] == [left.id]
        again = memory.one(note("A lamp", key="k"))
        assert (again.merged, again.refused) == (False, False)

    def test_what_is_past_its_retention_is_gone_for_a_user(self, memory: MemorySite) -> None:
        """Also before it is removed; an operator sees it until then."""
        gone = memory.one(note("A lamp", subject="s", expires_at=memory.clock.now() + 10.0))
        for reader in (ADA, OPERATOR):
            assert len(memory.store.get(reader, [gone.id])) == 1
        memory.clock.time += 100.0
        assert memory.store.get(ADA, [gone.id]) == memory.store.history(ADA, "s", "") == []
        for found in (
            memory.store.get(OPERATOR, [gone.id]),
            memory.store.history(OPERATOR, "s", ""),
        ):
            assert [one.id for one in found] == [gone.id]

    def test_expiry_is_bounded(self, memory: MemorySite) -> None:
        """So many at once, in whatever tenant."""
        brief = memory.clock.now() + 10.0
        for reader in (ADA, replace(ADA, tenant="umbra")):
            memory.write(*(note(f"Item {one}", expires_at=brief) for one in range(3)), by=reader)
        memory.clock.time += 100.0
        assert [memory.store.expire(4), memory.store.expire(4)] == [4, 2]

    # Records.

    def test_records_come_in_order_and_in_pages(self, memory: MemorySite) -> None:
        """Each once."""
        written = memory.write(*(note(f"Item {number}") for number in range(700)))
        ids = [one.id for one in written]
        store = memory.store
        assert [one.id for one in store.each(OPERATOR)] == sorted(ids)
        first = store.items(ADA, states=["active"], most=3)
        then = store.items(ADA, states=["active"], after=first[-1].id, most=3)
        assert [one.id for one in (*first, *then)] == sorted(ids)[:6]
        assert store.items(ADA, states=["quarantined"]) == []
        asked = [ids[5], "m-none", ids[2], ids[5]]
        assert [one.id for one in store.get(ADA, asked)] == [ids[5], ids[2]]

    def test_an_item_comes_back_as_it_was_written(self, memory: MemorySite) -> None:
        """With its value, its label and where it comes from."""
        made = Provenance(
            run_id="r1", call=3, release="d0", by="user:ada", source="user:ada", derivation="x@1"
        )
        said = note(
            "Ada's cup", subject="s", predicate="cup", value={"size": [1, 2.5, None, True]},
            actor="Ada", thread="t", place=-3, valid_from=5.5, valid_to=2e9, provenance=made,
        )  # fmt: skip
        written = memory.one(said)
        (item,) = memory.store.get(ADA, [written.id])
        for name in (
            *("kind", "text", "subject", "predicate", "value", "label", "state", "provenance"),
            *("valid_from", "valid_to", "actor", "thread", "place"),
        ):
            assert getattr(item, name) == getattr(said, name), name
        assert (item.tenant, item.app, item.audience) == ("acme", "desk", "*")
        assert (item.recorded_at, item.retired_at) == (memory.clock.now(), None)
        assert item.expires_at > memory.clock.now()

    def test_statistics_count_what_is_kept_of_a_tenant(self, memory: MemorySite) -> None:
        """And nothing of another one."""
        memory.one(note("Theirs"), by=replace(ADA, tenant="umbra"))
        made = Provenance(source="tool:mail")
        stamp = Stamp(schema=2, embedder="e", vectors=[NEAR, NEAR])
        one, _ = memory.write(note("One"), outside("Two", provenance=made), stamp=stamp)
        memory.settle(one, state="forgotten")
        stats = memory.store.stats(OPERATOR)
        assert stats.items == {("semantic", "forgotten"): 1, ("semantic", "quarantined"): 1}
        assert (stats.sources, stats.embedders) == ({"tool:mail": 1}, {"e": 1})
        assert (stats.schemas, stats.tombstones, stats.expired) == ((2,), 1, 0)
