"""Resolves an app into a manifest: values in files win over defaults in decorators."""

from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from fairlead.authoring.app import App
from fairlead.authoring.guardrail import enforced, redacts
from fairlead.authoring.workflow import Workflow
from fairlead.core.breaker import BreakerTerms
from fairlead.core.digests import digest, digest_bytes, digest_files
from fairlead.core.errors import InvalidConfig
from fairlead.core.intent import IntentPage
from fairlead.core.limits import SLO, Limits
from fairlead.core.nearest import unknown_name
from fairlead.core.rates import DEFAULT_RATE, Rate
from fairlead.core.release import Manifest, RecallTerms, SignalRule, WorkflowTerms
from fairlead.delivery.budgets import budgets_of
from fairlead.delivery.flags import app_flags, workflow_flags
from fairlead.delivery.memory import memory_of, remember_of
from fairlead.delivery.servers import ServerTools, server_tools
from fairlead.delivery.tables import known, made, text_of
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.app_files import AppFiles
from fairlead.runtime.tools import contract_of
from fairlead.settings import APP_FILE

PROCESS_TABLES = frozenset(("database", "worker", "ingest", "identity", "delivery"))
"""Tables of `fairlead.toml` that say how a process runs, not what a release is."""

FALLBACKS_MAX = 5
"""Most fallbacks of one workflow: each is asked as often as the model itself."""

_WORKFLOW_KEYS = frozenset(
    (
        "model",
        "model_settings",
        "fallbacks",
        "prompt",
        "collection",
        "top_k",
        "min_score",
        "integrity",
        "remember",
        "limits",
        "slo",
        "queue",
        "retention_days",
        "flags",
    )
)
_RECALL_KEYS = ("collection", "top_k", "min_score", "integrity")
_LIMIT_KEYS = frozenset(
    (
        "steps",
        "cost_usd",
        "wall_time_s",
        "attempts",
        "repeats",
        "call_timeout_s",
        "unknown_wait_s",
        "reasks",
        "context_tokens",
        "history_messages",
        "history_chars",
    )
)
_PAGE_KEYS = frozenset(
    ("problem", "expected_outcomes", "non_goals", "compliance", "resilience", "review_date")
)


def read_config(files: AppFiles) -> dict[str, Any]:
    """Return `fairlead.toml` as it stands among an app's files.

    Raises:
        InvalidConfig: It is no TOML.
    """
    try:
        return tomllib.loads(files.text(APP_FILE) or "")
    except ValueError as error:
        raise InvalidConfig(f"{APP_FILE} is not understood: {error}", file=APP_FILE) from error


def code_digest(files: AppFiles) -> str:
    """Return the digest of the code: files, lock, Python's minor version, Fairlead's version."""
    return digest([digest_files(files.code), *versions_here()])


def versions_here() -> tuple[str, str]:
    """Return Python's minor version and Fairlead's, as they are in this process."""
    return _python(), version("fairlead")


def bundle_digest(files: AppFiles, config: Mapping[str, Any]) -> str:
    """Return the digest of the bundle.

    Args:
        files: The app's files.
        config: All of `fairlead.toml`; tables that only concern a process do not count.
    """
    texts = {p: digest_bytes(data) for p, data in files.bundle.items() if p != APP_FILE}
    return digest({"config": release_config(config), "files": texts})


def resolve(app: App, files: AppFiles, config: Mapping[str, Any]) -> Manifest:
    """Make an app's manifest.

    Args:
        app: The app as imported.
        files: Its files.
        config: All of `fairlead.toml`.

    Raises:
        InvalidConfig: A value is not understood, or a file that is named is not there.
    """
    tables = config.get("workflow", {})
    unknown = sorted(set(tables) - set(app.workflows))
    if unknown:
        raise InvalidConfig(
            f"{APP_FILE} has [workflow.{unknown[0]}] and the app has no such workflow; "
            f"{unknown_name(unknown[0], app.workflows)}",
            key=f"workflow.{unknown[0]}",
        )
    served = server_tools(app, files)
    workflows = {
        name: _terms(workflow, files, tables.get(name, {}), served)
        for name, workflow in sorted(app.workflows.items())
    }
    shared = app_flags(files, config.get("flags", {}))
    for name, terms in workflows.items():
        given = tables.get(name, {}).get("flags", {})
        flags = workflow_flags(shared, given, f"workflow.{name}.flags")
        workflows[name] = replace(terms, flags=flags)
    rates = _rates(app, served, workflows, config.get("rates", {}))
    own = {name: contract_of(tool) for name, tool in app.tools.items()}
    return Manifest(
        app=text_of(config.get("app", {}).get("name", app.name), "app.name"),
        code_digest=code_digest(files),
        bundle_digest=bundle_digest(files, config),
        python=_python(),
        fairlead=version("fairlead"),
        workflows=workflows,
        contracts=dict(sorted((own | served.contracts).items())),
        policies=files.below("policies"),
        telemetry=_signals(config.get("telemetry", {})),
        rates=rates,
        breaker=_breaker(config.get("breaker", {})),
        budgets=budgets_of(config.get("budgets", []), workflows, rates),
        shadow=_shadow(config.get("policy", {}), files),
        servers=served.servers,
        memory=memory_of(config.get("memory", {})),
    )


def _rates(
    app: App,
    served: ServerTools,
    workflows: Mapping[str, WorkflowTerms],
    table: Mapping[str, Any],
) -> dict[str, Rate]:
    """Return the rate of each tool and each model, by `tool:NAME` and `model:NAME`."""
    if not isinstance(table, Mapping):
        raise InvalidConfig("rates must be a table", key="rates")
    models = {terms.model for terms in workflows.values() if terms.model}
    rates = {f"model:{name}": DEFAULT_RATE for name in models}
    rates |= {f"tool:{name}": tool.rate or DEFAULT_RATE for name, tool in app.tools.items()}
    rates |= {f"tool:{name}": served.rates.get(name, DEFAULT_RATE) for name in served.contracts}
    for name, given in table.items():
        where = f'rates."{name}"'
        # A workflow's own code may bring a model that no file names; a tool is always declared.
        kind = "model" if ":" in name else "tool"
        if kind == "tool" and f"tool:{name}" not in rates:
            raise InvalidConfig(
                f"{APP_FILE} has [{where}] and the app has no such tool; a model is written as "
                "provider:model",
                key=where,
            )
        known(given, frozenset(("calls", "per_s")), where)
        rates[f"{kind}:{name}"] = made(Rate, dict(given), where)
    return dict(sorted(rates.items()))


def _breaker(table: Mapping[str, Any]) -> BreakerTerms:
    keys = frozenset(item.name for item in fields(BreakerTerms))
    known(table, keys, "breaker")
    return made(BreakerTerms, dict(table), "breaker")


def _terms(
    workflow: Workflow[Any, Any],
    files: AppFiles,
    table: Mapping[str, Any],
    served: ServerTools,
) -> WorkflowTerms:
    where = f"workflow.{workflow.name}"
    known(table, _WORKFLOW_KEYS, where)
    limits = _limits(workflow.limits, table.get("limits", {}), f"{where}.limits")
    slo = _slo(workflow.slo, table.get("slo", {}), f"{where}.slo")
    declared = workflow.model if isinstance(workflow.model, str) else ""
    model = text_of(table.get("model", declared), f"{where}.model")
    given = shape_of(workflow.input).schema
    return WorkflowTerms(
        name=workflow.name,
        intent=_intent(workflow, files, limits, slo),
        model=model,
        model_settings=dict(table.get("model_settings", {})),
        fallbacks=_fallbacks(table.get("fallbacks", workflow.fallbacks), model, where),
        prompt=_prompt(table.get("prompt", workflow.prompt), files, where),
        tools=_tools(workflow, served),
        guardrails=tuple(rail.name for rail in workflow.guardrails),
        enforced=enforced(workflow.guardrails),
        redacts=redacts(workflow.guardrails),
        recall=_recall(workflow.memory.semantic, table, where),
        remember=remember_of(workflow.memory.remember, table.get("remember", {}), where, given),
        limits=limits,
        slo=slo,
        input_schema=given,
        output_schema=shape_of(workflow.output).schema,
        queue=text_of(table.get("queue", workflow.queue), f"{where}.queue"),
        retention_days=_days(table.get("retention_days", 30), f"{where}.retention_days"),
    )


def _tools(workflow: Workflow[Any, Any], served: ServerTools) -> tuple[str, ...]:
    """Return what a workflow may call, with what undoes one of it."""
    remote = [tool.name for tool in workflow.mcp_tools]
    for name in remote:
        undo = served.contracts[name].compensate
        if undo and undo not in remote:
            remote.append(undo)
    return (*(tool.name for tool in workflow.callable_tools), *remote)


def _fallbacks(given: Any, model: str, where: str) -> tuple[str, ...]:
    where = f"{where}.fallbacks"
    if not isinstance(given, list | tuple) or len(given) > FALLBACKS_MAX:
        raise InvalidConfig(f"{where} must be a list of at most {FALLBACKS_MAX} models", key=where)
    names = tuple(text_of(name, where) for name in given)
    twice = [name for name in names if name == model or names.count(name) > 1]
    if twice:
        raise InvalidConfig(f"{where} names {twice[0]}, which is asked already", key=where)
    return names


def _prompt(name: str | None, files: AppFiles, where: str) -> str:
    if name is None:
        return ""
    text = files.text(f"prompts/{name}")
    if text is None:
        raise InvalidConfig(f"{where}.prompt names prompts/{name}, which is not there")
    return text


def _recall(
    declared: RecallTerms | None, table: Mapping[str, Any], where: str
) -> RecallTerms | None:
    given = {key: table[key] for key in _RECALL_KEYS if key in table}
    if declared is None and not given:
        return None
    values = {
        "collection": declared.collection if declared else "",
        "top_k": declared.top_k if declared else 5,
        "min_score": declared.min_score if declared else 0.0,
        "integrity": declared.integrity if declared else "untrusted",
        **given,
    }
    return made(RecallTerms, values, where)


def _limits(declared: Limits, table: Mapping[str, Any], where: str) -> Limits:
    known(table, _LIMIT_KEYS, where)
    values = {
        "steps": table.get("steps", declared.steps),
        "cost_usd": table.get("cost_usd", declared.cost_usd),
        "attempts": table.get("attempts", declared.attempts),
        "repeats": table.get("repeats", declared.repeats),
        "reasks": table.get("reasks", declared.reasks),
        "context_tokens": table.get("context_tokens", declared.context_tokens),
        "history_messages": table.get("history_messages", declared.history_messages),
        "history_chars": table.get("history_chars", declared.history_chars),
        "wall_time": _seconds(table.get("wall_time_s"), declared.wall_time, where),
        "call_timeout": _seconds(table.get("call_timeout_s"), declared.call_timeout, where),
        "unknown_wait": _seconds(table.get("unknown_wait_s"), declared.unknown_wait, where),
    }
    return made(Limits, values, where)


def _slo(declared: SLO, table: Mapping[str, Any], where: str) -> SLO:
    known(table, frozenset(("success", "latency_p95_s")), where)
    values = {
        "success": table.get("success", declared.success),
        "latency_p95": _seconds(table.get("latency_p95_s"), declared.latency_p95, where),
    }
    return made(SLO, values, where)


def _intent(workflow: Workflow[Any, Any], files: AppFiles, limits: Limits, slo: SLO) -> IntentPage:
    path = f"intents/{workflow.name}.toml"
    try:
        page = tomllib.loads(files.text(path) or "")
    except ValueError as error:
        raise InvalidConfig(f"{path} is not understood: {error}", file=path) from error
    known(page, _PAGE_KEYS, "the intent page", file=path)
    lists = {
        key: tuple(str(item) for item in page.get(key, ()))
        for key in ("expected_outcomes", "non_goals", "compliance", "resilience")
    }
    return IntentPage(
        summary=workflow.intent,
        owner=workflow.owner,
        problem=str(page.get("problem", "")),
        review_date=str(page.get("review_date", "")),
        objectives=(
            f"{slo.success:.2%} of runs succeed",
            f"95 of 100 runs end within {slo.latency_p95.total_seconds():g} s",
        ),
        limits=limit_lines(limits),
        **lists,
    )


def limit_lines(limits: Limits) -> tuple[str, ...]:
    """Return a workflow's limits as its intent page says them."""
    return (
        f"at most {limits.steps} calls per run",
        f"at most {limits.cost_usd:g} USD per run",
        f"at most {limits.wall_time.total_seconds():g} s per run",
    )


def _shadow(table: Mapping[str, Any], files: AppFiles) -> dict[str, str]:
    """Return the texts of the policies that are only tried."""
    known(table, frozenset(("shadow",)), "policy")
    folder = text_of(table.get("shadow", ""), "policy.shadow")
    texts = files.below(folder) if folder else {}
    if folder and not texts:
        raise InvalidConfig(
            f"policy.shadow names {folder}, and there is no policy in a folder of that name",
            key="policy.shadow",
        )
    return texts


def _signals(table: Mapping[str, Any]) -> tuple[SignalRule, ...]:
    known(table, frozenset(("endpoint", "must_emit")), "telemetry")
    rules = []
    for item in table.get("must_emit", ()):
        known(item, frozenset(("span", "attributes", "when")), "telemetry.must_emit")
        if item.get("when") not in ("run", "model", "tool", "retrieval"):
            raise InvalidConfig("telemetry.must_emit.when must be run, model, tool or retrieval")
        attributes = tuple(str(name) for name in item.get("attributes", ()))
        rules.append(
            SignalRule(span=str(item.get("span")), attributes=attributes, when=item["when"])
        )
    return tuple(rules)


def _seconds(value: Any, default: timedelta, where: str) -> timedelta:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidConfig(f"{where}: {value!r} is no number of seconds", key=where)
    return timedelta(seconds=value)


def _days(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidConfig(f"{where}: {value!r} is no number of days of at least 1", key=where)
    return value


def release_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `fairlead.toml` is a part of a release, each value as it is counted."""
    found: dict[str, Any] = _stable(
        {name: table for name, table in config.items() if name not in PROCESS_TABLES}
    )
    return found


def _stable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _stable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidConfig(f"{APP_FILE} holds {value}, which is no number that can be a bound")
    return value if isinstance(value, str | int | float | bool) else str(value)


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
