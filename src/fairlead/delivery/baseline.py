"""Reads a baseline's folder, and puts an app's manifest under the baseline that is in force."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from fairlead.checks import names
from fairlead.core.baseline import (
    LIMIT_FIELDS,
    WINDOW_S,
    WINDOW_S_MAX,
    Baseline,
    ContractRules,
    narrowed,
)
from fairlead.core.calls import Effect
from fairlead.core.errors import BaselineViolated, FairleadError, InvalidBaseline
from fairlead.core.release import Manifest
from fairlead.delivery.resolve import limit_lines
from fairlead.guardrails.baseline import (
    baseline_findings,
    baseline_rule_findings,
    compile_baseline,
)
from fairlead.ports.app_files import AppFiles
from fairlead.ports.authorizer import PolicyCompiler

BASELINE_FILE = "baseline.toml"

NAME_CHARS_MAX = 100
"""Most characters of a baseline's name, and of its version."""

_KEYS = frozenset(("name", "version", "window_s", "limits", "guardrails", "contracts"))


@dataclass(frozen=True, kw_only=True)
class BaselineReport:
    """What a look at a baseline's folder found.

    Attributes:
        baseline: The baseline.
        rules: How many rules its policies have.
        findings: What makes no sense; empty when all is well.
    """

    baseline: Baseline
    rules: int
    findings: tuple[str, ...]


def parse_baseline(files: AppFiles) -> Baseline:
    """Make a baseline of a folder's files.

    Args:
        files: `baseline.toml` and `policies/*.cedar`.

    Raises:
        InvalidBaseline: A value is not understood.
    """
    text = files.text(BASELINE_FILE)
    if text is None:
        raise InvalidBaseline(f"there is no {BASELINE_FILE} in the folder", file=BASELINE_FILE)
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise InvalidBaseline(f"{BASELINE_FILE} is not understood: {error}") from error
    _known(table, _KEYS, BASELINE_FILE)
    guardrails = table.get("guardrails", {})
    _known(guardrails, frozenset(("required",)), "guardrails")
    return Baseline(
        name=_name(table, "name"),
        version=_name(table, "version"),
        window_s=_window_s(table.get("window_s", WINDOW_S)),
        limits=_limits(table.get("limits", {})),
        guardrails=_texts(guardrails.get("required", []), "guardrails.required"),
        contracts=_contracts(table.get("contracts", {})),
        policies=files.below("policies"),
    )


def check_baseline(files: AppFiles, compile: PolicyCompiler) -> BaselineReport:
    """Look whether a folder holds a baseline whose rules make sense.

    Args:
        files: `baseline.toml` and `policies/*.cedar`.
        compile: The policy compiler.

    Raises:
        InvalidBaseline: A value is not understood.
    """
    baseline = parse_baseline(files)
    try:
        above = compile_baseline(baseline.policies, compile)
    except FairleadError as error:
        return BaselineReport(baseline=baseline, rules=0, findings=(error.message,))
    findings = (
        *_unknown_guardrails(baseline),
        *baseline_rule_findings(above.rules),
        *above.findings(None),
    )
    return BaselineReport(baseline=baseline, rules=len(above.rules), findings=findings)


def _unknown_guardrails(baseline: Baseline) -> Iterator[str]:
    """Yield what no workflow could have: a check of an app's own does not count."""
    for name in baseline.guardrails:
        if name not in names():
            there_are = ", ".join(names())
            yield (
                f"guardrails.required: no guardrail {name} comes with Fairlead; "
                f"there are: {there_are}"
            )


def made_under(asked: Manifest, baseline: Baseline | None) -> Manifest:
    """Return an app's manifest with the baseline that stands above it.

    Its limits are the smaller ones of both, so that no run of any release has more, whether or not
    anybody looked at the checks.

    Args:
        asked: The manifest as the app declares it.
        baseline: What stands above it; None for nothing.
    """
    if baseline is None:
        return asked
    workflows = {}
    for name, terms in asked.workflows.items():
        limits = narrowed(terms.limits, baseline)
        intent = terms.intent
        if limits != terms.limits:
            intent = replace(intent, limits=limit_lines(limits))
        workflows[name] = replace(terms, limits=limits, intent=intent)
    return replace(asked, workflows=workflows, baseline=baseline)


def refuse_violations(baseline: Baseline | None, manifest: Manifest) -> None:
    """Refuse what asks for more than a baseline allows.

    Args:
        baseline: The baseline; None for none.
        manifest: An app's manifest.

    Raises:
        BaselineViolated: It asks for more; the message says where.
    """
    found = baseline_findings(baseline, manifest)
    if baseline is not None and found:
        raise BaselineViolated(
            f"app {manifest.app} does not keep to baseline {baseline.id}: {'; '.join(found)}",
            app=manifest.app,
            baseline=baseline.digest,
        )


def _limits(table: Any) -> dict[str, int | float]:
    _known(table, frozenset(LIMIT_FIELDS), "limits")
    for name, value in table.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise InvalidBaseline(f"limits.{name}: {value!r} is no number of at least 0")
        if name.endswith("_s") and value == 0:
            raise InvalidBaseline(f"limits.{name} must be longer than 0")
        if not name.endswith(("_s", "_usd")) and not isinstance(value, int):
            raise InvalidBaseline(f"limits.{name} must be a whole number, not {value!r}")
        if name in ("steps", "attempts", "repeats", "context_tokens") and value < 1:
            raise InvalidBaseline(f"limits.{name} must be at least 1")
    return dict(sorted(table.items()))


def _contracts(table: Any) -> ContractRules:
    keys = frozenset(item.name for item in fields(ContractRules))
    _known(table, keys, "contracts")
    effects = _texts(table.get("forbidden_effects", []), "contracts.forbidden_effects")
    known = get_args(Effect)
    unknown = [effect for effect in effects if effect not in known]
    if unknown:
        raise InvalidBaseline(
            f"contracts.forbidden_effects: there is no effect {unknown[0]!r}; "
            f"there are: {', '.join(known)}"
        )
    egress = table.get("forbid_egress", False)
    if not isinstance(egress, bool):
        raise InvalidBaseline(f"contracts.forbid_egress must be true or false, not {egress!r}")
    return ContractRules(
        forbidden_effects=effects,  # type: ignore[arg-type]
        forbidden_scopes=_texts(table.get("forbidden_scopes", []), "contracts.forbidden_scopes"),
        allowed_scopes=_texts(table.get("allowed_scopes", []), "contracts.allowed_scopes"),
        forbid_egress=egress,
    )


def _known(table: Any, keys: frozenset[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise InvalidBaseline(f"{where} must be a table")
    unknown = sorted(set(table) - keys)
    if unknown:
        names = ", ".join(sorted(keys))
        raise InvalidBaseline(f"{where} has an unknown key {unknown[0]!r}; it knows: {names}")


def _name(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_CHARS_MAX:
        raise InvalidBaseline(f"{key} must be text of 1 to {NAME_CHARS_MAX} characters")
    if not value.isprintable():
        raise InvalidBaseline(f"{key} holds characters that cannot be printed")
    return value


def _window_s(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= WINDOW_S_MAX:
        raise InvalidBaseline(f"window_s must be from 0 to {WINDOW_S_MAX:.0f}, not {value!r}")
    return float(value)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise InvalidBaseline(f"{where} must be a list of texts")
    return tuple(dict.fromkeys(value))
