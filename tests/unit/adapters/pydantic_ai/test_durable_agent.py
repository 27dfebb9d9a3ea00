"""A real agent on the boundary: its model's errors, its money, its settings and its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import Field
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.core.outcome import Outcome
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of

MODEL = "openai:gpt-4o"
RATE_LIMIT = ModelHTTPError(429, "gpt-4o")


class Provider:
    """A model that says what a test wrote down, or raises it, turn by turn.

    Attributes:
        settings: What each turn was asked with.
    """

    def __init__(self, *turns: str | Exception) -> None:
        self._turns = list(turns)
        self.settings: list[Any] = []

    @property
    def asked(self) -> int:
        return len(self.settings)

    def model(self, name: str = "gpt-4o") -> FunctionModel:
        """Return the model; a turn costs 0.26 USD by the price list of `gpt-4o`."""

        def respond(_: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            self.settings.append(info.model_settings)
            turn = self._turns[min(self.asked, len(self._turns)) - 1]
            if isinstance(turn, Exception):
                raise turn
            usage = RequestUsage(input_tokens=100_000, output_tokens=1_000)
            return ModelResponse(
                parts=[TextPart(turn)], usage=usage, model_name=name, provider_name="openai"
            )

        return FunctionModel(respond, model_name=name)


async def answers(run: Any, item: str) -> Outcome[str]:
    """Ask once."""
    return (await run.answer(item)).unwrap()


async def answers_twice(run: Any, item: str) -> Outcome[str]:
    """Ask twice, so that the second time sees what the first one used."""
    await run.answer(item)
    return (await run.answer(item)).unwrap()


def bench_of(given: Any = MODEL, body: Callable[..., Any] = answers, **table: Any) -> Bench:
    """Return a run of a workflow with this model, and with this table in `fairlead.toml`."""
    declare = fl.workflow(
        intent="Answer",
        owner="group:default/tests",
        input=str,
        output=str,
        model=given,
        prompt="p.md",
        slo=SLO_OF_TESTS,
    )
    workflow = declare(body)
    return Bench(workflow, manifest=manifest_of(workflow, **table))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Provider]:
    """Put a provider in the place of the one behind a model's name."""

    def made(*turns: str | Exception, name: str = MODEL) -> Provider:
        provider = Provider(*turns)
        model = provider.model(name.partition(":")[2])
        real = generator.infer_model
        monkeypatch.setattr(
            generator, "infer_model", lambda asked: model if asked == name else real(asked)
        )
        return provider

    return made


def test_a_provider_that_is_busy_is_asked_again(serve: Callable[..., Provider]) -> None:
    provider = serve(RATE_LIMIT, RATE_LIMIT, "done")
    bench = bench_of(limits={"attempts": 4})
    ended = bench.execute()
    assert (ended.state, ended.outcome["answer"]) == ("succeeded", "done")
    assert provider.asked == 3
    (record,) = bench.journal.of_run("r1")
    assert (record.kind, record.name, record.attempts) == ("model", MODEL, 3)


def test_a_provider_says_how_long_to_wait(serve: Callable[..., Provider]) -> None:
    serve(ModelHTTPError(429, "gpt-4o", headers={"Retry-After": "20"}), "done")
    bench = bench_of(limits={"attempts": 2})
    assert bench.execute().state == "succeeded"
    # A half of the jitter, which is at most a second: half is what chance gives here.
    waited = [w.due_at - w.opened_at for w in bench.waits.waits.values()]
    assert waited == pytest.approx([20.5])


def test_a_provider_that_stays_busy_fails_the_run(serve: Callable[..., Provider]) -> None:
    provider = serve(RATE_LIMIT)
    ended = bench_of(limits={"attempts": 2}).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-613")
    assert provider.asked == 2


def test_a_wrong_key_fails_at_once(serve: Callable[..., Provider]) -> None:
    wrong = ModelHTTPError.for_category(
        ModelAuthenticationError, status_code=401, model_name="gpt-4o"
    )
    provider = serve(wrong, "done")
    bench = bench_of(limits={"attempts": 4})
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-616")
    assert provider.asked == 1
    assert (bench.clock.pauses, bench.waits.waits) == ([], {})


def test_tokens_and_money_of_a_turn_are_on_record_and_count(
    serve: Callable[..., Provider],
) -> None:
    provider = serve("done")
    bench = bench_of(body=answers_twice, limits={"cost_usd": 0.25})
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-504")
    assert provider.asked == 1
    usage = bench.journal.of_run("r1")[0].usage
    assert (usage.input_tokens, usage.output_tokens) == (100_000, 1_000)
    assert usage.cost_usd == pytest.approx(0.26)


def test_money_below_the_limit_denies_nothing(serve: Callable[..., Provider]) -> None:
    provider = serve("done")
    bench = bench_of(body=answers_twice, limits={"cost_usd": 0.27})
    assert bench.execute().state == "succeeded"
    assert provider.asked == 2


def test_tokens_of_a_model_without_a_price_count(serve: Callable[..., Provider]) -> None:
    serve("done", name="openai:nobody-knows-it")
    bench = bench_of("openai:nobody-knows-it")
    assert bench.execute().state == "succeeded"
    usage = bench.journal.of_run("r1")[0].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (100_000, 1_000, 0.0)


def test_the_settings_of_the_terms_reach_the_model(serve: Callable[..., Provider]) -> None:
    provider = serve("done")
    bench = bench_of(model_settings={"temperature": 0.25, "max_tokens": 77})
    assert bench.execute().state == "succeeded"
    assert provider.settings == [{"temperature": 0.25, "max_tokens": 77}]


def test_a_ready_agent_keeps_its_model(serve: Callable[..., Provider]) -> None:
    own, other = Provider("own"), serve("other")
    bench = bench_of(Agent(own.model("gpt-4o-mini"), name="ready"))
    assert bench.execute().outcome["answer"] == "own"
    assert (own.asked, other.asked) == (1, 0)
    assert bench.journal.of_run("r1")[0].name == "function:gpt-4o-mini"


def test_the_model_of_the_manifest_replaces_that_of_a_ready_agent(
    serve: Callable[..., Provider],
) -> None:
    own, other = Provider("own"), serve("other")
    bench = bench_of(Agent(own.model("gpt-4o-mini"), name="ready"), model=MODEL)
    assert bench.execute().outcome["answer"] == "other"
    assert (own.asked, other.asked) == (0, 1)
    assert bench.journal.of_run("r1")[0].name == MODEL
    assert [query.resource for query in bench.authorizer.asked] == [MODEL]


def test_an_agent_that_names_its_model_gets_it_without_retries(
    serve: Callable[..., Provider],
) -> None:
    """The library would make the model anew, with the retries of the provider's own client."""
    provider = serve("done")
    bench = bench_of(Agent(MODEL, name="ready", defer_model_check=True))
    assert bench.execute().outcome["answer"] == "done"
    assert provider.asked == 1
    assert bench.journal.of_run("r1")[0].name == MODEL


@dataclass
class Wide:
    """An output whose definition is long."""

    text: Annotated[str, Field(description="It is a text. " * 200)]


@fl.tool(effect="read", scope="items:read")
async def wordy(_: fl.Context) -> str:
    """Placeholder."""
    return ""


WORDY = replace(wordy, description="It looks at items. " * 200)


@pytest.mark.parametrize(
    ("output", "tools"), [(str, [WORDY]), (Wide, [])], ids=["of a tool", "of the output"]
)
def test_definitions_count_as_context(
    serve: Callable[..., Provider], output: Any, tools: list[Any]
) -> None:
    provider = serve("done")
    declare = fl.workflow(
        intent="Answer",
        owner="group:default/tests",
        input=str,
        output=output,
        model=MODEL,
        tools=tools,
        limits=fl.Limits(context_tokens=900),
        slo=SLO_OF_TESTS,
    )
    ended = Bench(declare(answers)).execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-617")
    assert provider.asked == 0
    plain = bench_of(limits={"context_tokens": 900})
    assert plain.execute().state == "succeeded"


def test_a_model_has_no_retries_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a call that is tried four times asks a provider twelve times."""
    given = SimpleNamespace(client=SimpleNamespace(max_retries=2))
    monkeypatch.setattr(generator, "infer_model", lambda _: given)
    assert generator.make_model(MODEL) is given
    assert given.client.max_retries == 0


@pytest.mark.parametrize("given", [SimpleNamespace(), SimpleNamespace(client=object())])
def test_a_model_that_has_no_such_client_is_left_alone(
    given: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "infer_model", lambda _: given)
    before = dict(vars(given))
    assert generator.make_model(MODEL) is given
    assert vars(given) == before
