"""The flags of a run: each is evaluated once, and read from the record ever after."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.digests import digest
from fairlead.core.errors import FlagsNotInstalled
from fairlead.core.flags import FlagTerms, failed
from fairlead.ports.flags import NO_FLAGS, FlagQuery
from tests.unit.runtime.bench import Bench, manifest_of
from tests.unit.runtime.test_execute import bench_of, look


async def asks(run: fl.Run[str], _: str) -> str:
    tone = await run.flag("tone", "plain")
    await run.call(look)
    return f"{tone} {await run.flag('tone', 'other')} {await run.flag('new', default=False)}"


def evaluations(bench: Bench) -> list[dict[str, Any]]:
    return [event.data for event in bench.events.list() if event.type == "flag.evaluated"]


def test_a_flag_is_evaluated_once_and_read_from_the_record_on_every_replay() -> None:
    bench = bench_of(asks)
    bench.flags.values = {"tone": "warm", "new": True}
    assert bench.execute().outcome["answer"] == "warm warm True"
    assert [name for name, _ in bench.engine.steps][:1] == ["flag tone"]
    bench.flags.values = {"tone": "cold", "new": False}
    for keep in (3, 2, 1):
        bench.forget_end()
        ended = bench.execute(bench.engine.replay(keep=keep))
        # What is on record stays; what is not is evaluated now.
        assert ended.outcome["answer"].startswith("warm warm "), keep
    bench.forget_end()
    # Without a record it is another one: so it is the record that makes it the same.
    assert bench.execute(bench.engine.replay(keep=0)).outcome["answer"] == "cold cold False"


def test_a_replay_asks_nobody_and_emits_nothing() -> None:
    bench = bench_of(asks)
    bench.flags.values = {"tone": "warm"}
    bench.execute()
    asked, told, events = (
        len(bench.flags.asked),
        len(bench.telemetry.flags),
        len(evaluations(bench)),
    )
    assert (asked, told, events) == (2, 2, 2)
    bench.forget_end()
    bench.execute(bench.engine.replay())
    assert (len(bench.flags.asked), len(bench.telemetry.flags)) == (asked, told)
    assert len(evaluations(bench)) == events


def test_the_event_holds_the_variant_and_the_value_s_digest_only() -> None:
    bench = bench_of(asks)
    bench.flags.values = {"tone": "warm"}
    bench.execute()
    assert evaluations(bench) == [
        {
            "flag": "tone",
            "variant": "value",
            "reason": "STATIC",
            "error": "",
            "value": digest("warm"),
            "provider": "fake",
        },
        {
            "flag": "new",
            "variant": None,
            "reason": "ERROR",
            "error": "FLAG_NOT_FOUND",
            "value": digest(False),
            "provider": "",
        },
    ]


def test_a_crash_between_the_event_and_the_step_s_record_leaves_one_event() -> None:
    bench = bench_of(asks)
    bench.flags.values = {"tone": "warm"}
    bench.execute()
    events = FakeTail(bench, 1)
    bench.runner.stores = replace(bench.runner.stores, events=events)
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=0))
    assert events.appended == ["new"]


class FakeTail:
    """A log that ends with the first evaluation of a run."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.tail = [event for event in bench.events.list() if event.type == "flag.evaluated"]
        self.tail = self.tail[:number]
        self.appended: list[Any] = []

    def list(self, **_: Any) -> list[Any]:
        return self.tail

    def append(self, facts: Any) -> None:
        self.appended += [fact.data["flag"] for fact in facts if fact.type == "flag.evaluated"]


async def details(run: fl.Run[list[Any]], _: str) -> list[Any]:
    first = await run.flag_details("gone", "a")
    second = await run.flag_details("gone", "b")
    other = await run.flag_details("gone", 1)
    return [first.value, second.value, other.value, second.reason, second.error_code]


def test_after_an_error_each_caller_goes_on_with_its_own_default() -> None:
    bench = bench_of(details, output=list[Any])
    answer = ["a", "b", 1, "ERROR", "FLAG_NOT_FOUND"]
    assert bench.execute().outcome["answer"] == answer
    # Text and number are two questions; the second for text is none.
    assert [query.type for query in bench.flags.asked] == ["string", "integer"]


async def gathers(run: fl.Run[str], _: str) -> str:
    found = await asyncio.gather(*(run.flag("tone", "plain") for _ in range(3)))
    return " ".join(found)


def test_branches_that_ask_at_the_same_time_get_one_answer() -> None:
    bench = bench_of(gathers)
    bench.flags.values = {"tone": "warm"}
    assert bench.execute().outcome["answer"] == "warm warm warm"
    assert len(bench.flags.asked) == 1


async def poses(run: fl.Run[str], _: str) -> str:
    return await run.flag("tone", "plain", attributes={"plan": "pro", "tenant": "other"})


def test_rules_see_who_asks_and_no_attribute_poses_as_somebody_else() -> None:
    bench = bench_of(poses)
    bench.execute()
    (query,) = bench.flags.asked
    assert query.attributes == {
        "app": "bench",
        "conversation": "",
        "plan": "pro",
        "release": bench.release.digest,
        "tenant": "default",
        "user": "local",
        "workflow": "poses",
    }


@pytest.mark.parametrize(
    ("user", "conversation", "key"),
    [
        ("ann", "c1", "default/ann"),
        ("ann", None, "default/ann"),
        ("local", "c1", "c1"),
        ("local", None, "r1"),
    ],
)
def test_a_share_is_drawn_for_the_user_else_the_conversation_else_the_run(
    user: str, conversation: str | None, key: str
) -> None:
    bench = bench_of(poses)
    record = bench.runs.records["r1"]
    bench.runs.records["r1"] = replace(
        record, principal=fl.Principal(user=user), conversation=conversation, aside=True
    )
    bench.execute()
    assert bench.flags.asked[0].targeting_key == key


def test_the_flags_of_the_pinned_release_are_asked() -> None:
    declared = bench_of(poses).runner.app.workflow("poses")
    bench = Bench(declared, manifest=manifest_of(declared, flags={"tone": "warm"}))
    bench.execute()
    assert bench.flags.asked[0].flags == {
        "tone": FlagTerms(type="string", variants={"value": "warm"}, default_variant="value")
    }


async def _none(run: fl.Run[str], _: str) -> str:
    return str(await run.flag("tone", None))


async def _object(run: fl.Run[str], _: str) -> str:
    return str(await run.flag("tone", {"a": object()}))


async def _long(run: fl.Run[str], _: str) -> str:
    return await run.flag("t" * 201, "plain")


async def _empty(run: fl.Run[str], _: str) -> str:
    return await run.flag("", "plain")


async def _large(run: fl.Run[str], _: str) -> str:
    return await run.flag("tone", "plain", attributes={"text": "x" * 100_001})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_none, "FL-004"),
        (_object, "FL-406"),
        (_long, "FL-004"),
        (_empty, "FL-004"),
        (_large, "FL-004"),
    ],
)
def test_what_a_flag_cannot_have_is_refused_before_anybody_is_asked(body: Any, code: str) -> None:
    bench = bench_of(body)
    assert bench.execute().outcome["code"] == code
    assert bench.flags.asked == []


def test_without_the_libraries_the_run_fails_and_says_what_to_install() -> None:
    bench = bench_of(poses)
    bench.flags.error = FlagsNotInstalled("not installed")
    assert bench.execute().outcome["code"] == "FL-921"
    assert evaluations(bench) == []


def test_a_runtime_without_a_source_evaluates_nothing() -> None:
    with pytest.raises(FlagsNotInstalled):
        asyncio.run(NO_FLAGS.evaluate(FlagQuery(key="a", type="boolean", default=False)))


class Excessive:
    """A provider that says too much."""

    async def evaluate(self, query: FlagQuery) -> Any:
        said = failed(query.key, "x" * 100_001, "", "m" * 10_000)
        return replace(said, variant="v" * 1000, reason="r" * 1000, provider="p" * 1000)


def test_invariant_11_what_a_provider_says_is_bounded() -> None:
    bench = bench_of(asks)
    bench.runner.services = replace(bench.runner.services, flags=Excessive())
    assert bench.execute().outcome["answer"] == "plain other False"
    first = bench.telemetry.flags[0]
    assert (first.value, first.error_code) == ("plain", "GENERAL")
    assert first.error_message == "the value has more than 100000 characters"
    assert max(len(first.reason), len(first.provider), len(first.variant or "")) <= 201


async def inside(run: fl.Run[str], _: str) -> str:
    async def body() -> str:
        return await run.flag("tone", "plain")

    return await run.step(body)


def test_a_flag_is_asked_for_in_the_workflow_s_code_and_not_in_a_step() -> None:
    bench = bench_of(inside)
    assert "flag tone was asked for inside the body of a call" in bench.execute().reason
    assert bench.flags.asked == []


def test_a_secret_in_a_value_is_not_recorded() -> None:
    bench = bench_of(poses)
    bench.flags.values = {"tone": "sk-proj-" + "Ab3" * 16}
    assert "Ab3Ab3" not in bench.execute().outcome["answer"]
