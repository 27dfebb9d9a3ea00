"""Conversations on SQL: places, one turn at a time, and what a turn reads of those before it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead import Limits, Principal, ToolUse, Turn
from fairlead.adapters.sql.conversations import SqlConversationStore
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import _tenants_query
from fairlead.core.errors import (
    ConversationBusy,
    ConversationForeign,
    StartKeyReused,
    StoreCorrupt,
    UnknownConversation,
)
from fairlead.core.history import turn_to_json
from fairlead.core.outcome import RunState
from fairlead.ports.conversations import Read
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Ending, Room, RunRecord
from tests.unit.adapters.sql.test_runs import ORDER, RUN, Stores

LIMITS = Limits()


class Talks(Stores):
    """The stores, with a conversation `t` of user ann of tenant acme."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.conversations = SqlConversationStore(database)

    def ask(self, id: str, **values: Any) -> RunRecord:
        """Admit a turn; each is a second younger than the one before."""
        self.clock.time += 1
        given = {"conversation": "t", "created_at": self.clock.now(), **values}
        return self.admit(id=id, root_id="", lineage="", **given)

    def take(self, worker: str = "w1", most: int = 9) -> list[str]:
        """Let a worker claim all that it gets."""
        return [one.run_id for one in self.claim(worker, most)]

    def end(self, id: str, said: Turn | None = None, state: RunState = "succeeded") -> None:
        """End a run that a worker has."""
        run = self.runs.get(id)
        fence = Fence(worker_id=run.worker_id or "", claim=run.claims)
        data = None if said is None else turn_to_json(said)
        self.runs.finish(id, Ending(state=state, outcome={}, reason="", said=data), fence)

    def hold(self, count: int) -> list[Turn]:
        """Hold a conversation of so many turns, `t1` and so on; return what was said."""
        turns = [saying(str(number)) for number in range(1, count + 1)]
        for number, turn in enumerate(turns, 1):
            self.ask(f"t{number}")
            assert self.take() == [f"t{number}"]
            self.end(f"t{number}", turn)
        return turns

    def read(self, id: str, limits: Limits = LIMITS) -> Read:
        """Let a run choose what it reads."""
        return self.conversations.read(id, limits)

    def readable(self, id: str, limits: Limits = LIMITS) -> list[Turn]:
        """Return what a run reads."""
        return [*self.conversations.said(self.read(id, limits).said)]


def saying(text: str) -> Turn:
    use = ToolUse(name="look", arguments={"item": text}, result=f"{text} is there")
    return Turn(question=f"what is {text}?", answer=f"it is {text}", uses=(use,))


@pytest.fixture
def talks(database: Database) -> Talks:
    return Talks(database)


# ------------------------------------------------------------------------------------ places


def test_turns_get_their_places_in_the_order_in_which_they_are_asked(talks: Talks) -> None:
    assert [talks.ask(f"r{number}").turn for number in range(3)] == [1, 2, 3]
    assert talks.ask("other", conversation="u").turn == 1
    assert talks.admit(id="alone", conversation=None).turn is None
    found = talks.runs.get("r1")
    assert (found.conversation, found.turn, found.aside) == ("t", 2, False)
    (admitted,) = [e for e in talks.events.list(chain="run:r1") if e.type == "run.admitted"]
    assert (admitted.data["conversation"], admitted.data["turn"]) == ("t", 2)
    assert talks.events.gaps() == []


def test_turns_that_are_asked_at_once_get_a_place_each(talks: Talks) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = list(
            pool.map(lambda n: talks.admit(id=f"r{n}", conversation="t", root_id=""), range(16))
        )
    assert sorted(str(run.turn).rjust(2) for run in asked) == [
        str(place).rjust(2) for place in range(1, 17)
    ]
    assert talks.conversations.get("acme", "t").turns == 16


def test_a_second_start_under_a_key_is_no_second_turn(talks: Talks) -> None:
    first = talks.ask("r1", start_key="k")
    assert talks.ask("r2", start_key="k").id == first.id
    assert talks.conversations.get("acme", "t").turns == 1
    with pytest.raises(StartKeyReused, match="another conversation"):
        talks.ask("r3", start_key="k", conversation="u")
    with pytest.raises(UnknownConversation):
        talks.conversations.get("acme", "u")


def test_a_key_opens_nobody_elses_conversation(talks: Talks) -> None:
    talks.ask("r1", start_key="k")
    with pytest.raises(ConversationForeign, match="bob"):
        talks.ask("r2", start_key="k", principal=Principal(user="bob", tenant="acme"))


def test_a_message_that_is_delivered_twice_at_once_is_one_turn_also_at_the_bound(
    talks: Talks,
) -> None:
    room = Room(backlog=1000, waiting_turns=0)
    for round in range(10):
        thread = {"conversation": f"t{round}", "start_key": f"k{round}"}
        asked = [RUN.__class__(**{**vars(RUN), "id": f"r{round}.{n}", **thread}) for n in range(4)]
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda run: talks.runs.admit(run, room=room).id, asked))
        assert len(set(got)) == 1


def test_a_conversation_belongs_to_one_user_and_each_tenant_has_its_own(talks: Talks) -> None:
    talks.ask("r1")
    with pytest.raises(ConversationForeign, match="bob"):
        talks.ask("r2", principal=Principal(user="bob", tenant="acme"))
    assert talks.runs.list() == [talks.runs.list()[0]]
    other = talks.ask("r3", principal=Principal(user="bob", tenant="other"))
    assert other.turn == 1
    # They are two threads: neither waits for the other, nor reads it.
    assert sorted(talks.take()) == ["r1", "r3"]
    talks.end("r1", saying("secret"))
    talks.ask("r4", principal=Principal(user="bob", tenant="other"))
    assert talks.readable("r4") == []


def test_invariant_11_so_many_turns_wait_and_no_more(talks: Talks) -> None:
    room = Room(backlog=1000, waiting_turns=2)
    asked = [RUN.__class__(**{**vars(RUN), "id": f"r{n}", "conversation": "t"}) for n in range(5)]
    for run in asked[:3]:
        talks.runs.admit(run, room=room)
    with pytest.raises(ConversationBusy, match="2 turns of conversation 't'"):
        talks.runs.admit(asked[3], room=room)
    assert talks.conversations.get("acme", "t").turns == 3
    talks.take()
    talks.end("r0")
    assert talks.runs.admit(asked[4], room=room).turn == 4


# --------------------------------------------------------------------------- one turn at a time


def test_one_turn_at_a_time_in_order_whoever_asks(talks: Talks) -> None:
    for number in range(3):
        talks.ask(f"r{number}")
    talks.ask("other", conversation="u")
    talks.admit(id="alone")
    assert sorted(talks.take()) == ["alone", "other", "r0"]
    assert talks.take("w2") == []
    talks.end("r0")
    assert talks.take("w2") == ["r1"]
    talks.end("r1", state="failed")
    assert talks.take() == ["r2"]


def test_turns_that_wait_for_their_turn_cost_no_writing_transaction(
    talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each worker would write twenty times a second while a turn waits for a person."""
    talks.ask("r1")
    talks.ask("r2")
    assert talks.take() == ["r1"]
    with monkeypatch.context() as patched:
        patched.setattr(talks.database, "transaction", None)
        assert talks.take("w2") == []
    talks.end("r1")
    assert talks.take("w2") == ["r2"]


def test_tenants_whose_turns_all_wait_take_nobodys_place_in_a_round(
    talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.adapters.sql.dispatch.TENANTS_MAX", 3)
    query = _tenants_query()
    monkeypatch.setattr("fairlead.adapters.sql.dispatch._TENANTS", query)
    for number in range(5):
        for turn in range(2):
            principal = Principal(user="ann", tenant=f"a{number}")
            talks.ask(f"r{number}.{turn}", principal=principal)
    while talks.take():
        pass
    talks.ask("late", conversation=None, principal=Principal(user="zoe", tenant="zzz"))
    assert talks.take("w2") == ["late"]


def test_priority_does_not_change_the_order_of_turns(talks: Talks) -> None:
    talks.ask("low", priority=-5)
    talks.ask("high", priority=9)
    assert talks.take() == ["low"]


def test_a_turn_that_waits_or_is_held_keeps_its_place_and_only_that(talks: Talks) -> None:
    talks.ask("r0")
    talks.ask("r1")
    (claimed,) = talks.claim()
    talks.waits.open("r0", "w1", "timer", topic="", within_s=50.0)
    talks.dispatch.park("r0", claimed.fence, "w1")
    assert talks.take("w2") == []
    talks.control.pause("r0", ORDER)
    talks.ask("other", conversation="u")
    assert talks.take("w2") == ["other"]
    talks.control.cancel("r0", ORDER)
    assert talks.take("w2") == ["r1"]


def test_a_turn_that_is_cancelled_while_it_waits_frees_the_next(talks: Talks) -> None:
    for number in range(3):
        talks.ask(f"r{number}")
    talks.control.cancel("r1", ORDER)
    assert talks.take() == ["r0"]
    assert talks.take() == []
    talks.end("r0")
    assert talks.take() == ["r2"]


def test_a_dead_workers_turn_goes_on_before_the_next(talks: Talks) -> None:
    talks.start_worker("w1")
    talks.ask("r0")
    talks.ask("r1")
    assert talks.take("w1") == ["r0"]
    talks.die("w1")
    assert talks.take("w2") == ["r0"]


# ------------------------------------------------------------------------------- what is read


def test_a_turn_reads_what_was_said_before_it(talks: Talks) -> None:
    said = talks.hold(3)
    talks.ask("t4")
    assert talks.readable("t4") == said
    assert talks.read("t4").dropped == 0
    # It stays so, whatever is said later; and an earlier one does not see it.
    talks.take()
    talks.end("t4", saying("4"))
    talks.ask("t5")
    assert talks.readable("t4") == said
    assert talks.readable("t5") == [*said, saying("4")]


def test_a_turn_without_success_says_nothing(talks: Talks) -> None:
    (first,) = talks.hold(1)
    talks.ask("r2")
    talks.take()
    talks.end("r2", state="failed")
    talks.ask("r3")
    talks.control.cancel("r3", ORDER)
    talks.ask("r4")
    assert talks.readable("r4") == [first]
    assert talks.read("r4").dropped == 0


def test_what_does_not_fit_is_dropped_and_counted(talks: Talks) -> None:
    said = talks.hold(5)
    talks.ask("t6")
    few = Limits(history_messages=9)
    assert talks.readable("t6", few) == said[3:]
    assert talks.read("t6", few).dropped == 3
    assert talks.read("t6", Limits(history_messages=0)) == Read(dropped=5)
    assert talks.read("t6", Limits(history_chars=0)) == Read(dropped=5)


def test_what_is_chosen_is_on_record_once(talks: Talks) -> None:
    talks.hold(2)
    talks.ask("t3")
    read = talks.read("t3")
    assert talks.read("t3") == read
    with talks.database.reading() as connection:
        rows = connection.execute(
            sa.text("SELECT said_digest FROM history WHERE run_id = 't3' ORDER BY position")
        ).all()
    assert tuple(row.said_digest for row in rows) == read.said


def test_a_history_has_no_hole(talks: Talks) -> None:
    """What was pruned ends it: the turns before that are older, and left out with it."""
    said = talks.hold(4)
    with talks.database.transaction() as connection:
        connection.execute(sa.text("UPDATE runs SET pruned_at = 1 WHERE id = 't2'"))
    talks.ask("t5")
    assert talks.readable("t5") == said[2:]
    assert talks.read("t5").dropped == 2


def test_a_fork_reads_what_its_origin_read_although_it_was_pruned(talks: Talks) -> None:
    said = talks.hold(3)
    talks.ask("t4")
    assert talks.readable("t4") == said
    with talks.database.transaction() as connection:
        connection.execute(sa.text("UPDATE runs SET aside = true WHERE id = 't4'"))
        connection.execute(sa.text("UPDATE runs SET pruned_at = 1 WHERE id = 't2'"))
    assert talks.readable("t4") == said
    # Its limits are applied where it is read, as its release may be another one.
    assert talks.readable("t4", Limits(history_messages=0)) == said


def test_what_was_changed_is_not_read(talks: Talks) -> None:
    talks.hold(1)
    talks.ask("t2")
    read = talks.read("t2")
    with talks.database.transaction() as connection:
        connection.execute(
            sa.text("UPDATE blobs SET data = :data WHERE digest = :digest"),
            {"data": b"{}", "digest": read.said[0]},
        )
    with pytest.raises(StoreCorrupt):
        talks.conversations.said(read.said)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET aside = true WHERE id = 't2'",
        "UPDATE conversations SET \"user\" = 'mallory'",
        "UPDATE conversations SET turns = 1",
        "DELETE FROM conversations",
    ],
)
def test_whose_a_conversation_is_is_compared_with_the_log(talks: Talks, change: str) -> None:
    talks.hold(2)
    with talks.database.transaction() as connection:
        connection.execute(sa.text(change))
    assert any("conversation 't' of tenant acme" in found for found in talks.events.gaps())


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET said_digest = NULL WHERE id = 't1'",
        "UPDATE runs SET said_digest = input_digest WHERE id = 't1'",
        "UPDATE runs SET conversation = 'u' WHERE id = 't1'",
        "UPDATE runs SET conversation = NULL WHERE id = 't1'",
        "UPDATE runs SET turn = 7 WHERE id = 't1'",
    ],
)
def test_what_a_conversation_says_is_compared_with_the_log(talks: Talks, change: str) -> None:
    talks.hold(2)
    assert talks.events.gaps() == []
    with talks.database.transaction() as connection:
        connection.execute(sa.text(change))
    assert "run t1" in talks.events.gaps()[0]


# ------------------------------------------------------------------------------ what is listed


def test_conversations_and_their_turns_are_listed(talks: Talks) -> None:
    said = talks.hold(2)
    talks.ask("t3")
    talks.ask("o1", conversation="u", principal=Principal(user="bob", tenant="other"))
    newest, older = talks.conversations.list()
    assert (newest.id, newest.tenant, newest.user, newest.turns, newest.open) == (
        "u",
        "other",
        "bob",
        1,
        1,
    )
    assert (older.id, older.turns, older.open) == ("t", 3, 1)
    assert older.created_at < older.asked_at < newest.asked_at
    assert [one.id for one in talks.conversations.list(tenant="acme")] == ["t"]
    assert [one.id for one in talks.conversations.list(limit=1)] == ["u"]
    assert talks.conversations.get("acme", "t") == older
    turns = talks.conversations.turns("acme", "t", 9)
    assert [(one.number, one.run_id, one.state, one.said) for one in turns] == [
        (1, "t1", "succeeded", said[0]),
        (2, "t2", "succeeded", said[1]),
        (3, "t3", "queued", None),
    ]
    assert turns[2].input == RUN.input
    assert [one.number for one in talks.conversations.turns("acme", "t", 2)] == [2, 3]
    with pytest.raises(UnknownConversation, match="tenant acme has no conversation 'u'"):
        talks.conversations.get("acme", "u")
