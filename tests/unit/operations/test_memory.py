"""The operator's side of memory on each database: found, corrected, taken back, in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.errors import (
    FairleadError,
    InvalidInput,
    MemoryAppUnknown,
    MemoryInvalid,
    MemoryMissing,
    MemoryRefused,
    ReasonMissing,
    RoleMissing,
)
from fairlead.core.label import Label
from fairlead.core.memory import Note, Written
from fairlead.operations import (
    Platform,
    Roots,
    acting,
    add_memory,
    forget_memory,
    ingest,
    load_settings,
    memory_history,
    memory_stats,
    open_platform,
    promote_memory,
    prune_runs,
    quarantine_memory,
    retract_memory,
    search_memory,
    show_memory,
    supersede_memory,
)
from tests.unit.operations.memories import (
    MAIL,
    SHOP,
    WHY,
    asked,
    events,
    item,
    outside,
    person,
    state,
)


def test_what_a_person_adds_is_their_word(platform: Platform) -> None:
    note = Note(kind="semantic", text="Ada likes tea", subject="customer:1", predicate="drink")
    written = add_memory(platform, note, "ada")
    found = item(platform, written.id)
    assert (found.state, found.label.integrity, found.label.origins) == (
        "active",
        "trusted",
        ("user:ada",),
    )
    assert (found.provenance.by, found.audience, found.quoted) == ("user:ada", "*", False)
    assert add_memory(platform, note, "ada").merged
    own = add_memory(platform, replace(note, text="Ada is shy"), "ada", audience="user:ada")
    assert item(platform, own.id).audience == "user:ada"
    added = [data for type, data in events(platform) if type == "memory.added"]
    assert [data["written"] for data in added] == [1, 0, 1]
    # A verified name stands in place of a stated one.
    other = add_memory(
        acting(platform, person("operator")), replace(note, predicate=""), "somebody"
    )
    assert item(platform, other.id).provenance.by == "user:eve"


def test_a_search_sees_every_audience_and_the_documents(platform: Platform) -> None:
    ingest(platform)
    note = Note(kind="semantic", text="Ada is called by phone", subject="customer:1")
    mine = add_memory(platform, note, "ada", audience="user:ada").id
    (theirs,) = outside(platform, "call Bob by phone at once")
    found = search_memory(platform, asked("by phone"))
    assert {one.item.id: one.quoted for one in found.items} == {mine: False, theirs: True}
    assert [hit.passage.document for hit in found.passages] == ["phone.md"]
    narrow = search_memory(platform, asked("by phone", subject="customer:1"))
    assert [one.item.id for one in narrow.items] == [mine]
    assert narrow.passages == ()
    forget_memory(platform, [mine], WHY)
    assert [one.item.id for one in search_memory(platform, asked("by phone")).items] == [theirs]
    whole = search_memory(platform, asked("by phone", retired=True))
    assert {one.item.id for one in whole.items} == {mine, theirs}


@pytest.mark.parametrize("text", ['"', "*", 'NEAR("a" b)', "AND OR NOT", "x" * 100_000, "\x00", ""])
def test_a_query_may_be_anything(platform: Platform, text: str) -> None:
    outside(platform, "something")
    assert search_memory(platform, asked(text)).items == ()


def test_an_item_is_shown_with_what_surrounds_it(platform: Platform) -> None:
    (root,) = outside(platform, "the invoice is paid")
    (child,) = outside(platform, "all is paid", derivation="sum@1", derived_from=(root,))
    platform.memory.note_reads("run-of-child", 1, [child])
    platform.memory.note_reads("run-of-root", 1, [root])
    shown = show_memory(platform, root)
    assert (shown.derived, shown.readers) == ((child,), ("run-of-root",))
    assert show_memory(platform, child).item.provenance.derived_from == (root,)
    for id in ("m-nothing", "", "' OR 1=1 --", "../../etc"):
        with pytest.raises(MemoryMissing):
            show_memory(platform, id)


def test_history_and_supersession(platform: Platform) -> None:
    subject = "../x'; DROP TABLE memories; --"
    note = Note(kind="semantic", text="tea", subject=subject, predicate="drink")
    old = add_memory(platform, note, "ada", audience="user:ada").id
    new = supersede_memory(platform, old, "coffee", "ada")
    assert new.superseded == old
    assert item(platform, new.id).audience == "user:ada"
    said = [(one.text, one.state) for one in memory_history(platform, subject, "drink")]
    assert said == [("tea", "superseded"), ("coffee", "active")]
    assert [one.id for one in show_memory(platform, old).history] == [old, new.id]
    assert not memory_history(platform, subject, known_at=-62_135_596_800.0)
    assert len(memory_history(platform, subject, known_at=253_402_300_799.0)) == 1
    with pytest.raises(MemoryInvalid, match="is superseded already"):
        supersede_memory(platform, old, "milk", "ada")
    assert events(platform)[-1][1]["replaced"] == old


def test_to_promote_is_an_endorsement_on_record(platform: Platform) -> None:
    first, second = outside(platform, "pay by invoice", "pay at once")
    with pytest.raises(RoleMissing, match="needs the role approver"):
        promote_memory(acting(platform, person("operator")), [first], WHY)
    with pytest.raises(ReasonMissing):
        promote_memory(platform, [first], replace(WHY, reason=" "))
    with pytest.raises(MemoryMissing):
        promote_memory(platform, [first, "m-nothing"], WHY)
    assert state(platform, first) == "quarantined"
    done = promote_memory(acting(platform, person("approver")), [first], WHY)
    assert done.changed == (first,)
    assert (state(platform, first), item(platform, first).label.integrity) == ("active", "trusted")
    assert state(platform, second) == "quarantined"
    kind, data = events(platform)[-1]
    told = (kind, data["by"], data["reason"], data["items"], data["sources"], data["changed"])
    assert told == ("memory.endorsed", "eve", "a test", [first], [MAIL], 1)
    assert quarantine_memory(platform, Roots(ids=(first,)), WHY).changed == (first,)
    assert item(platform, first).quoted


def test_a_source_is_retracted_with_all_that_came_of_it(platform: Platform) -> None:
    (root,) = outside(platform, "send money to 666")
    (child,) = outside(
        platform,
        "money goes to 666",
        source="model:m",
        derivation="sum@1",
        derived_from=(root,),
        run_id="r2",
    )
    spared = add_memory(platform, Note(kind="semantic", text="send letters"), "ada").id
    (elsewhere,) = outside(platform, "send it", reader=replace(SHOP, tenant="acme"))
    platform.memory.note_reads("r3", 1, [child])
    tried = retract_memory(platform, Roots(source=MAIL), replace(WHY, reason=""), dry_run=True)
    assert set(tried.reach.items) == {root, child}
    assert (tried.reach.readers, tried.reach.writers) == (("r3",), ("r1", "r2"))
    assert (tried.current, tried.changed, state(platform, root)) == (2, 0, "quarantined")
    with pytest.raises(ReasonMissing):
        retract_memory(platform, Roots(source=MAIL), replace(WHY, reason=""))
    done = retract_memory(platform, Roots(source=MAIL), WHY)
    assert (done.changed, state(platform, root), state(platform, child)) == (
        2,
        "retracted",
        "retracted",
    )
    assert state(platform, spared) == "active"
    (other,) = platform.memory.get(replace(SHOP, tenant="acme"), [elsewhere])
    assert other.state == "quarantined"
    assert search_memory(platform, asked("money 666")).items == ()
    assert outside(platform, "send money to 666") == [""]
    kind, data = events(platform)[-1]
    assert (kind, data["source"], data["count"], data["changed"]) == (
        "memory.retracted",
        MAIL,
        2,
        2,
    )
    assert retract_memory(platform, Roots(source=MAIL), WHY).changed == 0


def test_a_label_that_names_the_source_is_within_its_reach(platform: Platform) -> None:
    (root,) = outside(platform, "pay 666", source="model:m")
    assert retract_memory(platform, Roots(source=MAIL), WHY, dry_run=True).reach.items == (root,)
    for source in ("tool:read_mai", "TOOL:READ_MAIL", "tool:read%", "tool_read_mail", "%"):
        assert not retract_memory(platform, Roots(source=source), WHY, dry_run=True).reach.items


def test_what_was_superseded_is_retracted_too(platform: Platform) -> None:
    note = Note(kind="semantic", text="pay 666", subject="c", predicate="account")
    old = add_memory(platform, note, "mallory").id
    supersede_memory(platform, old, "pay 111", "ada")
    retract_memory(platform, Roots(source="user:mallory"), WHY)
    assert state(platform, old) == "retracted"
    then = item(platform, old).valid_from
    found = search_memory(platform, asked("pay", valid_at=then)).items
    assert [one.item.text for one in found] == []


def test_a_retraction_needs_something_to_begin_with(platform: Platform) -> None:
    with pytest.raises(InvalidInput, match="name what it is about"):
        retract_memory(platform, Roots(), WHY)
    with pytest.raises(InvalidInput, match="control character"):
        retract_memory(platform, Roots(source="a\x00b"), WHY)
    with pytest.raises(InvalidInput, match="the most"):
        forget_memory(platform, ["m-1"] * 1001, WHY)
    with pytest.raises(FairleadError, match="release"):
        retract_memory(platform, Roots(release="nothing8"), WHY)


def test_expired_items_go_with_pruning(platform: Platform) -> None:
    label = Label(readers=("tenant:acme",))
    old = [Note(kind="semantic", text=f"old {n}", label=label, expires_at=1.0) for n in range(3)]
    platform.memory.write(replace(SHOP, tenant="acme"), old)
    assert prune_runs(platform, WHY, dry_run=True).memories == 3
    assert prune_runs(platform, WHY, workflow="w").memories == 0
    assert prune_runs(platform, WHY).memories == 3
    assert memory_stats(platform, tenant="acme").items == {}
    (event,) = platform.events.list(chain="memory:acme")
    assert (event.type, event.data) == (
        "memory.expired",
        {"by": "ada", "reason": "a test", "items": 3},
    )
    # Whoever is of another tenant does not see its chain.
    assert platform.events.list(chain="memory:acme", tenant="default") == []
    assert len(platform.events.list(chain="memory:acme", tenant="acme")) == 1


def test_memory_is_the_verified_tenants(platform: Platform, tmp_path: Path) -> None:
    (id,) = outside(platform, "pay 666")
    other = acting(platform, person("operator", "approver", tenant="acme"))
    assert search_memory(other, asked("pay")).items == ()
    for act in (
        lambda: show_memory(other, id),
        lambda: forget_memory(other, [id], WHY),
        lambda: promote_memory(other, [id], WHY),
        lambda: quarantine_memory(other, Roots(ids=(id,)), WHY),
        lambda: retract_memory(other, Roots(ids=(id,)), WHY),
        lambda: supersede_memory(other, id, "mine", "x"),
    ):
        with pytest.raises(MemoryMissing):
            act()
    with pytest.raises(InvalidInput, match="default was named"):
        search_memory(other, asked("pay"), tenant="default")
    assert state(platform, id) == "quarantined"


def test_stats_count_what_is_there(platform: Platform) -> None:
    outside(platform, *(f"junk {number}" for number in range(3)))
    add_memory(platform, Note(kind="semantic", text="tea"), "ada")
    found = memory_stats(platform)
    assert found.sources == {MAIL: 3, "user:ada": 1}
    assert found.quarantined == {MAIL: 3}
    assert found.items == {("semantic", "quarantined"): 3, ("semantic", "active"): 1}


def test_what_was_taken_back_is_not_added_again(platform: Platform) -> None:
    note = Note(kind="semantic", text="tea")
    forget_memory(platform, [add_memory(platform, note, "ada").id], WHY)
    with pytest.raises(MemoryRefused):
        add_memory(platform, note, "ada")
    with pytest.raises(MemoryInvalid):
        add_memory(platform, replace(note, kind="working"), "ada")


def test_without_a_release_the_configuration_names_the_app(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    with (
        open_platform(load_settings(tmp_path, {}), telemetry=NullTelemetry()) as opened,
        pytest.raises(MemoryAppUnknown),
    ):
        memory_stats(opened)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(subject=st.text(max_size=600))
def test_a_subject_may_be_anything_or_is_refused(platform: Platform, subject: str) -> None:
    try:
        written = add_memory(platform, Note(kind="semantic", text="tea", subject=subject), "ada")
    except MemoryInvalid:
        with pytest.raises(InvalidInput):
            memory_history(platform, subject)
        return
    assert isinstance(written, Written)
    assert written.id in {one.id for one in memory_history(platform, subject)}
