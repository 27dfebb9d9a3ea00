"""Decides with Cedar: default deny, forbid wins, and what cannot be evaluated is denied.

How a `Query` looks to a rule:

- principal: `User::"<user>"`, with the attribute `tenant` and the parent `Tenant::"<tenant>"`;
- action: `Action::"generate"`, `Action::"call"` or `Action::"retrieve"`;
- resource: `Model::"<name>"`, `Tool::"<name>"` or `Collection::"<name>"`, without attributes;
- context: the query's context. A list becomes a set. Cedar has no null, so a field that is null
  is left out (`context.arguments has note` is false). Cedar has no float, so a float becomes a
  string in plain notation (`12.5` becomes `"12.5"`, `5.0` becomes `"5.0"`), never rounded; a rule
  compares it with `decimal(context.arguments.amount).lessThan(decimal("50.0"))`.

Cedar says allow or deny. Annotations on a permit say the rest: `@ask` waits for a person (of the
role in its value; `@within("2h")` says for how long), `@redact("a, b")` takes fields out of what
comes back. When several permits apply, the strictest counts.

What Cedar cannot express at all leads to deny: null in a list, an integer beyond 64 bits, NaN,
nesting of more than about 120 levels, and the keys that Cedar's JSON reserves (`__entity`,
`__extn`, `__expr`), with which an argument could pass itself off as an entity.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, reduce
from typing import Any, Literal

import cedarpy

from fairlead.adapters.cedar.expressions import condition_of, paths
from fairlead.adapters.cedar.mutants import mutations
from fairlead.adapters.cedar.schema import Known, schema_findings
from fairlead.core.calls import cut
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidConfig
from fairlead.core.policy import (
    ACTIONS,
    ASK_WITHIN_S,
    ASK_WITHIN_S_MAX,
    Decision,
    Obligations,
    Query,
    Rule,
    stricter,
)
from fairlead.core.release import ToolContract
from fairlead.ports.authorizer import Authorizer, PolicyMutant

NO_RULE = "no rule permits it"

_RESERVED = frozenset(("__entity", "__extn", "__expr"))
_INT_MAX = 2**63 - 1
_ANNOTATIONS = frozenset(("id", "description", "ask", "within", "redact"))
_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_ERROR = re.compile(r"policy `(r\d+)`: (.*)", re.DOTALL)
# Cedar's other messages quote values, and a reason is kept where content must not be.
_QUOTES_NO_VALUE = ("record does not have the attribute", "type error: expected")


def compile_policies(policies: Mapping[str, str]) -> Authorizer:
    """Compile policy texts, once; decisions parse no policy again.

    A rule's id is its `@id("...")` annotation, else `<path>#<n>`, counted from 1 in its file.

    Args:
        policies: Cedar texts by path; none at all denies everything.

    Returns:
        The compiled set.

    Raises:
        InvalidConfig: A text is no valid policy, is a template, or holds a rule that could never
            match; or two rules have the same id.
    """
    rules: list[Rule] = []
    paths: dict[str, str] = {}
    parsed: list[dict[str, Any]] = []
    for path in sorted(policies):
        for number, policy in enumerate(_parse(path, policies[path]), start=1):
            rule = _rule(path, number, policy)
            if rule.id in paths:
                raise InvalidConfig(
                    f'{path}: the id "{rule.id}" is taken by a rule in {paths[rule.id]}', file=path
                )
            paths[rule.id] = path
            parsed.append(policy)
            rules.append(rule)
    try:
        return CedarAuthorizer(rules, parsed)
    except ValueError as error:
        named = ", ".join(sorted(policies))
        raise InvalidConfig(f"{named}: the policies do not fit together: {error}") from error


class CedarAuthorizer:
    """A compiled set of policies; pure, and safe to share between threads.

    Args:
        rules: The rules' heads.
        policies: The same rules in Cedar's JSON form; the rule at place n is `r<n>` to Cedar.
    """

    def __init__(self, rules: Sequence[Rule], policies: Sequence[dict[str, Any]]) -> None:
        static = {f"r{place}": policy for place, policy in enumerate(policies)}
        document = {"staticPolicies": static, "templates": {}, "templateLinks": []}
        self._rules = tuple(rules)
        self._policies = tuple(policies)
        self._handle = cedarpy.PolicySet.from_json_str(json.dumps(document))

    @property
    def rules(self) -> Sequence[Rule]:
        """The heads of all rules, for static checks."""
        return self._rules

    def findings(
        self, contracts: Mapping[str, ToolContract], *, workflows: Collection[str] = ()
    ) -> Sequence[str]:
        """Find what the rules say that cannot be, held against the contracts; see `schema.py`."""
        known = Known(contracts=contracts, workflows=workflows)
        return [
            finding
            for rule, policy in zip(self._rules, self._policies, strict=True)
            # A rule on a tool that is not there is found where heads are read.
            if rule.resource_kind != "Tool" or rule.resource in (None, *contracts)
            for finding in schema_findings(rule, policy, known)
        ]

    def reads(self) -> frozenset[str]:
        """Return the facts of `context` that some rule reads, such as `seen.integrity`."""
        read = (path for policy in self._policies for path in paths(condition_of(policy)))
        return frozenset(".".join(path[1:3]) for path in read if path[0] == "context")

    def mutants(self) -> Iterator[PolicyMutant]:
        """Yield these policies with one small mistake each; see `mutants.py`."""
        for place, (rule, policy) in enumerate(zip(self._rules, self._policies, strict=True)):
            before, after = slice(None, place), slice(place + 1, None)
            for change, changed in mutations(policy):
                rules = [*self._rules[before], *self._rules[after]]
                policies = [*self._policies[before], *self._policies[after]]
                if changed is not None:
                    rules.insert(place, _rule(rule.id, 0, changed))
                    policies.insert(place, changed)
                authorizer = CedarAuthorizer(rules, policies)
                yield PolicyMutant(rule=rule.id, change=change, authorizer=authorizer)

    def decide(self, query: Query) -> Decision:
        """Decide one query; what cannot be decided is denied.

        Cedar passes over a rule that it cannot evaluate, so that a broken `forbid` would allow.
        Here any such rule denies; its reason names the rule and never quotes a value.

        Args:
            query: What is to be decided.

        Returns:
            allow with the ids of the permitting rules; or deny with the ids of the forbidding
            rules, with errors, or because no rule permits it. Never raises.
        """
        try:
            return self._decide(query)
        except _Inexpressible as error:
            return _deny(f"error: {error}")
        except BaseException as error:
            # A panic inside Cedar arrives as a BaseException; a signal to stop must still stop.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            return _deny(f"error: the policy engine failed: {type(error).__name__}")

    def _decide(self, query: Query) -> Decision:
        request = {
            "principal": {"type": "User", "id": query.user},
            "action": {"type": "Action", "id": query.action},
            "resource": {"type": ACTIONS[query.action], "id": query.resource},
            "context": _context(query.context),
        }
        result = cedarpy.is_authorized(request, self._handle, _entities(query.user, query.tenant))
        errors = [self._explain(text) for text in result.diagnostics.errors]
        keys = sorted(result.diagnostics.reasons)
        ids = sorted(self._rules[int(key[1:])].id for key in keys)
        if result.decision is cedarpy.Decision.Allow:
            if not errors:
                return self._permitted([self._rules[int(k[1:])] for k in keys])
            ids = []  # the rules that permit did not decide
        return _deny(*ids, *sorted(errors))

    def _permitted(self, rules: Sequence[Rule]) -> Decision:
        """Return what several permits say together: the strictest of them."""
        decisions = [_decision(rule) for rule in sorted(rules, key=lambda rule: rule.id)]
        return reduce(stricter, decisions)

    def _explain(self, text: str) -> str:
        found = _ERROR.search(text)
        if found is None:
            return "error: the call cannot be put before the policies"
        rule = self._rules[int(found[1][1:])].id
        detail = found[2] if found[2].startswith(_QUOTES_NO_VALUE) else "a function of it failed"
        return cut(f"error: rule {rule} cannot be evaluated: {detail}")


def _decision(rule: Rule) -> Decision:
    """Return what one permit says alone."""
    redacts = bool(rule.obligations.redact)
    return Decision(
        effect="ask" if rule.ask else "redact" if redacts else "allow",
        reasons=(rule.id,),
        obligations=rule.obligations,
    )


class _Inexpressible(Exception):
    """A value has no form in Cedar."""


def _deny(*reasons: str) -> Decision:
    return Decision(effect="deny", reasons=reasons or (NO_RULE,))


@lru_cache(maxsize=1024)
def _entities(user: str, tenant: str) -> cedarpy.Entities:
    """Return the entities of one asker, parsed once."""
    asker = {
        "uid": {"type": "User", "id": user},
        "attrs": {"tenant": tenant},
        "parents": [{"type": "Tenant", "id": tenant}],
    }
    return cedarpy.Entities.from_json_str(json.dumps([asker]))


def _context(context: Mapping[str, Json]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in _fields(context):
        try:
            record[name] = _value(value)
        except _Inexpressible as error:
            raise _Inexpressible(f"{name} in the call's context holds {error}") from None
    return record


def _fields(record: Mapping[Any, Json]) -> Iterator[tuple[str, Json]]:
    for name, value in record.items():
        if not isinstance(name, str) or name in _RESERVED:
            raise _Inexpressible("a name that a policy cannot read")
        if value is not None:
            yield name, value


def _value(value: Json) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not -_INT_MAX - 1 <= value <= _INT_MAX:
            raise _Inexpressible("an integer beyond 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Inexpressible("a number that is not finite")
        return format(Decimal(repr(value)), "f")
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _value(item) for name, item in _fields(value)}
    raise _Inexpressible("null in a list" if value is None else "a value that is not JSON")


def _parse(path: str, text: str) -> list[dict[str, Any]]:
    """Return a file's rules in order, as Cedar's JSON."""
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
    return [policies[key] for key in sorted(policies, key=lambda key: int(key[len("policy") :]))]


def _rule(path: str, number: int, policy: dict[str, Any]) -> Rule:
    ident = policy.get("annotations", {}).get("id") or f"{path}#{number}"
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
