"""What two manifests and a run's record say of a way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.identity import Principal
from fairlead.core.memory_terms import MemoryTerms
from fairlead.core.release import Manifest
from fairlead.delivery.drill_checks import Accepting, memory_findings, taken_by_all
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord
from fairlead.runtime.tools import contract_of
from tests.unit.runtime.bench import manifest_of


@fl.tool(effect="read", scope="a:read")
async def look(ctx: fl.Context, order: str) -> str:
    """Look."""
    return order


@fl.workflow(
    intent="Test",
    owner="group:default/tests",
    input=int,
    output=str,
    tools=[look],
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=1)),
)
async def ask(run: fl.Run[str], number: int) -> str:
    """Ask."""
    return await run.call(look, str(number))


MANIFEST: Manifest = manifest_of(ask)


def with_memory(schema: int, reads: tuple[int, int]) -> Manifest:
    return replace(MANIFEST, memory=MemoryTerms(schema=schema, reads=reads))


@pytest.mark.parametrize(
    ("candidate", "previous", "said"),
    [
        ((1, (1, 1)), (1, (1, 1)), []),
        ((2, (1, 2)), (1, (1, 2)), []),
        ((2, (1, 2)), (1, (1, 1)), ["the previous release does not read schema 2"]),
        ((2, (2, 2)), (1, (1, 2)), ["the candidate does not read schema 1"]),
        (
            (2, (2, 2)),
            (1, (1, 1)),
            ["the previous release does not read schema 2", "the candidate does not read schema 1"],
        ),
    ],
)
def test_memory_must_be_read_both_ways(candidate: Any, previous: Any, said: list[str]) -> None:
    found = memory_findings(with_memory(*candidate), with_memory(*previous))
    assert len(found) == len(said)
    assert all(words in finding for words, finding in zip(said, found, strict=True))


RUN = RunRecord(
    id="r1",
    workflow="ask",
    release="f" * 64,
    code_digest="c" * 64,
    principal=Principal(),
    purpose="user",
    state="running",
    input=3,
    created_at=0.0,
)
CALL = CallRecord(
    key="r1:1",
    run_id="r1",
    number=1,
    kind="tool",
    name="look",
    effect="read",
    state="done",
    arguments_digest="d" * 64,
    result=None,
    attempts=1,
    started_at=0.0,
    finished_at=1.0,
)


def asked(run: RunRecord, *calls: CallRecord, previous: Manifest = MANIFEST) -> tuple[str, ...]:
    accepting = Accepting(previous, MANIFEST)
    accepting.look(run, calls)
    accepting.look(run, calls)
    return accepting.findings


def test_what_runs_have_on_record_is_accepted() -> None:
    assert asked(RUN, CALL) == ()
    assert asked(replace(RUN, input=None)) == (), "its payload is gone"


def test_each_thing_that_would_be_refused_is_said_once() -> None:
    [said] = asked(replace(RUN, input="three"))
    assert "refuses an input of workflow ask" in said
    [said] = asked(replace(RUN, workflow="other"))
    assert "has no workflow other" in said
    [said] = asked(RUN, CALL, previous=replace(MANIFEST, contracts={}))
    assert "has no tool look" in said


def test_a_tool_that_got_stricter_counts_only_when_it_was_called() -> None:
    contract = contract_of(look)
    strict = {**contract.parameters, "required": ["order", "reason"]}
    narrower = replace(MANIFEST, contracts={"look": replace(contract, parameters=strict)})
    assert asked(RUN, previous=narrower) == ()
    [said] = asked(RUN, CALL, previous=narrower)
    assert "its tool look may refuse arguments" in said


def test_an_input_is_used_when_every_release_takes_it() -> None:
    takes = taken_by_all("ask", [MANIFEST, MANIFEST])
    assert takes is not None
    assert takes(3)
    assert not takes("three")
    assert taken_by_all("other", [MANIFEST]) is None
