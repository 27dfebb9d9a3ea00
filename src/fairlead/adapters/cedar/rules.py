"""Reads rules: their texts, their heads and their annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import cedarpy

from fairlead.adapters.cedar.expressions import condition_of
from fairlead.adapters.cedar.nesting import ADVICE, DEPTH_MAX, depth, too_deep
from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import ANSWERERS
from fairlead.core.policy import ASK_WITHIN_S, ASK_WITHIN_S_MAX, Obligations, Rule

_ANNOTATIONS = frozenset(("id", "description", "ask", "within", "redact"))
_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def parse(path: str, text: str) -> list[dict[str, Any]]:
    """Return a file's rules in order, as Cedar's JSON."""
    wrong = too_deep(text)
    if wrong is not None:
        raise InvalidConfig(f"{path}{wrong}", file=path)
    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise InvalidConfig(f"{path} is no valid policy: {error}", file=path) from error
    if parsed["templates"]:
        raise InvalidConfig(
            f"{path}: a rule with ?principal or ?resource never applies; name them", file=path
        )
    policies: dict[str, dict[str, Any]] = parsed["staticPolicies"]
    # Cedar names them policy0, policy1 ... by position, in an object without an order.
    found = [policies[key] for key in sorted(policies, key=lambda key: int(key[len("policy") :]))]
    for number, policy in enumerate(found, start=1):
        # Conditions are joined into one where rules are checked, so they count together.
        if depth(condition_of(policy)) > DEPTH_MAX:
            raise InvalidConfig(
                f"{path}: rule {_ident(path, number, policy)} nests too deep: about "
                f"{DEPTH_MAX // 2} operators may stand in each other; {ADVICE}",
                file=path,
            )
    return found


def _ident(path: str, number: int, policy: dict[str, Any]) -> str:
    return policy.get("annotations", {}).get("id") or f"{path}#{number}"


def rule_of(path: str, number: int, policy: dict[str, Any]) -> Rule:
    ident = _ident(path, number, policy)
    try:
        _check_principal(policy["principal"])
        kind, resource = _resource(policy["resource"])
        actions = _actions(policy["action"])
    except _NeverMatches as error:
        raise InvalidConfig(f"{path}: rule {ident} never matches: {error}", file=path) from None
    effect: Literal["permit", "forbid"] = "permit" if policy["effect"] == "permit" else "forbid"
    try:
        ask, obligations = _annotated(policy.get("annotations", {}), effect)
    except ValueError as error:
        raise InvalidConfig(f"{path}: rule {ident}: {error}", file=path) from None
    return Rule(
        id=ident,
        effect=effect,
        actions=actions,
        resource=resource,
        resource_kind=kind,
        ask=ask,
        obligations=obligations,
        principal=_whom(policy["principal"]),
        conditional=bool(policy["conditions"]),
    )


def _annotated(annotations: Mapping[str, str | None], effect: str) -> tuple[bool, Obligations]:
    """Return whether a person is to be asked, and what else a rule's annotations ask for.

    Raises:
        ValueError: An annotation is not known, does not fit, or says nothing. Cedar would pass over
            a misspelt `@ask`, and what should wait for a person would be allowed.
    """
    unknown = sorted(set(annotations) - _ANNOTATIONS)
    if unknown:
        known = ", ".join(f"@{name}" for name in sorted(_ANNOTATIONS))
        raise ValueError(f"there is no annotation @{unknown[0]}; there are: {known}")
    asked = sorted(set(annotations) & {"ask", "within", "redact"})
    if effect == "forbid" and asked:
        raise ValueError(f"@{asked[0]} stands on a forbid, which allows nothing")
    if "within" in annotations and "ask" not in annotations:
        raise ValueError("@within says how long a question stands, and there is no @ask")
    fields: tuple[str, ...] = ()
    if "redact" in annotations:
        named = (annotations["redact"] or "").split(",")
        fields = tuple(sorted({name.strip() for name in named} - {""}))
        if not fields:
            raise ValueError("@redact names no field")
    role = annotations.get("ask") or Obligations.role
    if role not in ANSWERERS:
        may = ", ".join(ANSWERERS)
        raise ValueError(f"@ask names the role {role!r}, which answers nothing; there are: {may}")
    within_s = _seconds(annotations["within"]) if "within" in annotations else ASK_WITHIN_S
    obligations = Obligations(role=role, within_s=within_s, redact=fields)
    return "ask" in annotations, obligations


def _seconds(text: str | None) -> float:
    """Return a duration such as `90s`, `30m`, `2h` or `7d` in seconds."""
    found = _DURATION.fullmatch(text or "")
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not 1.0 <= seconds <= ASK_WITHIN_S_MAX:
        raise ValueError(f"@within must be from 1s to 30d, such as 30m or 2h, not {text!r}")
    return seconds


class _NeverMatches(Exception):
    """A rule's head names what no query ever is."""


def _check_principal(scope: dict[str, Any]) -> None:
    """Refuse a principal that nobody is; a `Rule` does not tell, so no later check could."""
    known = {"==": ("User",), "in": ("User", "Tenant")}
    entity = scope.get("entity") or scope.get("in", {}).get("entity")
    named = [entity["type"]] if entity else []
    allowed = known["==" if scope["op"] == "==" else "in"]
    if not set(named) <= set(allowed) or scope.get("entity_type", "User") != "User":
        raise _NeverMatches("a principal is a User, and is in a Tenant")


def _whom(scope: dict[str, Any]) -> str | None:
    entity = scope.get("entity") or scope.get("in", {}).get("entity")
    # A principal is always a user, so `principal is User` means everybody.
    return f'{scope["op"]} {entity["type"]}::"{entity["id"]}"' if entity else None


def _actions(scope: dict[str, Any]) -> tuple[str, ...]:
    if scope["op"] == "All":
        return ()
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    if not entities:
        raise _NeverMatches("its list of actions is empty")
    return tuple(
        item["id"] if item["type"] == "Action" else f'{item["type"]}::"{item["id"]}"'
        for item in entities
    )


def _resource(scope: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return kind and name; nothing contains anything, so `in` means `==`."""
    kind: str | None = scope.get("entity_type")
    entity = scope.get("entity") or scope.get("in", {}).get("entity")
    if entity is None:
        return kind, None
    if kind is not None and kind != entity["type"]:
        raise _NeverMatches(f"a {kind} is never in a {entity['type']}")
    return entity["type"], entity["id"]
