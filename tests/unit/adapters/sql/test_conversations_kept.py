"""Conversations over time: what is pruned, and what becomes of a turn that is made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead import Limits, Turn
from fairlead.core.calls import Done, Failed
from fairlead.core.history import turn_to_json
from fairlead.ports.conversations import Read
from tests.unit.adapters.sql.archive import ORDER, Archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    assert made.findings() == []
    made.database.close()


def ask(archive: Archive) -> str:
    """Record a turn that a worker has."""
    archive.clock.time += 1
    return archive.admit(conversation="t")


def held(archive: Archive, text: str) -> str:
    """Record a turn that has ended."""
    run_id = ask(archive)
    archive.call(run_id, 1, Done(value=text))
    return archive.end(run_id, said=turn_to_json(Turn(question=text, answer=f"yes, {text}")))


def said_left(archive: Archive, run_id: str) -> int:
    """Count the payloads of what a run said."""
    return archive.count(
        f"blobs WHERE digest IN (SELECT said_digest FROM runs WHERE id = '{run_id}')"
    )


def read(archive: Archive, run_id: str) -> Read:
    """Let a run choose what it reads."""
    return archive.conversations.read(run_id, Limits())


def questions(archive: Archive, found: Read) -> list[str]:
    """Return what was asked in the turns that a run reads."""
    return [turn.question for turn in archive.conversations.said(found.said)]


def test_what_was_said_goes_with_its_run_and_the_history_starts_later(archive: Archive) -> None:
    first = held(archive, "first")
    archive.later(2)
    second = held(archive, "second")
    archive.prune()
    assert archive.pruned() == {first}
    assert (said_left(archive, first), said_left(archive, second)) == (0, 1)
    found = read(archive, ask(archive))
    assert (questions(archive, found), found.dropped) == (["second"], 1)
    pruned, kept, _ = archive.conversations.turns("default", "t", 9)
    assert (pruned.run_id, pruned.said, pruned.input) == (first, None, None)
    assert (kept.run_id, kept.said is None) == (second, False)


def test_what_two_turns_said_alike_is_kept_for_the_other(archive: Archive) -> None:
    first = held(archive, "again")
    archive.later(2)
    second = held(archive, "again")
    archive.prune()
    assert archive.pruned() == {first}
    assert said_left(archive, second) == 1
    assert questions(archive, read(archive, ask(archive))) == ["again"]


def test_what_a_living_run_reads_is_kept_for_it(archive: Archive) -> None:
    first = held(archive, "first")
    asked = ask(archive)
    found = read(archive, asked)
    archive.later(2)
    archive.prune()
    assert archive.pruned() == {first}
    assert questions(archive, found) == ["first"]
    # When nobody reads it any more, it goes.
    archive.end(asked)
    archive.later(2)
    archive.prune()
    assert (archive.count("history"), archive.count("blobs")) == (0, 0)


def test_a_fork_reads_what_its_origin_read_and_is_no_turn(archive: Archive) -> None:
    held(archive, "first")
    asked = ask(archive)
    found = read(archive, asked)
    archive.call(asked, 1, Done(value=1))
    archive.end(asked, said=turn_to_json(Turn(question="second", answer="yes")))
    held(archive, "third")
    fork = archive.control.fork(asked, 2, ORDER)
    assert (fork.conversation, fork.turn, fork.aside) == ("t", 2, True)
    assert archive.count(f"history WHERE run_id = '{fork.id}'") == 1
    # Made from its beginning, it reads the same.
    assert read(archive, fork.id) == found
    # That it stands aside is in the log too: as a turn it would be somebody else's words.
    assert archive.events.gaps() == []
    archive.sql("UPDATE runs SET aside = false WHERE id = :run", run=fork.id)
    assert any("not on record as it was admitted" in found for found in archive.events.gaps())
    archive.sql("UPDATE runs SET aside = true WHERE id = :run", run=fork.id)
    assert [turn.number for turn in archive.conversations.turns("default", "t", 9)] == [1, 2, 3]
    assert archive.conversations.get("default", "t").open == 0
    # Nobody waits for it, and it waits for nobody.
    assert read(archive, ask(archive)).dropped == 0
    again = archive.control.fork(fork.id, 1, ORDER)
    assert (again.turn, again.aside) == (2, True)


def test_a_turn_that_is_retried_goes_to_the_end(archive: Archive) -> None:
    held(archive, "first")
    failed = ask(archive)
    archive.call(failed, 1, Failed(code="FL-603", reason="no"))
    archive.end(failed, state="failed")
    held(archive, "third")
    again = archive.control.retry(failed, ORDER)
    assert (again.conversation, again.turn, again.aside) == ("t", 4, False)
    assert questions(archive, read(archive, again.id)) == ["first", "third"]
    assert archive.conversations.get("default", "t").open == 1


def test_a_fork_outside_of_conversations_stands_in_none(archive: Archive) -> None:
    fork = archive.control.fork(archive.ended(), 1, ORDER)
    assert (fork.conversation, fork.turn, fork.aside) == (None, None, False)
