"""A run's memory: each operation is a call, and what is remembered keeps where it comes from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import KillSwitchPulled
from fairlead.core.memory import Reader
from fairlead.ports.memory import Change, Roots
from fairlead.ports.runs import Order
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.shelf import SAID, Shelf, read_mail

OPERATOR = Reader(tenant="default", app="bench")


def remembers(text: str = SAID, **details: Any) -> Any:
    async def body(run: Any, _: str) -> str:
        return str((await run.memory.remember(text, **details)).id)

    return body


def recalls(question: str = "how does the customer pay", **wanted: Any) -> Any:
    async def body(run: Any, _: str) -> str:
        found = await run.memory.recall(question, **wanted)
        return "|".join(one.item.text for one in found)

    return body


def answer(bench: Any) -> Any:
    return bench.record.outcome["answer"]


# What is remembered, and whose it is.


def test_what_one_run_remembers_another_recalls(shelf: Shelf) -> None:
    shelf.run(remembers(subject="customer:42"))
    assert answer(shelf.run(recalls())) == SAID
    assert answer(shelf.run(recalls("the weather in spring"))) == ""


def test_where_an_item_comes_from_is_on_it(shelf: Shelf) -> None:
    bench = shelf.run(remembers(subject="customer:42", predicate="pays", value={"by": "card"}))
    item = shelf.one()
    made = item.provenance
    assert (item.id, item.subject, item.predicate) == (answer(bench), "customer:42", "pays")
    assert item.value == {"by": "card"}
    assert (made.run_id, made.call, made.release) == (bench.run_id, 1, bench.release.digest)
    assert (made.by, made.source, made.derivation) == ("user:local", "user:local", "")
    assert (item.state, item.label.integrity, item.audience) == ("active", "trusted", "*")


def test_each_operation_is_a_call_on_record(shelf: Shelf) -> None:
    async def body(run: Any, _: str) -> str:
        made = await run.memory.remember(SAID, subject="customer:42")
        await run.memory.recall("how does the customer pay")
        await run.memory.get(made.id)
        await run.memory.history("customer:42")
        await run.memory.supersede(made.id, "the customer pays cash")
        await run.memory.forget(made.id)
        return "done"

    bench = shelf.run(body)
    named = [(call.kind, call.name) for call in bench.journal.of_run(bench.run_id)]
    names = ("remember", "recall", "get", "history", "get", "supersede", "forget")
    assert named == [("memory", name) for name in names]
    assert bench.telemetry.spans == named
    effects = [call.effect for call in bench.journal.of_run(bench.run_id)]
    assert effects.count("idempotent") == 3


def test_invariant_01_on_replay_nothing_is_asked_again(shelf: Shelf) -> None:
    async def body(run: Any, _: str) -> str:
        await run.memory.remember(SAID)
        found = await run.memory.recall("how does the customer pay")
        return str(len(found))

    bench = shelf.run(body)
    shelf.run(remembers("the customer pays by cheque"))
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=2))
    assert answer(bench) == "1"
    assert bench.engine.executed == ["finish"]
    assert len(shelf.items()) == 2


def test_invariant_01_a_write_that_was_not_recorded_is_found_again(shelf: Shelf) -> None:
    """The worker dies after the item is written, and before the call is on record."""
    bodies = []

    async def body(run: Any, _: str) -> str:
        made = await run.memory.remember(SAID, subject="customer:42", predicate="pays")
        bodies.append(made)
        return made.id

    shelf.run(remembers("the customer pays cash", subject="customer:42", predicate="pays"))
    bench = shelf.run(body)
    bench.forget_end()
    bench.journal.records.clear()
    bench.effects.records.clear()
    bench.execute(bench.engine.replay(keep=0))
    first, again = bodies
    # Not merged, and what it replaced is known: the answer is the one that was lost.
    assert first == again
    assert (again.merged, bool(again.superseded)) == (False, True)
    assert len(shelf.items()) == 2


def test_the_same_is_merged(shelf: Shelf) -> None:
    first = answer(shelf.run(remembers(subject="customer:42")))
    assert (
        answer(shelf.run(remembers("The customer  pays by CARD", subject="customer:42"))) == first
    )
    assert shelf.one().seen == 2


def test_what_is_refused_of_arguments_is_refused_before_anything_is_written(shelf: Shelf) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
    for details in (
        {"reader": "user"},
        {"tenant": "other"},
        {"readers": "nobody"},
        {"valid_from": naive},
        {"place": 2**40},
        {"keep": timedelta.max},
        {
            "valid_from": datetime(2027, 1, 1, tzinfo=UTC),
            "valid_to": datetime(2026, 1, 1, tzinfo=UTC),
        },
    ):
        bench = shelf.bench(remembers(**details))
        assert bench.execute().outcome["code"] == "FL-800", details
    for text in ("", " \n", "a\x00b", "x" * 100_001, "\ud800"):
        assert shelf.bench(remembers(text)).execute().state == "failed"
    for wanted in ({"tenant": "other"}, {"as_of": naive}, {"top_k": 0}, {"top_k": 101}):
        assert shelf.bench(recalls(**wanted)).execute().outcome["code"] == "FL-800", wanted
    assert shelf.items() == []


def test_kinds_that_are_not_declared_are_refused(shelf: Shelf) -> None:
    for body in (remembers(kind="procedural"), recalls(kinds=["semantic", "procedural"])):
        bench = shelf.bench(body, kinds=["semantic"])
        ended = bench.execute()
        assert ended.outcome["code"] == "FL-805"
        assert "procedural" in ended.reason


def test_a_workflow_without_memory_has_none(shelf: Shelf) -> None:
    bench = shelf.bench(remembers(), remember=None, kinds=["semantic"])
    workflow = bench.runner.app.workflow("body")
    object.__setattr__(workflow, "memory", fl.Memory())
    bench.manifest.workflows["body"].__dict__["remember"] = None
    bench.runner._releases.clear()
    assert bench.execute().outcome["code"] == "FL-805"


def test_what_is_one_users_is_not_anothers(shelf: Shelf) -> None:
    shelf.run(remembers(readers="user"), user="ann")
    assert shelf.one().audience == "user:ann"
    assert answer(shelf.run(recalls(), user="ann")) == SAID
    assert answer(shelf.run(recalls(), user="bob")) == ""


def test_what_replaces_one_users_item_is_his_too(shelf: Shelf) -> None:
    """Also where the new words come from all of the tenant, and from nothing that is his."""

    async def body(run: Any, item: str) -> str:
        made = await run.memory.remember(SAID, readers="user")
        await run.call(read_mail)
        after = await run.memory.supersede(made.id, item)
        assert after.superseded == made.id
        return str(after.id)

    shelf.run(body, user="ann", input="the customer pays cash")
    assert {item.audience for item in shelf.items()} == {"user:ann"}
    assert answer(shelf.run(recalls(), user="bob")) == ""


def test_working_memory_is_the_runs_own(shelf: Shelf) -> None:
    async def body(run: Any, _: str) -> str:
        await run.memory.remember(SAID, kind="working")
        return "|".join(one.item.text for one in await run.memory.recall("customer pay"))

    bench = shelf.run(body)
    assert answer(bench) == SAID
    assert shelf.one().audience == f"run:{bench.run_id}"
    assert answer(shelf.run(recalls())) == ""


def test_a_child_shares_its_familys_working_memory(shelf: Shelf) -> None:
    root = shelf.run(remembers(kind="working"))
    child = shelf.bench(recalls())
    child.runs.records[root.run_id] = root.record
    child.change(parent_id=root.run_id)
    child.execute()
    assert answer(child) == SAID


def test_times_and_versions(shelf: Shelf) -> None:
    about = {"subject": "customer:42", "predicate": "pays"}
    shelf.run(remembers(**about))
    shelf.clock.time += 100
    between = datetime.fromtimestamp(shelf.clock.time - 50, tz=UTC)
    shelf.run(remembers("the customer pays cash", **about))

    async def history(run: Any, _: str) -> str:
        every = await run.memory.history("customer:42", "pays")
        then = await run.memory.history("customer:42", as_of=between)
        return "/".join("|".join(one.text for one in found) for found in (every, then))

    assert answer(shelf.run(history)) == f"{SAID}|the customer pays cash/{SAID}"
    assert answer(shelf.run(recalls())) == "the customer pays cash"
    assert answer(shelf.run(recalls(as_of=between))) == SAID


def test_what_is_not_there_for_the_run_is_missing(shelf: Shelf) -> None:
    theirs = answer(shelf.run(remembers(), tenant="other"))

    async def replaces(run: Any, _: str) -> str:
        return str((await run.memory.supersede(theirs, "x y z")).id)

    async def derives(run: Any, _: str) -> str:
        return str((await run.memory.remember("x y z", derived_from=[theirs])).id)

    async def looks(run: Any, _: str) -> str:
        gone = await run.memory.forget(theirs, "m-none")
        return str(len(await run.memory.get(theirs, "m-none")) + len(gone))

    for body in (replaces, derives):
        assert shelf.bench(body).execute().outcome["code"] == "FL-801"
    assert answer(shelf.run(looks)) == "0"
    assert shelf.one("other").state == "active"
    assert shelf.items() == []


def test_what_is_forgotten_is_not_remembered_again(shelf: Shelf) -> None:
    made = answer(shelf.run(remembers(subject="customer:42")))

    async def forgets(run: Any, _: str) -> str:
        return ",".join(await run.memory.forget(made, "m-none"))

    async def again(run: Any, _: str) -> str:
        return str((await run.memory.remember(SAID, subject="customer:42")).refused)

    assert answer(shelf.run(forgets)) == made
    # Asked once more, as after a crash, the answer is the same.
    assert answer(shelf.run(forgets)) == made
    assert shelf.one().state == "forgotten"
    assert answer(shelf.run(again)) == "True"
    assert answer(shelf.run(recalls())) == ""


def test_a_workflow_forgets_only_kinds_that_it_declares(shelf: Shelf) -> None:
    made = answer(shelf.run(remembers(kind="episodic")))

    async def forgets(run: Any, _: str) -> str:
        return ",".join(await run.memory.forget(made))

    assert answer(shelf.run(forgets, kinds=["semantic"])) == ""
    assert shelf.one().state == "active"
    assert answer(shelf.run(forgets, kinds=["episodic"])) == made


def test_nothing_is_made_of_what_was_taken_back(shelf: Shelf) -> None:
    made = answer(shelf.run(remembers()))
    shelf.store.settle(OPERATOR, [made], "retracted", Change(by="user:ann", reason="wrong"))

    async def derives(run: Any, _: str) -> str:
        return str((await run.memory.remember("a summary", derived_from=[made])).id)

    ended = shelf.bench(derives).execute()
    assert (ended.outcome["code"], made in ended.reason) == ("FL-802", True)
    assert shelf.one().state == "retracted"


# What may be recalled.


def test_invariant_07_memory_is_filtered_before_ranking_by_policy(shelf: Shelf) -> None:
    shelf.run(remembers("the customer pays by card today"))
    shelf.run(remembers(kind="episodic"))
    denied = FakeAuthorizer(denied=frozenset(("episodic",)))
    bench = shelf.run(recalls(top_k=1), authorizer=denied)
    # The better one is not asked for at all, so it takes no place of the one that is allowed.
    assert answer(bench) == "the customer pays by card today"
    asked = [(one.context["point"], one.resource) for one in denied.asked if one.action == "recall"]
    assert ("recall", "episodic") in asked
    assert ("call", "episodic") not in asked

    async def rules(run: Any, _: str) -> str:
        (found,) = await run.memory.recall("how does the customer pay", kinds=["semantic"])
        return ",".join(found.allowed_by)

    assert answer(shelf.run(rules)) == "allowed"


def test_invariant_07_items_that_may_not_be_recalled_are_not_got_by_id(shelf: Shelf) -> None:
    made = answer(shelf.run(remembers(kind="episodic", subject="customer:42")))

    async def looks(run: Any, _: str) -> str:
        found = [*await run.memory.get(made), *await run.memory.history("customer:42")]
        return str(len(found))

    assert answer(shelf.run(looks)) == "2"
    denied = FakeAuthorizer(denied=frozenset(("episodic",)))
    assert answer(shelf.run(looks, authorizer=denied)) == "0"


def test_where_nothing_may_be_recalled_the_call_is_denied_on_record(shelf: Shelf) -> None:
    shelf.run(remembers())
    bench = shelf.bench(recalls(), kinds=["semantic"])
    bench.authorizer.denied = frozenset(("semantic",))  # type: ignore[misc]
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-500")
    (call,) = bench.journal.of_run(bench.run_id)
    assert (call.kind, call.name) == ("memory", "recall")


@pytest.mark.parametrize("body", [remembers(), remembers(kind="semantic", readers="user")])
def test_what_no_policy_lets_remember_is_not(shelf: Shelf, body: Any) -> None:
    bench = shelf.bench(body, authorizer=FakeAuthorizer(denied=frozenset(("semantic",))))
    assert bench.execute().outcome["code"] == "FL-500"
    assert shelf.items() == []


def test_invariant_07_rows_of_another_tenant_change_neither_result_nor_order_nor_score(
    shelf: Shelf,
) -> None:
    for text in (SAID, "the customer pays rent", "a customer of ours"):
        shelf.run(remembers(text))

    async def scores(run: Any, _: str) -> str:
        found = await run.memory.recall("how does the customer pay by card", top_k=10)
        return "|".join(f"{one.item.id}={one.score!r}={one.parts!r}" for one in found)

    before = answer(shelf.run(scores))
    assert before.count("|") == 2
    for number in range(30):
        shelf.run(remembers(f"the customer pays by card {number}"), tenant="other")
    assert answer(shelf.run(scores)) == before


def test_who_got_what_is_noted(shelf: Shelf) -> None:
    made = answer(shelf.run(remembers()))

    async def gets(run: Any, _: str) -> str:
        return str(len(await run.memory.get(made)))

    reader, getter = shelf.run(recalls()), shelf.run(gets)
    shelf.run(recalls("weather in spring"))
    reach = shelf.store.reach(OPERATOR, Roots(ids=(made,)))
    assert reach.readers == tuple(sorted((reader.run_id, getter.run_id)))
    assert reach.writers == ("run1",)


# What stops it, as any call.


def test_a_kill_switch_stops_memory(shelf: Shelf) -> None:
    bench = shelf.bench(remembers())
    bench.kills.pull("app", "bench", Order(by="ann", reason="it learns nonsense"))
    assert bench.execute().outcome["code"] == KillSwitchPulled.code
    assert shelf.items() == []


def test_calls_of_memory_count_as_steps(shelf: Shelf) -> None:
    async def body(run: Any, _: str) -> str:
        for number in range(3):
            await run.memory.remember(f"fact number {number}")
        return "done"

    bench = shelf.bench(body, limits=fl.Limits(steps=2))
    assert bench.execute().outcome["code"] == "FL-503"
    assert len(shelf.items()) == 2


def test_invariant_10_a_secret_reaches_neither_memory_nor_the_journal(shelf: Shelf) -> None:
    secret = "sk-proj-" + "a1B2c3D4" * 6
    bench = shelf.run(remembers(f"the key is {secret}", value={"key": secret}, subject="x"))
    shelf.run(recalls(f"what of {secret}"))
    item = shelf.one()
    kept = [item, bench.journal.records, bench.engine.steps, bench.record]
    assert "[redacted:" in item.text
    assert secret not in repr(kept)
