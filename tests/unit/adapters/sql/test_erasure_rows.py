"""Values in rows: taken out of the tenant's own, left in everybody else's, on each database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.compare import differences
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.schema import blobs, documents, runs, signals
from fairlead.adapters.sql.schema_bounds import kill_switches
from fairlead.adapters.sql.schema_memory import erased_blobs, erasures
from fairlead.adapters.sql.schema_releases import archives, environments, gate_evidence
from fairlead.core.archive import pack
from fairlead.core.errors import (
    StoreCorrupt,
)
from fairlead.guardrails.content.erasing import Eraser
from tests.unit.adapters.sql.erasing import (
    CANARY,
    TEXT,
    Office,
    note,
    office_of,
)


@pytest.fixture
def office(database: Database) -> Office:
    return office_of(database)


def scrubbed(office: Office, *values: str) -> Any:
    office.write(note("a fact of her own"))
    erasure = office.begin(subject="c:1", values=values)
    return office.store.scrub(erasure, Eraser(values))


def traced(office: Office) -> Any:
    erasure = office.store.get(office.store.open()[0])
    return office.store.traces(erasure, Eraser([CANARY]))


def test_payloads_are_scrubbed_and_are_read_again_and_the_log_agrees(office: Office) -> None:
    name = office.put({"text": TEXT, "kept": "sibling"})
    office.run("r1", input_digest=name)
    found = scrubbed(office, CANARY)
    assert found.places == {"blobs.data": 1}
    assert office.get(name) == {"text": 'She said "[erased]", at home', "kept": "sibling"}
    with office.database.reading() as connection:
        assert f"payload {name[:12]} was changed" not in list(differences(connection))
    # Whoever stores the same now means it.
    assert office.put({"text": TEXT, "kept": "sibling"}) == name
    assert office.get(name)["text"] == TEXT
    assert office.all(sa.select(erased_blobs)) == []


def test_a_value_in_a_releases_files_is_left_and_named(office: Office) -> None:
    """As it is with the release itself: it would be another one."""
    archive = pack({"code/app.py": f"# {TEXT}\n".encode()})
    office.do(sa.insert(archives).values(**vars(archive), created_at=1.0))
    found = scrubbed(office, CANARY)
    assert [(one.place, one.count, one.why) for one in found.left] == [
        ("archives.data", 1, "a release is what its digest says")
    ]
    assert [row.data for row in office.all(sa.select(archives))] == [archive.data]


def test_a_value_in_evidence_and_in_rules_is_left_and_named(office: Office) -> None:
    row = {"release": "r", "conclusion": "success", "checks": f'["{TEXT}"]', "time": 1.0}
    office.do(sa.insert(gate_evidence).values(**row, by="ann", digest="d"))
    words = {"by": "ann", "reason": TEXT, "digest": "d", "time": 1.0}
    office.do(sa.insert(environments).values(name="p", number=1, rules="{}", **words))
    found = scrubbed(office, CANARY)
    assert sorted((one.place, one.why) for one in found.left) == [
        ("environments.reason", "rules are what their digest says"),
        ("gate_evidence.checks", "evidence is what its digest says"),
    ]
    assert [row.reason for row in office.all(sa.select(environments))] == [TEXT]


def test_a_payload_that_somebody_changed_is_no_erasure(office: Office) -> None:
    name = office.put({"text": TEXT})
    office.run("r1", input_digest=name)
    office.do(sa.update(blobs).values(data=b'{"text":"forged"}'))
    with pytest.raises(StoreCorrupt):
        office.get(name)
    # Nor when the table says so, and no event does.
    text = dict.fromkeys(("selector", "reason", "receipt", "holder"), "")
    forged = {"id": "e-forged", "tenant": "acme", "stage": "done", "by": "eve", **text}
    office.do(
        sa.insert(erasures).values(**forged, begun_at=1.0, ended_at=2.0, held_until=0.0),
        sa.insert(erased_blobs).values(digest=name, erasure="e-forged"),
    )
    with office.database.reading() as connection:
        assert f"payload {name[:12]} was changed" in list(differences(connection))


def test_a_payload_that_another_tenant_has_too_is_left_and_named(office: Office) -> None:
    name = office.put({"text": TEXT})
    office.run("r1", input_digest=name)
    office.run("r2", tenant="other", input_digest=name)
    found = scrubbed(office, CANARY)
    assert found.places == {}
    assert [(one.place, one.count) for one in found.left] == [("blobs.data", 1)]
    assert office.get(name) == {"text": TEXT}


def signal(run_id: str, name: str) -> Any:
    row = {"run_id": run_id, "sequence": 1, "name": name, "payload_digest": "-", "by": "ann"}
    return sa.insert(signals).values(**row, sent_at=1.0)


def test_rows_of_the_tenant_are_scrubbed_and_those_of_others_are_not(office: Office) -> None:
    for tenant in ("acme", "other"):
        office.run(tenant, tenant=tenant, reason=f"because of {CANARY.lower()}", start_key=CANARY)
        office.do(signal(tenant, f"for {CANARY}"))
    office.do(
        sa.insert(kill_switches).values(
            scope="tool", which="t", by="ann", reason=f"of {CANARY}", at=1.0
        )
    )
    found = scrubbed(office, CANARY)
    assert found.places == {"runs.reason": 1}
    assert {one.place for one in found.left} == {
        "runs.start_key",
        "signals.name",
        "kill_switches.reason",
    }
    told = sa.select(runs.c.reason, runs.c.start_key).order_by(runs.c.tenant)
    assert office.all(told) == [
        ("because of [erased]", CANARY),
        (f"because of {CANARY.lower()}", CANARY),
    ]
    where = {one.place for one in traced(office)}
    assert where == {
        "runs.reason",
        "runs.start_key",
        "signals.name",
        "kill_switches.reason",
        "memories.text",
    }


def test_a_value_that_is_the_name_or_the_state_of_a_run_changes_no_run(office: Office) -> None:
    office.run("r1", state="succeeded", workflow="onboarding_talk", release="0123456789abcdef")
    office.run("r2", root_id="r1-of-the-family", lineage="r1-of-the-family")
    before = office.all(sa.select(runs).order_by(runs.c.id))
    found = scrubbed(office, "succeeded", "onboarding_talk", "0123456789abcdef", "r1-of-the-family")
    assert found.places == {}
    assert office.all(sa.select(runs).order_by(runs.c.id)) == before
    assert "runs.workflow" in {one.place for one in found.left}


def test_documents_keep_their_places_and_are_found_by_the_rest(office: Office) -> None:
    from fairlead.core.grounding import Passage
    from fairlead.ports.documents import Document, Query

    store = SqlDocumentStore(office.database)
    text = f"a street {CANARY} and a sibling"
    for tenant in ("acme", "other"):
        passage = Passage(
            collection="notes", document="a", title="T", start=0, end=len(text), text=text
        )
        store.replace(
            tenant,
            "notes",
            [Document(path="a", title="T", digest="d", text=text, passages=(passage,))],
        )
    found = scrubbed(office, CANARY)
    assert found.places == {"documents.text": 1, "passages.text": 1}
    [(left,)] = office.all(sa.select(documents.c.text).where(documents.c.tenant == "acme"))
    assert left == text.replace(CANARY, "*" * len(CANARY))
    for tenant, word, count in (("acme", CANARY, 0), ("acme", "sibling", 1), ("other", CANARY, 1)):
        query = Query(tenant=tenant, collections=("notes",), text=word, top_k=3)
        assert len(store.search(query)) == count, (tenant, word)
    # Nor does an index have its words any more, except for the other tenant's.
    places = {one.place: one.count for one in traced(office)}
    assert places == dict.fromkeys(places, 1)
