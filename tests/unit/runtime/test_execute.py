"""A run from its first step to its last: whatever happens in between becomes an outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import fairlead as fl
from fairlead.adapters.cedar.authorizer import compile_policies as real_policies
from fairlead.core.errors import CodeMismatch
from fairlead.core.outcome import Outcome
from fairlead.core.release import Release, manifest_digest
from fairlead.runtime.execute import rules_of
from fairlead.testing import FakeAuthorizer, FakeEngine
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of


@fl.tool(effect="read", scope="items:read")
async def look(_: fl.Context) -> str:
    """Look."""
    return "seen"


def bench_of(
    body: Any,
    *,
    tools: Any = (look,),
    output: Any = str,
    limits: fl.Limits | None = None,
    **options: Any,
) -> Bench:
    """Return a bench for a workflow with this body."""
    declare = fl.workflow(
        intent="Be executed",
        owner="group:default/tests",
        input=str,
        output=output,
        tools=tools,
        limits=limits,
        slo=SLO_OF_TESTS,
    )
    return Bench(declare(body), **options)


async def looks(run: Any, item: str) -> str:
    return item + " " + await run.call(look)


def test_a_run_calls_and_finishes_in_two_steps() -> None:
    bench = bench_of(looks)
    ended = bench.execute()
    assert (ended.state, ended.outcome["answer"], ended.reason) == ("succeeded", "item seen", "")
    assert [name for name, _ in bench.engine.steps] == ["tool look #1", "finish"]
    assert (bench.runs.begun_by, bench.telemetry.runs) == (["w1"], ["succeeded"])


def test_a_recovery_reads_what_is_on_record() -> None:
    bench = bench_of(looks)
    first = bench.execute()
    again = bench.execute(bench.engine.replay())
    assert again == first
    assert bench.engine.executed == []
    assert bench.telemetry.spans == [("tool", "look")]
    assert bench.telemetry.runs == ["succeeded"]


async def _raises(_: Any, __: str) -> str:
    raise LookupError("nothing there")


async def _not_json(_: Any, __: str) -> Any:
    return object()


async def _escalates(_: Any, __: str) -> str:
    answer = Outcome(state="escalated", answer="a draft", reason="a person decides", code="FL-605")
    return answer.unwrap()


async def _denied(run: Any, _: str) -> str:
    return str(await run.call(look))


async def _no_memory(run: Any, _: str) -> str:
    return str(await run.retrieve("item"))


ENDS = [
    pytest.param(_raises, "failed", "FL-409", None, id="the workflow raises"),
    pytest.param(_not_json, "failed", "FL-406", None, id="the result is not JSON"),
    pytest.param(_escalates, "escalated", "FL-605", "a draft", id="an outcome is unwrapped"),
    pytest.param(_denied, "denied", "FL-500", None, id="a call is denied"),
    pytest.param(_no_memory, "failed", "FL-006", None, id="no memory is declared"),
]


@pytest.mark.parametrize(("body", "state", "code", "answer"), ENDS)
def test_whatever_happens_becomes_an_outcome(body: Any, state: str, code: str, answer: Any) -> None:
    authorizer = FakeAuthorizer(denied=frozenset(["look"]))
    ended = bench_of(body, authorizer=authorizer).execute()
    assert (ended.state, ended.outcome["code"], ended.outcome["answer"]) == (state, code, answer)
    assert ended.reason


def test_an_input_that_does_not_fit_ends_the_run() -> None:
    ended = bench_of(looks, input=17).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-004")


def test_a_run_that_has_ended_is_not_executed() -> None:
    bench = bench_of(looks)
    run = bench.runs.records["r1"]
    bench.runs.records["r1"] = replace(run, state="cancelled", reason="for a reason")
    ended = bench.execute()
    assert (ended.state, ended.reason) == ("cancelled", "for a reason")
    assert (bench.engine.steps, bench.journal.records) == ([], {})
    assert bench.telemetry.runs == []


def test_invariant_03_a_run_of_other_code_is_refused() -> None:
    bench = bench_of(looks)
    bench.runner.code_digest = "0" * 64
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", CodeMismatch.code)
    assert bench.journal.records == {}


def test_invariant_03_terms_come_from_the_pinned_release_alone() -> None:
    """The runner knows many releases; each run reads the one that it names."""
    bench = bench_of(looks)
    terms = bench.manifest.workflows["looks"]
    narrow = replace(terms, tools=())
    other = replace(bench.manifest, workflows={"looks": narrow})
    release = Release(digest=manifest_digest(other), manifest=other, created_at=0.0)
    bench.releases.put(release)
    bench.runs.records["r2"] = replace(bench.runs.records["r1"], id="r2", release=release.digest)
    asyncio.run(bench.runner.execute(FakeEngine(), "r2"))
    assert bench.execute().state == "succeeded"
    assert bench.runs.get("r2").state == "denied"


def test_rules_are_compiled_once_for_each_release() -> None:
    bench = bench_of(looks)
    compiled = []

    def compile_policies(policies: Any) -> FakeAuthorizer:
        compiled.append(dict(policies))
        return FakeAuthorizer()

    bench.runner.compile = compile_policies
    bench.execute()
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=1))
    assert compiled == [{"policies/p.cedar": "permit;"}]


def test_a_stored_policy_that_cannot_be_compiled_fails_its_run_and_no_more() -> None:
    bench = bench_of(looks)
    bench.runner.compile = lambda _: real_policies({"p.cedar": "(" * 100_000})
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-005")
    assert "p.cedar, line 1" in ended.reason


def test_a_contracts_schema_is_compiled_from_the_manifest() -> None:
    manifest = manifest_of(bench_of(looks).runner.app.workflow("looks"))
    rules = rules_of(manifest, lambda _: FakeAuthorizer())
    assert rules.arguments["look"].finding({}) is None
    assert rules.arguments["look"].finding({"more": 1}) is not None


def test_no_gathered_call_is_made_after_the_end_of_its_run() -> None:
    """The first call is denied and the run ends; the call in flight ends first, no other begins."""
    executed = []

    @fl.tool(effect="once", scope="items:write")
    async def act(_: fl.Context, number: int) -> int:
        """Act."""
        await asyncio.sleep(0)
        executed.append(number)
        return number

    async def gathers(run: Any, _: str) -> str:
        calls = [run.call(act, number) for number in range(3)]
        await asyncio.gather(run.call(look), *calls)
        return "not reached"

    authorizer = FakeAuthorizer(denied=frozenset(["look"]))
    bench = bench_of(gathers, tools=(look, act), authorizer=authorizer)

    async def execute_and_linger() -> None:
        await bench.runner.execute(bench.engine, "r1")
        steps = [name for name, _ in bench.engine.steps]
        # What was left behind would act now.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        assert [name for name, _ in bench.engine.steps] == steps

    asyncio.run(execute_and_linger())
    assert bench.runs.get("r1").state == "denied"
    assert [name for name, _ in bench.engine.steps][-1] == "finish"
    assert executed == [0]
    assert {record.state for record in bench.journal.of_run("r1")} == {"denied", "done"}


def test_a_durable_sleep_is_a_row_and_two_steps() -> None:
    async def naps(run: Any, _: str) -> str:
        await run.sleep(timedelta(seconds=90))
        return "rested"

    bench = bench_of(naps)
    assert bench.execute().state == "succeeded"
    assert [name for name, _ in bench.engine.steps] == ["wait w1", "answer w1", "finish"]
    wait = bench.waits.waits["r1", "w1"]
    assert (wait.kind, wait.due_at - wait.opened_at, bench.seat.rests) == ("timer", 90.0, 1)


def test_the_workflows_own_code_ends_at_the_deadline() -> None:
    async def dawdles(run: Any, _: str) -> str:
        await run.call(look)
        await asyncio.Event().wait()
        return "never"

    bench = bench_of(dawdles, limits=fl.Limits(wall_time=timedelta(milliseconds=20)))
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-505")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_workflow_that_wants_to_end_the_process_ends_its_run_alone(error: BaseException) -> None:
    async def exits(_: Any, __: str) -> str:
        raise error

    ended = bench_of(exits).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-409")


def test_half_a_character_ends_the_run_and_not_the_worker() -> None:
    async def halves(_: Any, __: str) -> str:
        return "\ud800"

    ended = bench_of(halves).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-406")


def test_the_time_for_which_a_run_was_held_is_no_time_at_work() -> None:
    for held_s, state in ((0.0, "denied"), (500.0, "succeeded")):
        bench = bench_of(looks, limits=fl.Limits(wall_time=timedelta(seconds=60)))
        begun = replace(bench.runs.get("r1"), started_at=bench.clock.now() - 500.0, held_s=held_s)
        bench.runs.records["r1"] = replace(begun, state="running")
        assert bench.execute().state == state
