"""Rules and evidence on SQL: kept as they were set and found, and whoever changes them is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.compare import differences
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.environments import SqlEnvironmentStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.core.digests import digest
from fairlead.core.environments import (
    ANYWHERE,
    GATES,
    NO_RULES,
    ApprovalRules,
    EnvironmentRules,
    Freeze,
)
from fairlead.core.errors import GateRefused, StoreCorrupt
from fairlead.core.event import Fact, verify_chain
from fairlead.core.release import Release
from fairlead.ports.clock import SystemClock
from fairlead.ports.environments import Ruled
from fairlead.ports.releases import Activation, Evidence
from fairlead.ports.runs import Order
from tests.unit.adapters.sql.test_concurrency import at_once
from tests.unit.adapters.sql.test_releases import MANIFEST, Shelf

ORDER = Order(by="ann", reason="we go live")
STRICT = EnvironmentRules(
    tier="production",
    gates=GATES,
    evidence_s={"replay": 3600.0},
    approval=ApprovalRules(role="operator", count=2),
    freezes=(Freeze(reason="r", weekly="fri 16:00 - mon 08:00", zone="Europe/Vienna"),),
)


class Desk(Shelf):
    """One release, and the rules of environments."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.rules = SqlEnvironmentStore(database, self.clock)
        self.release = self.put(MANIFEST)

    def record(self, gate: str = "replay", conclusion: str = "success", where: str = "p") -> str:
        return self.store.record_gate(self.evidence(gate, conclusion, where))

    def evidence(self, gate: str, conclusion: str, where: str) -> Evidence:
        return Evidence(
            release=self.release.digest,
            conclusion=conclusion,
            checks=[{"name": gate, "figures": {"share": 0.5, "n": 1}}],
            time=self.clock.now(),
            gate=gate,
            environment=where,
            by="ann",
            verified=True,
        )

    def gaps(self) -> list[str]:
        with self.database.reading() as connection:
            return [*differences(connection)]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_the_newest_rules_are_in_force_with_their_event(desk: Desk) -> None:
    assert desk.rules.rules("p") == NO_RULES
    assert desk.rules.standing("p") is None
    first = desk.rules.set("p", EnvironmentRules(), ORDER)
    second = desk.rules.set("p", STRICT, replace(ORDER, by="bob"))
    assert (first.number, second.number) == (1, 2)
    assert desk.rules.standing("p") == second
    assert desk.rules.rules("p") == STRICT
    assert desk.rules.list() == [second]
    events = desk.events.list(chain="rules:p")
    assert [event.type for event in events] == ["environment.changed"] * 2
    assert verify_chain(events) is None
    assert events[1].data["by"] == "bob"
    assert desk.gaps() == []


def test_what_has_no_rules_of_its_own_has_those_of_all_others(desk: Desk) -> None:
    desk.rules.set(ANYWHERE, STRICT, ORDER)
    assert desk.rules.rules("another-name") == STRICT
    desk.rules.set("p", EnvironmentRules(), ORDER)
    assert desk.rules.rules("p") == EnvironmentRules()
    assert [one.environment for one in desk.rules.list()] == [ANYWHERE, "p"]


def test_two_who_set_rules_at_once_are_one_behind_the_other(database: Database) -> None:
    store = SqlEnvironmentStore(database, SystemClock())

    def change() -> Ruled:
        return store.set("p", STRICT, ORDER)

    done = at_once(*[change] * 6)
    assert sorted(one.number for one in done) == [1, 2, 3, 4, 5, 6]
    assert SqlEventLog(database, SystemClock()).gaps() == []


def test_evidence_is_named_by_the_digest_of_all_that_it_says(desk: Desk) -> None:
    desk.clock.time = 5.0
    name = desk.record()
    [found] = desk.store.evidence_of(desk.release.digest, "replay", "p")
    assert found == desk.evidence("replay", "success", "p")
    assert name == digest(vars(found))
    [event] = desk.events.list(chain=f"release:{desk.release.digest}")[1:]
    assert event.data == {
        "gate": "replay", "environment": "p", "conclusion": "success", "by": "ann",
        "evidence": name,
    }  # fmt: skip
    assert desk.gaps() == []


def test_evidence_is_found_by_gate_and_place_the_newest_first(desk: Desk) -> None:
    for gate, conclusion, where in (
        ("replay", "success", "p"),
        ("replay", "failure", "q"),
        ("check", "failure", ""),
        ("check", "success", ""),
        ("replay", "neutral", "p"),
    ):
        desk.record(gate, conclusion, where)
    of, release = desk.store.evidence_of, desk.release.digest
    assert [one.conclusion for one in of(release, "replay", "p", limit=5)] == ["neutral", "success"]
    assert [one.conclusion for one in of(release, "replay", "q")] == ["failure"]
    assert of(release, "replay") == []
    assert [one.conclusion for one in of(release, "check", "p", limit=2)] == ["success", "failure"]
    assert len(desk.store.evidence_on(release)) == 5
    assert len(desk.store.evidence_on(release, 2)) == 2
    gate = desk.store.gate(release)
    assert gate is not None
    assert gate.conclusion == "success"


def test_of_each_person_the_newest_word_is_found_and_denials_first(desk: Desk) -> None:
    denial = desk.evidence("approval", "failure", "p")
    for by, conclusion in (("cyd", "success"), ("cyd", "failure"), *[("bob", "success")] * 4):
        desk.store.record_gate(replace(denial, by=by, conclusion=conclusion, verified=False))
    desk.store.record_gate(replace(denial, by="bob", verified=True, conclusion="success"))
    desk.store.record_gate(replace(denial, by="dan", environment="q"))
    find, release = desk.store.evidence_of, desk.release.digest
    found = find(release, "approval", "p", limit=9, of_each=True)
    assert [(one.by, one.verified) for one in found] == [
        ("cyd", False), ("bob", True), ("bob", False),
    ]  # fmt: skip
    assert [one.by for one in find(release, "approval", "p", limit=1, of_each=True)] == ["cyd"]


TAMPERED = [
    "UPDATE gate_evidence SET conclusion = 'success'",
    "UPDATE gate_evidence SET gate = 'check'",
    "UPDATE gate_evidence SET environment = 'q'",
    "UPDATE gate_evidence SET environment = ''",
    "UPDATE gate_evidence SET \"by\" = 'bob'",
    "UPDATE gate_evidence SET verified = false",
    "UPDATE gate_evidence SET time = time + 86400",
    "UPDATE gate_evidence SET checks = '[]'",
    "UPDATE gate_evidence SET checks = '{'",
    "UPDATE gate_evidence SET digest = ''",
    f"UPDATE gate_evidence SET digest = '{'0' * 64}'",
]


@pytest.mark.parametrize("statement", TAMPERED)
def test_evidence_that_was_changed_is_found_and_lets_nothing_through(
    desk: Desk, statement: str
) -> None:
    desk.record(conclusion="failure")
    desk.spoil(statement)
    assert any("is not as its event says" in line for line in desk.gaps()), desk.gaps()
    with pytest.raises(StoreCorrupt, match="is damaged"):
        desk.store.evidence_on(desk.release.digest)


def test_evidence_that_was_forged_whole_or_taken_away_is_found(desk: Desk) -> None:
    desk.record("approval", "failure")
    desk.spoil("DELETE FROM gate_evidence")
    assert any("is on record no more" in line for line in desk.gaps())
    forged = desk.evidence("approval", "success", "p")
    with desk.database.transaction() as connection:
        values = vars(forged) | {"checks": "[]", "digest": digest(vars(forged) | {"checks": []})}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name}" for name in values)
        insert = f"INSERT INTO gate_evidence ({names}) VALUES ({marks})"
        connection.execute(sa.text(insert), values)
    assert any("is not as its event says" in line for line in desk.gaps())


def test_evidence_that_is_older_than_digests_is_what_it_was(desk: Desk) -> None:
    release = desk.release.digest
    with desk.database.transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO gate_evidence (release, conclusion, checks, time) "
                f"VALUES ('{release}', 'success', '[]', 1.0)"
            )
        )
    assert any("is not as its event says" in line for line in desk.gaps())
    old = Fact(chain=f"release:{release}", type="gate.finished", data={"conclusion": "success"})
    desk.events.append([old])
    assert desk.gaps() == []
    gate = desk.store.gate(release)
    assert gate == Evidence(release=release, conclusion="success", checks=[], time=1.0)
    desk.spoil("UPDATE gate_evidence SET conclusion = 'failure'")
    assert len(desk.gaps()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE environments SET rules = \'{"tier":"development"}\'',
        "UPDATE environments SET digest = 'x'",
        "UPDATE environments SET \"by\" = 'bob'",
        "UPDATE environments SET reason = 'none'",
        "UPDATE environments SET number = 2",
        "UPDATE environments SET name = 'q'",
        "DELETE FROM environments",
    ],
)
def test_rules_that_were_loosened_behind_our_back_are_found(desk: Desk, statement: str) -> None:
    desk.rules.set("p", STRICT, ORDER)
    desk.spoil(statement)
    assert any("rules" in line for line in desk.gaps()), desk.gaps()


def test_rules_that_are_damaged_are_no_rules_to_go_by(desk: Desk) -> None:
    desk.rules.set("p", STRICT, ORDER)
    desk.spoil("UPDATE environments SET rules = '{}'")
    with pytest.raises(StoreCorrupt, match="rules of environment p"):
        desk.rules.rules("p")


def test_who_made_a_release_is_on_record_and_whoever_changes_it_is_found(desk: Desk) -> None:
    assert desk.store.get(desk.release.digest).by == ""
    # It was made without a token: whoever makes it again with one answers for it.
    desk.store.put(replace(desk.release, by="ann"))
    desk.store.put(replace(desk.release, by="bob"))
    assert desk.store.get(desk.release.digest).by == "ann"
    assert desk.gaps() == []
    desk.spoil("UPDATE releases SET \"by\" = 'eve'")
    assert any("was not made by whom its events say" in line for line in desk.gaps())


def test_a_refusal_while_the_environment_is_held_moves_nothing(desk: Desk) -> None:
    def refuse() -> None:
        # It reads what is on record from within, on a connection of its own.
        desk.rules.rules("p")
        raise GateRefused("denied meanwhile")

    move = Activation(release=desk.release.digest, kind="activate", reason="", by="ann", time=1.0)
    with pytest.raises(GateRefused):
        desk.store.activate("p", move, refuse)
    assert desk.store.history("p") == []
    desk.store.activate("p", move, lambda: None)
    assert len(desk.store.history("p")) == 1


def test_a_denial_is_before_an_activation_or_behind_it(database: Database) -> None:
    """Two operators at once: whatever the log says first was true for what came behind it."""
    clock = SystemClock()
    store, rules = SqlReleaseStore(database, clock), SqlEnvironmentStore(database, clock)
    release: Release = Desk(database).release
    move = Activation(release=release.digest, kind="activate", reason="", by="a", time=1.0)

    def permit() -> None:
        if rules.rules("p") == STRICT:
            raise GateRefused("frozen")

    def activate() -> bool:
        try:
            store.activate("p", move, permit)
        except GateRefused:
            return False
        return True

    def freeze() -> bool:
        rules.set("p", STRICT, ORDER)
        return True

    for _ in range(5):
        rules.set("p", NO_RULES, ORDER)
        moved, _ = at_once(activate, freeze)
        changed = SqlEventLog(database, clock).list(chain="rules:p", limit=1)[0]
        if moved:
            assert store.history("p")
            last = SqlEventLog(database, clock).list(chain="environment:p", limit=1)[0]
            assert last.time <= changed.time
