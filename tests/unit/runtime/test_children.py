"""Children: runs of their own, started by a call of their parent, and waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import fairlead as fl
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Ending, RunRecord, Spent
from fairlead.ports.waits import Wait
from fairlead.runtime.children import GENERATIONS_MAX
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench
from tests.unit.runtime.test_execute import bench_of


@fl.workflow(intent="Help", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS)
async def kid(_: fl.Run[str], word: str) -> str:
    """Help the parent."""
    return word


def children_of(bench: Bench) -> list[RunRecord]:
    return [run for run in bench.runs.records.values() if run.parent_id is not None]


def end(bench: Bench, run_id: str, state: Any = "succeeded", answer: Any = None) -> None:
    """End a child, and wake its parent."""
    run = bench.runs.get(run_id)
    found = f"{run.input}!" if answer is None else answer
    ending = Ending(
        state=state,
        outcome={"answer": found, "code": "" if state == "succeeded" else "FL-603"},
        reason="" if state == "succeeded" else "it broke",
    )
    bench.runs.finish(run_id, ending, Fence(worker_id="w2", claim=1))
    bench.waits.answer("child", run_id, {"state": state})


def helped(body: Any, **options: Any) -> Bench:
    """Return a bench whose children are executed as soon as the parent waits."""
    bench = bench_of(body, **options)

    def answer(wait: Wait) -> None:
        assert wait.kind == "child"
        end(bench, wait.topic)

    bench.seat.answer = answer
    return bench


def steps_of(bench: Bench) -> list[str]:
    return [name for name, _ in bench.engine.steps]


async def one(run: Any, item: str) -> str:
    return str(await run.child(kid, item))


async def three(run: Any, _: str) -> str:
    return " ".join(await run.gather(*(run.child(kid, word) for word in "abc")))


def test_a_child_is_a_run_of_its_own_under_its_parents_release() -> None:
    bench = helped(one)
    parent = replace(
        bench.runs.records["r1"],
        principal=fl.Principal(user="ann", tenant="acme"),
        purpose="gate",
        queue="slow",
        priority=7,
        environment="live",
    )
    bench.runs.records["r1"] = parent
    ended = bench.execute()
    assert (ended.state, ended.outcome["answer"]) == ("succeeded", "item!")
    (child,) = children_of(bench)
    assert (child.workflow, child.input) == ("kid", "item")
    assert (child.release, child.code_digest) == (parent.release, parent.code_digest)
    assert (child.principal, child.purpose) == (parent.principal, "gate")
    assert (child.queue, child.priority, child.environment) == ("slow", 7, "live")
    assert (child.parent_id, child.parent_call, child.root_id) == ("r1", 1, "r1")
    assert child.lineage == "r1.1"
    (call,) = bench.journal.of_run("r1")
    assert (call.kind, call.name, call.state) == ("child", "kid", "done")
    assert steps_of(bench) == [
        "child kid #1", "wait c1", "answer c1", f"child {child.id}", "finish",
    ]  # fmt: skip


def test_gathered_children_all_start_before_the_first_is_waited_for() -> None:
    bench = helped(three)
    seen: list[int] = []
    answer = bench.seat.answer

    def counts(wait: Wait) -> None:
        seen.append(len(children_of(bench)))
        assert answer is not None
        answer(wait)

    bench.seat.answer = counts
    assert bench.execute().outcome["answer"] == "a! b! c!"
    assert seen == [3, 3, 3]
    assert [child.lineage for child in children_of(bench)] == ["r1.1", "r1.2", "r1.3"]


def test_outputs_come_in_the_order_of_the_asking_whichever_ends_first() -> None:
    bench = helped(three)

    def backwards(_: Wait) -> None:
        for child in reversed(children_of(bench)):
            if child.state == "queued":
                end(bench, child.id)

    bench.seat.answer = backwards
    assert bench.execute().outcome["answer"] == "a! b! c!"
    # The others had ended before they were waited for.
    assert bench.seat.rests == 1


def test_children_that_are_asked_for_at_once_are_different_runs() -> None:
    """Each has its own place with its parent, though none was made when the last was asked for."""

    async def at_once(run: Any, _: str) -> str:
        async def ask(word: str) -> str:
            return str(await run.child(kid, word))

        return " ".join(await asyncio.gather(*(ask(word) for word in "abc")))

    bench = helped(at_once)
    assert bench.execute().outcome["answer"] == "a! b! c!"
    places = [(child.parent_call, child.lineage, child.input) for child in children_of(bench)]
    assert places == [(1, "r1.1", "a"), (2, "r1.2", "b"), (3, "r1.3", "c")]


def test_a_recovery_starts_no_child_again() -> None:
    bench = helped(three)
    ended = bench.execute()
    for keep in (-1, 5, 3, 2, 0):
        bench.forget_end()
        again = bench.execute(bench.engine.replay(keep=keep))
        assert (again.outcome, len(children_of(bench))) == (ended.outcome, 3), keep


def test_a_child_that_only_the_runs_know_is_not_started_again() -> None:
    """The worker died after the child was admitted, before its call was on record."""
    bench = helped(one)
    ended = bench.execute()
    bench.forget_end()
    bench.journal.records.clear()
    again = bench.execute(bench.engine.replay(keep=0))
    assert (again.outcome, len(children_of(bench))) == (ended.outcome, 1)


@pytest.mark.parametrize("state", ["failed", "denied", "escalated", "cancelled"])
def test_a_child_that_does_not_succeed_ends_its_parent_alike(state: str) -> None:
    bench = bench_of(three)
    bench.seat.answer = lambda wait: end(
        bench, wait.topic, state if bench.runs.get(wait.topic).input == "b" else "succeeded"
    )
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == (state, "FL-603")
    assert "it broke" in ended.reason
    # All were waited for: nothing of this run is left behind.
    assert [child.state for child in children_of(bench)] == ["succeeded", state, "succeeded"]


def test_a_parent_may_go_on_without_its_child() -> None:
    async def tries(run: Any, _: str) -> str:
        try:
            return str(await run.child(kid, "a"))
        except fl.NotSucceeded as error:
            return f"without it: {error.outcome.state}"

    bench = bench_of(tries)
    bench.seat.answer = lambda wait: end(bench, wait.topic, "failed")
    assert bench.execute().outcome["answer"] == "without it: failed"


def test_an_output_that_does_not_fit_fails_the_parent() -> None:
    bench = bench_of(one)
    bench.seat.answer = lambda wait: end(bench, wait.topic, answer=[1])
    assert bench.execute().state == "failed"


def test_invariant_11_a_parent_does_not_wait_for_ever() -> None:
    ended = bench_of(one).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-415")


def test_invariant_12_a_child_needs_a_permission() -> None:
    authorizer = FakeAuthorizer(denied=frozenset(["kid"]))
    bench = bench_of(one, authorizer=authorizer)
    assert bench.execute().state == "denied"
    assert children_of(bench) == []
    (query,) = authorizer.asked
    assert (query.action, query.resource) == ("start", "kid")


def test_invariant_11_a_family_shares_its_steps() -> None:
    """From the first child on, also what the parent does by itself counts with the others."""
    bench = helped(three)
    bench.runs.used = Spent(calls=50)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-503")
    assert children_of(bench) == []


def test_invariant_11_a_family_has_so_many_generations() -> None:
    for generation in range(GENERATIONS_MAX):
        bench = helped(one)
        record = bench.runs.records["r1"]
        for number in range(generation):
            above = None if number == 0 else f"above{number - 1}"
            bench.runs.records[f"above{number}"] = replace(
                record, id=f"above{number}", parent_id=above, state="waiting"
            )
        if generation:
            parent = f"above{generation - 1}"
            bench.runs.records["r1"] = replace(record, parent_id=parent, parent_call=1)
        ended = bench.execute()
        if generation + 1 < GENERATIONS_MAX:
            assert ended.state == "succeeded", generation
            child = bench.runs.get(children_of(bench)[-1].id)
            assert child.root_id == ("above0" if generation else "r1")
        else:
            assert (ended.state, ended.outcome["code"]) == ("failed", "FL-416")


def test_an_input_that_does_not_fit_starts_nothing() -> None:
    async def wrong(run: Any, _: str) -> str:
        return str(await run.child(kid, 17))

    bench = helped(wrong)
    ended = bench.execute()
    assert (ended.state, children_of(bench), bench.engine.executed) == ("failed", [], ["finish"])


def test_the_time_that_a_child_takes_is_no_time_at_work() -> None:
    bench = bench_of(one)

    def slowly(wait: Wait) -> None:
        bench.clock.time += 100_000
        end(bench, wait.topic)

    bench.seat.answer = slowly
    assert bench.execute().state == "succeeded"
