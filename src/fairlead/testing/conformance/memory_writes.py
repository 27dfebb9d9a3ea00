"""What becomes of a note: written once, merged, refused, or in the place of another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import MemoryKeyTaken
from fairlead.core.memory import Note, Provenance, Reader
from fairlead.core.vectors import unit
from fairlead.ports.memory import Roots, Stamp
from fairlead.testing.conformance.memory_site import (
    ADA,
    BOB,
    OPERATOR,
    MemorySite,
    note,
    outside,
    private,
)

SAID = "The invoice is paid by Ada"
SAME = {
    "exact": SAID,
    "case": "THE INVOICE IS PAID BY ADA",
    "width": "The invoice is paid by Ａｄａ",  # noqa: RUF001
    "articles": "Invoice is paid by Ada",
    "punctuation": "The invoice: is paid, by Ada!",
    "spaces": "The  invoice\tis paid\nby Ada",
    "look-alikes": "Thе invоice is рaid by Ada",  # noqa: RUF001
    "invisible": "The in\u200bvoice is paid by Ada",
    "accents": "Thé invoice is paid by Ada",
}
OTHER = {
    "negation": "The invoice is not paid by Ada",
    "contraction": "The invoice isn't paid by Ada",
    "order": "Ada is paid by the invoice",
    "number": "The invoice 2 is paid by Ada",
    "name": "The invoice is paid by Bob",
}


class MemoryWriteConformance:
    """Writes."""

    def test_under_a_key_it_is_written_once(self, memory: MemorySite) -> None:
        """A repeat is answered as before, in one write as well, and however it is spelled."""
        first = memory.one(note("The tea is hot", key="k"))
        again = memory.one(note("The tea is HOT!", key="k"))
        assert (again.id, again.merged, memory.found("tea")) == (first.id, True, ["The tea is hot"])
        one, two = memory.write(note("A cup", key="c"), note("A cup", key="c"))
        assert (two.id, two.merged) == (one.id, True)
        assert memory.one(note("The tea is cold", key="other")).merged is False

    @pytest.mark.parametrize(
        "other", [{"text": "The tea is cold"}, {"value": 90}, {"subject": "t"}]
    )
    def test_a_key_says_one_thing(self, memory: MemorySite, other: dict[str, Any]) -> None:
        """What says otherwise is refused with the key's name, and nothing of its write is kept."""
        said = note("The tea is hot", key="k")
        first = memory.one(said)
        with pytest.raises(MemoryKeyTaken) as refused:
            memory.write(note("A cup"), replace(said, **other))
        assert refused.value.ids == {"key": "k", "item": first.id}
        assert memory.current() == ["The tea is hot"]
        with pytest.raises(MemoryKeyTaken):
            memory.write(note("A cup", key="c"), note("A mug", key="c"))

    def test_a_corrected_fork_says_otherwise_under_its_runs_key(self, memory: MemorySite) -> None:
        """It keeps the keys of the run's calls; what it writes takes the place of what was said."""

        def by(run: str, text: str, release: str = "r1") -> Note:
            return note(text, key="root/3", provenance=Provenance(run_id=run, release=release))

        first = memory.one(by("r-1", "The tea is hot"))
        same = memory.one(by("r-2", "The tea is hot"))
        assert (same.id, same.merged) == (first.id, True)
        fork = memory.one(by("r-2", "The tea is cold"))
        assert (fork.merged, fork.superseded) == (False, first.id)
        assert memory.found("tea") == ["The tea is cold"]
        # Executed again after a crash, each finds its own.
        for run, text, own in (("r-1", "The tea is hot", first), ("r-2", "The tea is cold", fork)):
            again = memory.one(by(run, text))
            assert (again.id, again.merged) == (own.id, True)
        for run in ("r-1", "r-2"):
            with pytest.raises(MemoryKeyTaken):
                memory.one(by(run, "There is no tea"))
        # Moved to another release, it is a fork as well; and what was replaced can be said anew.
        moved = memory.one(by("r-2", "There is no tea", "r2"))
        back = memory.one(by("r-3", "The tea is hot"))
        assert (moved.merged, back.merged) == (False, False)

    def test_a_key_is_a_key_within_a_tenants_app(self, memory: MemorySite) -> None:
        """Another one's key is no key."""
        mine = memory.one(note("The tea is hot", key="k"))
        for other in (replace(OPERATOR, tenant="umbra"), replace(OPERATOR, app="shop")):
            written = memory.one(note("Their tea", key="k"), by=other)
            assert (written.merged, written.id == mine.id) == (False, False)

    @pytest.mark.parametrize("name", SAME)
    def test_the_same_is_merged(self, memory: MemorySite, name: str) -> None:
        """However it is written; it is counted."""
        first, again = memory.one(note(SAID)), memory.one(note(SAME[name]))
        assert (again.id, again.merged) == (first.id, True)
        (kept,) = memory.store.get(ADA, [first.id])
        assert (kept.text, kept.seen) == (SAID, 2)

    @pytest.mark.parametrize("name", OTHER)
    def test_what_says_otherwise_is_not_merged(self, memory: MemorySite, name: str) -> None:
        """A negation and a number are another thing."""
        memory.one(note(SAID))
        assert memory.one(note(OTHER[name])).merged is False
        assert memory.found("invoice") == sorted((SAID, OTHER[name]))

    def test_duplicates_of_one_write_are_merged(self, memory: MemorySite) -> None:
        """The first one stays."""
        first, again = memory.write(note(SAID), note(SAME["case"]))
        assert (again.id, again.merged) == (first.id, True)

    def test_the_same_of_another_audience_subject_or_kind_stays_apart(
        self, memory: MemorySite
    ) -> None:
        """So does what happened twice in a thread."""
        written = memory.write(
            note(SAID),
            note(SAID, label=private(ADA)),
            note(SAID, subject="s"),
            note(SAID, kind="episodic", thread="t", place=1),
            note(SAID, kind="episodic", thread="t", place=2),
        )
        assert len({one.id for one in written}) == 5

    def test_what_is_so_again_after_its_end_is_no_duplicate(self, memory: MemorySite) -> None:
        """It would be merged into what is over, and never be recalled."""
        now = memory.clock.now()
        memory.one(note("Ada works here", valid_from=now - 100, valid_to=now - 50))
        assert memory.found("works") == []
        assert memory.one(note("Ada works here")).merged is False
        assert memory.found("works") == ["Ada works here"]

    def test_what_is_better_trusted_replaces_the_same(self, memory: MemorySite) -> None:
        """And what is worse is merged into it."""
        worse = memory.one(outside(SAID))
        better = memory.one(note(SAID))
        assert (better.superseded, better.merged) == (worse.id, False)
        assert memory.one(outside(SAID)).id == better.id
        (kept,) = memory.store.get(ADA, [better.id])
        assert not kept.quoted
        assert memory.found("invoice", quarantined=False) == [SAID]

    # Slots.

    def test_a_subject_has_one_current_item_for_a_predicate(self, memory: MemorySite) -> None:
        """The newest; others stand beside each other."""
        of = {"subject": "c1", "predicate": "contact"}
        first = memory.one(note("Contact by mail", **of))
        second = memory.one(note("Contact by phone", **of))
        assert second.superseded == first.id
        memory.write(
            note("Contact by letter", subject="c2", predicate="contact"),
            note("Contact was made", subject="c1"),
            note("Contact by fax", **of, label=private(BOB)),
        )
        assert memory.current(subject="c1") == ["Contact by phone", "Contact was made"]
        before, now = memory.store.history(ADA, "c1", "contact")
        assert (before.state, before.valid_to, now.retired_at) == (
            "superseded",
            now.valid_from,
            None,
        )

    def test_a_batch_of_one_slot_leaves_its_last(self, memory: MemorySite) -> None:
        """All in one write."""
        of = {"subject": "c1", "predicate": "contact"}
        memory.write(*(note(f"Contact {name}", **of) for name in ("mail", "phone", "fax")))
        assert memory.current(subject="c1") == ["Contact fax"]

    def test_what_names_another_item_replaces_it_and_its_own_slots(
        self, memory: MemorySite
    ) -> None:
        """A slot has one current item, whatever is named."""
        of = {"subject": "c1", "predicate": "contact"}
        loose = memory.one(note("Ada said mail"))
        memory.one(note("Contact by mail", **of))
        memory.one(note("Contact by phone", **of, supersedes=loose.id))
        assert memory.current() == ["Contact by phone"]

    def test_a_fact_of_an_earlier_time_changes_nothing_of_now(self, memory: MemorySite) -> None:
        """It ends where what is known begins."""
        of = {"subject": "c1", "predicate": "contact"}
        now = memory.clock.now()
        memory.one(note("Contact by phone", **of, valid_from=now))
        late = memory.one(note("Contact by mail", **of, valid_from=now - 100))
        assert (late.state, late.superseded) == ("superseded", "")
        assert memory.found("contact") == ["Contact by phone"]
        assert memory.found("contact", valid_at=now - 50) == ["Contact by mail"]
        assert memory.found("contact", valid_at=now) == ["Contact by phone"]

    def test_what_is_trusted_less_only_proposes(self, memory: MemorySite) -> None:
        """A promotion makes it the one; what it replaces ends."""
        of = {"subject": "c1", "predicate": "contact"}
        memory.one(note("Contact by mail", **of))
        proposed = memory.one(outside("Contact by phone", **of))
        assert (proposed.state, proposed.superseded) == ("quarantined", "")
        assert memory.found("contact", quarantined=False) == ["Contact by mail"]
        assert memory.settle(proposed, state="active") == [proposed.id]
        assert memory.found("contact") == ["Contact by phone"]
        (item,) = memory.store.get(ADA, [proposed.id])
        assert not item.quoted

    def test_a_proposal_keeps_no_fact_out(self, memory: MemorySite) -> None:
        """Neither by its time, nor by being said first."""
        of = {"subject": "c1", "predicate": "contact"}
        now = memory.clock.now()
        memory.one(outside("Contact by phone", **of, valid_from=now + 50))
        fact = memory.one(note("Contact by mail", **of, valid_from=now))
        assert fact.state == "active"
        memory.one(outside("Contact by fax", **of))
        memory.one(note("Contact by fax", **of))
        assert memory.current(subject="c1", state="active") == ["Contact by fax"]

    def test_a_promotion_extends_no_end(self, memory: MemorySite) -> None:
        """What it replaces had ended before."""
        of = {"subject": "c1", "predicate": "contact"}
        now = memory.clock.now()
        memory.one(note("Contact by mail", **of, valid_from=now - 100, valid_to=now - 50))
        proposed = memory.one(outside("Contact by phone", **of))
        memory.settle(proposed, state="active")
        assert memory.found("contact", valid_at=now - 60) == ["Contact by mail"]
        assert memory.found("contact", valid_at=now - 40) == []

    def test_a_proposal_to_replace_a_named_item_replaces_it_once_promoted(
        self, memory: MemorySite
    ) -> None:
        """And not before."""
        first = memory.one(note("The gate is open"))
        proposed = memory.one(outside("The gate is shut", supersedes=first.id))
        assert memory.found("gate") == ["The gate is open", "The gate is shut"]
        memory.settle(proposed, state="active")
        assert memory.found("gate") == ["The gate is shut"]

    def test_what_another_user_keeps_is_not_replaced(self, memory: MemorySite) -> None:
        """Naming its id does nothing; the owner's own does."""
        theirs = memory.one(note("Bob's code is 1", label=private(BOB)), by=BOB)
        mine = memory.one(note("It is 2", label=private(ADA), supersedes=theirs.id))
        assert mine.superseded == ""
        assert memory.found("code", BOB) == ["Bob's code is 1"]
        memory.one(note("It is 3", label=private(BOB), supersedes=theirs.id), by=BOB)
        assert memory.found("code", BOB) == []

    # Tombstones.

    @pytest.mark.parametrize("state", ["forgotten", "retracted"])
    def test_what_was_taken_back_is_not_learned_again(self, memory: MemorySite, state: str) -> None:
        """In none of its spellings; of another subject, in another app and tenant it is."""
        written = memory.one(note(SAID, subject="s"))
        memory.settle(written, state=state)  # type: ignore[arg-type]
        for text in SAME.values():
            refused = memory.one(note(text, subject="s"))
            assert (refused.refused, refused.id) == (True, "")
        assert memory.found("invoice") == []
        assert not memory.one(note(OTHER["negation"], subject="s")).refused
        assert not memory.one(note(SAID, subject="t")).refused
        for other in (replace(OPERATOR, app="shop"), Reader(tenant="umbra", app="desk")):
            assert not memory.one(note(SAID, subject="s"), by=other).refused

    def test_laundering_brings_nothing_back(self, memory: MemorySite) -> None:
        """Neither a trusted word for it, nor a key, nor a summary, nor the source once more."""
        raw = memory.one(outside("The code is 4711", subject="s"))
        made = Provenance(derivation="summarise@1", derived_from=(raw.id,))
        derived = memory.one(note("Use code 4711", subject="s", provenance=made))
        reach = memory.store.reach(OPERATOR, Roots(ids=(raw.id,)))
        assert set(reach.items) == {raw.id, derived.id}
        memory.settle(raw, derived, state="retracted")
        for again in (
            outside("the CODE is 4711.", subject="s"),
            note("The code is 4711", subject="s", key="new"),
            note("Use code 4711!", subject="s", provenance=made),
        ):
            assert memory.one(again).refused
        assert memory.found("code") == []

    def test_a_value_that_was_taken_back_is_refused_for_its_predicate(
        self, memory: MemorySite
    ) -> None:
        """However it is worded; for another predicate it says something else."""
        of = {"subject": "s", "value": "yes"}
        written = memory.one(note("Ada is a member", predicate="member", **of))
        memory.settle(written, state="retracted")
        assert memory.one(note("Membership: confirmed", predicate="member", **of)).refused
        assert not memory.one(note("Ada likes tea", predicate="tea", **of)).refused

    def test_what_is_over_cannot_be_settled(self, memory: MemorySite) -> None:
        """Neither promoted nor taken back; a state that it has is no change."""
        written = memory.one(outside(SAID))
        assert memory.settle(written, state="quarantined") == []
        assert memory.settle(written, state="active") == [written.id]
        assert memory.settle(written, state="active") == []
        assert memory.settle(written, state="retracted") == [written.id]
        assert memory.settle(written, state="active") == []
        assert memory.settle(written, state="forgotten") == []

    def test_a_write_is_whole_or_nothing(self, memory: MemorySite) -> None:
        """One vector is missing."""
        stamp = Stamp(embedder="e", vectors=[unit([1.0, 0.0])])
        with pytest.raises(ValueError, match=r"vectors|argument"):
            memory.write(note("The tea is hot"), note("The tea is cold"), stamp=stamp)
        assert list(memory.store.each(OPERATOR)) == []
        assert memory.write() == []
