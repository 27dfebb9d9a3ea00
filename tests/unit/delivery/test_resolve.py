"""From an app and its files to a manifest: files win over decorators, mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.breaker import BreakerTerms
from fairlead.core.errors import InvalidConfig
from fairlead.core.rates import DEFAULT_RATE
from fairlead.core.release import Manifest, RecallTerms, WorkflowTerms
from fairlead.delivery.resolve import (
    PROCESS_TABLES,
    bundle_digest,
    code_digest,
    read_config,
    resolve,
)
from fairlead.ports.app_files import AppFiles
from fairlead.runtime.execute import rules_of
from fairlead.testing import FakeAuthorizer

FILES = AppFiles(
    code={"app.py": b"x = 1\n", "requirements.txt": b"a==1\n"},
    bundle={
        "fairlead.toml": b"",
        "prompts/a.md": b"Prompt A.",
        "prompts/b.md": b"Prompt B.",
        "policies/p.cedar": b"permit;",
        "intents/ask.toml": b'problem = "None."\nnon_goals = ["All"]\nreview_date = 2030-01-02\n',
    },
)


@fl.tool(effect="once", scope="money:write", targets=["amount"])
async def pay(_: fl.Context, amount: int, note: str = "") -> str:
    """Pay an amount."""
    return f"{amount}{note}"


@fl.workflow(
    intent="Ask",
    owner="group:default/tests",
    input=str,
    output=fl.Answer,
    model="fairlead:extractive",
    prompt="a.md",
    tools=[pay],
    guardrails=[fl.grounded],
    memory=fl.Memory(semantic=fl.Recall("docs", top_k=7, min_score=0.1)),
    limits=fl.Limits(steps=5, wall_time=timedelta(minutes=2)),
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def ask(_: fl.Run[fl.Answer], __: str) -> fl.Answer:
    """Ask."""
    raise NotImplementedError


APP = fl.App("asks", workflows=[ask])


def resolved(files: AppFiles = FILES, **table: Any) -> Manifest:
    """Return the manifest with `[workflow.ask]`."""
    return resolve(APP, files, {"workflow": {"ask": table}})


def terms(**table: Any) -> WorkflowTerms:
    """Return the workflow's terms with `[workflow.ask]`."""
    return resolved(**table).workflows["ask"]


def test_without_a_file_the_decorators_values_hold() -> None:
    found = terms()
    assert (found.model, found.prompt, found.tools) == (
        "fairlead:extractive",
        "Prompt A.",
        ("pay",),
    )
    assert found.guardrails == ("grounded",)
    assert found.limits == fl.Limits(steps=5, wall_time=timedelta(minutes=2))
    assert found.recall == RecallTerms(collection="docs", top_k=7, min_score=0.1)
    assert (found.intent.problem, found.intent.non_goals) == ("None.", ("All",))
    assert found.intent.review_date == "2030-01-02"
    contract = resolved().contracts["pay"]
    assert (contract.effect, contract.scope, contract.targets) == (
        "once",
        "money:write",
        ("amount",),
    )
    assert set(contract.parameters["properties"]) == {"amount", "note"}
    assert contract.parameters["required"] == ["amount"]
    assert resolved().policies == {"policies/p.cedar": "permit;"}


def test_a_value_in_a_file_wins() -> None:
    found = terms(
        model="openai:gpt-5",
        prompt="b.md",
        top_k=1,
        collection="other",
        model_settings={"temperature": 0.5},
        limits={
            "steps": 9,
            "cost_usd": 0.5,
            "wall_time_s": 3,
            "attempts": 2,
            "repeats": 7,
            "call_timeout_s": 1.5,
            "reasks": 0,
            "context_tokens": 500,
        },
        fallbacks=["openai:gpt-5-mini"],
        slo={"success": 0.5, "latency_p95_s": 1},
    )
    assert (found.model, found.prompt) == ("openai:gpt-5", "Prompt B.")
    assert found.recall is not None
    assert (found.recall.collection, found.recall.top_k, found.recall.min_score) == (
        "other",
        1,
        0.1,
    )
    assert found.model_settings == {"temperature": 0.5}
    assert found.limits == fl.Limits(
        steps=9,
        cost_usd=0.5,
        wall_time=timedelta(seconds=3),
        attempts=2,
        repeats=7,
        call_timeout=timedelta(seconds=1.5),
        reasks=0,
        context_tokens=500,
    )
    assert found.fallbacks == ("openai:gpt-5-mini",)
    assert found.slo == fl.SLO(success=0.5, latency_p95=timedelta(seconds=1))


def test_a_file_takes_the_fallbacks_of_the_decorator_away() -> None:
    app = fl.App("asks", workflows=[replace(ask, fallbacks=("openai:gpt-5-mini",))])
    declared = resolve(app, FILES, {}).workflows["ask"]
    assert declared.fallbacks == ("openai:gpt-5-mini",)
    without = resolve(app, FILES, {"workflow": {"ask": {"fallbacks": []}}}).workflows["ask"]
    assert without.fallbacks == ()


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"modell": "x"}, "modell"),
    ({"model": 5}, "model"),
    ({"prompt": "c.md"}, "c.md"),
    ({"top_k": 0}, "top_k"),
    ({"top_k": "many"}, "workflow.ask"),
    ({"min_score": 2}, "min_score"),
    ({"limits": {"steps": 0}}, "steps"),
    ({"limits": {"steps": "x"}}, "workflow.ask.limits"),
    ({"limits": {"cost_usd": -1}}, "cost_usd"),
    ({"limits": {"repeats": 0}}, "repeats"),
    ({"limits": {"repeats": 101}}, "repeats"),
    ({"limits": {"wall_time_s": True}}, "seconds"),
    ({"limits": {"wall_time_s": -1}}, "wall_time"),
    ({"limits": {"wall_time": 1}}, "wall_time"),
    ({"limits": 5}, "limits"),
    ({"limits": {"reasks": -1}}, "reasks"),
    ({"limits": {"context_tokens": 0}}, "context_tokens"),
    ({"slo": {"success": 1.0}}, "success"),
    ({"fallbacks": "openai:gpt-5"}, "fallbacks"),
    ({"fallbacks": [5]}, "fallbacks"),
    ({"fallbacks": ["a:b", "a:b"]}, "a:b, which is asked already"),
    ({"model": "a:b", "fallbacks": ["a:b"]}, "a:b, which is asked already"),
    ({"fallbacks": [f"a:{n}" for n in range(6)]}, "at most 5"),
]


@pytest.mark.parametrize(("table", "named"), MISTAKES)
def test_a_mistake_in_a_file_is_named(table: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        resolved(**table)
    assert named in error.value.message


OTHER_MISTAKES: list[dict[str, Any]] = [
    {"workflow": {"asks": {}}},
    {"telemetry": {"must_emit": [{"span": "x", "when": "never"}]}},
    {"telemetry": {"musts": []}},
    {"rates": {"payy": {"calls": 1, "per_s": 1}}},
    {"rates": {"pay": {"calls": 1}}},
    {"rates": {"pay": {"calls": 0, "per_s": 1}}},
    {"rates": {"pay": {"calls": "many", "per_s": 1}}},
    {"rates": {"pay": {"calls": 1, "per_s": "long"}}},
    {"rates": {"pay": {"calls": 1, "per_s": 1, "burst": 1}}},
    {"rates": {"pay": 5}},
    {"rates": 5},
    {"breaker": {"failures": 0}},
    {"breaker": {"failure": 1}},
    {"breaker": {"open_s": "long"}},
    {"breaker": 5},
]


@pytest.mark.parametrize("config", OTHER_MISTAKES)
def test_a_table_that_nothing_reads_is_a_mistake(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        resolve(APP, FILES, config)


@pytest.mark.parametrize("page", [b"problem =", b"problems = 1\n"])
def test_a_mistake_in_an_intent_page_is_named(page: bytes) -> None:
    files = replace(FILES, bundle={**FILES.bundle, "intents/ask.toml": page})
    with pytest.raises(InvalidConfig, match=r"intents/ask\.toml"):
        resolved(files)


def test_the_bundle_is_the_files_and_what_the_configuration_means() -> None:
    config: dict[str, Any] = {"workflow": {"ask": {"top_k": 3}}}
    base = bundle_digest(FILES, config)
    process = {**config, **{name: {"x": 1} for name in PROCESS_TABLES}}
    assert bundle_digest(FILES, process) == base
    text = replace(FILES, bundle={**FILES.bundle, "fairlead.toml": b"# a comment"})
    assert bundle_digest(text, config) == base
    assert bundle_digest(FILES, {"workflow": {"ask": {"top_k": 4}}}) != base
    prompt = replace(FILES, bundle={**FILES.bundle, "prompts/a.md": b"Prompt C."})
    assert bundle_digest(prompt, config) != base
    code = replace(FILES, code={**FILES.code, "app.py": b"x = 2\n"})
    assert bundle_digest(code, config) == base


def test_the_code_is_its_files_and_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    base = code_digest(FILES)
    for name in FILES.code:
        assert code_digest(replace(FILES, code={**FILES.code, name: b"other"})) != base
    assert code_digest(replace(FILES, bundle={})) == base
    monkeypatch.setattr("fairlead.delivery.resolve._python", lambda: "3.99")
    assert code_digest(FILES) != base


@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_a_bound_that_is_no_number_is_refused(value: str) -> None:
    files = AppFiles(
        code={}, bundle={"fairlead.toml": f"[workflow.w.limits]\ncost_usd = {value}".encode()}
    )
    with pytest.raises(InvalidConfig):
        bundle_digest(files, read_config(files))


def test_each_tool_and_model_has_a_rate_and_breakers_have_terms_without_a_file() -> None:
    found = resolve(APP, FILES, {})
    assert found.rates == {"model:fairlead:extractive": DEFAULT_RATE, "tool:pay": DEFAULT_RATE}
    assert found.breaker == BreakerTerms()


def test_a_rate_in_the_file_wins_over_the_decorators() -> None:
    @fl.tool(effect="read", scope="x", rate=fl.Rate(10, per_s=1.0))
    async def look(_: fl.Context) -> str:
        """Look."""
        return ""

    app = fl.App("looks", workflows=[replace(ask, tools=(pay, look))])
    assert resolve(app, FILES, {}).rates["tool:look"] == fl.Rate(10, per_s=1.0)
    rates = {
        "look": {"calls": 2, "per_s": 60},
        "openai:gpt-5": {"calls": 60, "per_s": 60},
    }
    config = {"rates": rates, "breaker": {"failures": 9, "open_s": 5.5}}
    found = resolve(app, FILES, config)
    assert found.rates["tool:look"] == fl.Rate(2, per_s=60)
    assert found.rates["model:openai:gpt-5"] == fl.Rate(60, per_s=60)
    assert found.rates["tool:pay"] == DEFAULT_RATE
    assert found.breaker == BreakerTerms(failures=9, open_s=5.5)
    assert found.bundle_digest != resolve(app, FILES, {}).bundle_digest
    faster = {**config, "rates": {**rates, "look": {"calls": 3, "per_s": 60}}}
    assert bundle_digest(FILES, faster) != found.bundle_digest
    assert bundle_digest(FILES, {**config, "breaker": {}}) != found.bundle_digest


def test_rates_and_breaker_reach_the_rules_of_a_run() -> None:
    config = {"rates": {"pay": {"calls": 2, "per_s": 60}}, "breaker": {"failures": 9}}
    rules = rules_of(resolve(APP, FILES, config), lambda _: FakeAuthorizer())
    assert rules.rate_of("tool", "pay") == fl.Rate(2, per_s=60)
    assert rules.rate_of("model", "other:model") == DEFAULT_RATE
    assert rules.breaker.failures == 9


def test_the_manifest_says_which_guardrails_are_fairleads_own_and_stop_something() -> None:
    @fl.guardrail(stage="input", on_fail="block")
    def size_input(_: fl.Context, __: fl.Request) -> fl.Verdict:
        return fl.PASS

    rails = (size_input, fl.grounded, fl.checks.injection_markers())
    app = fl.App("asks", workflows=[replace(ask, guardrails=rails)])
    terms = resolve(app, FILES, {}).workflows["ask"]
    assert terms.guardrails == ("size_input", "grounded", "injection_markers_tool")
    assert terms.enforced == ("grounded",)


def test_an_unknown_key_is_refused_with_the_file_and_the_nearest_one() -> None:
    with pytest.raises(InvalidConfig, match=r"fairlead.toml: workflow.ask .* mean 'model'\?"):
        resolved(modle="x")
    with pytest.raises(InvalidConfig, match=r"\[workflow.asks\] .* did you mean 'ask'\?"):
        resolve(APP, FILES, {"workflow": {"asks": {}}})
    with pytest.raises(InvalidConfig, match=r"budgets\[1\] .* did you mean 'scope'\?"):
        resolve(APP, FILES, {"budgets": [{"name": "a", "scoped": "workflow"}]})
