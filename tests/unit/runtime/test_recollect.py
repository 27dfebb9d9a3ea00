"""`run.answer` recalls for its question: what is remembered becomes a source, quoted as data."""

from __future__ import annotations

from typing import Any

import fairlead as fl
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.bench import SLO_OF_TESTS
from tests.unit.runtime.shelf import KINDS, SAID, MemoryBench, Shelf
from tests.unit.runtime.test_memory import remembers

QUESTION = "how does the customer pay?"


def asks(shelf: Shelf, model: Any, remember: Any, **options: Any) -> MemoryBench:
    @fl.workflow(
        intent="Answer",
        owner="group:default/tests",
        input=str,
        output=fl.Answer,
        model=model,
        slo=SLO_OF_TESTS,
        memory=fl.Memory(remember=remember),
    )
    async def answer(run: fl.Run[fl.Answer], question: str) -> fl.Answer:
        """Answer."""
        return (await run.answer(question)).unwrap()

    shelf.made += 1
    return MemoryBench(answer, shelf.access, f"run{shelf.made}", input=QUESTION, **options)


GROUNDS = fl.Remember(KINDS, top_k=2, grounding=True)


def test_what_is_remembered_is_a_source_of_the_answer(shelf: Shelf) -> None:
    shelf.run(remembers(subject="customer:42", predicate="pays"))
    ended = asks(shelf, "fairlead:extractive", GROUNDS).execute()
    (source,) = ended.outcome["sources"]
    assert (source["id"], source["passage"]["collection"]) == ("m1", "memory")
    assert source["passage"]["document"] == shelf.one().id
    assert source["passage"]["title"] == "memory > customer:42 > pays"
    assert SAID in ended.outcome["answer"]["text"]


def test_it_is_not_recalled_unless_the_workflow_says_so(shelf: Shelf) -> None:
    shelf.run(remembers())
    bench = asks(shelf, "fairlead:extractive", fl.Remember(KINDS))
    bench.execute()
    assert [call.kind for call in bench.journal.of_run(bench.run_id)] == ["model"]


def test_a_recall_that_is_denied_ends_the_answer(shelf: Shelf) -> None:
    denied = FakeAuthorizer(denied=frozenset(KINDS))
    ended = asks(shelf, "fairlead:extractive", GROUNDS, authorizer=denied).execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-500")
