"""Decides with Cedar: default deny, forbid wins, and what cannot be evaluated is denied.

How a `Query` looks to a rule:

- principal: `User::"<user>"`, with the parent `Tenant::"<tenant>"` and the attributes `tenant`,
  `issuer`, `roles` and `scopes` (sets; `scopes` is left out when nothing was narrowed);
- action: `Action::"generate"`, `Action::"call"` or `Action::"retrieve"`;
- resource: `Model::"<name>"`, `Tool::"<name>"` or `Collection::"<name>"`, without attributes;
- context: the query's context. A list becomes a set. Cedar has no null, so a field that is null
  is left out (`context.arguments has note` is false). Cedar has no float, so a float becomes a
  string in plain notation (`12.5` becomes `"12.5"`, `5.0` becomes `"5.0"`), never rounded; a rule
  compares it with `decimal(context.arguments.amount).lessThan(decimal("50.0"))`.

Cedar says allow or deny. Annotations on a permit say the rest: `@ask` waits for a person (of the
role in its value; `@within("2h")` says for how long), `@redact("a, b")` takes fields out of what
comes back. When several permits apply, the strictest counts, and of several roles the strictest.

What Cedar cannot express at all leads to deny: null in a list, an integer beyond 64 bits, NaN,
nesting of more than about 120 levels, and the keys that Cedar's JSON reserves (`__entity`,
`__extn`, `__expr`), with which an argument could pass itself off as an entity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

import cedarpy

from fairlead.adapters.cedar.expressions import condition_of, paths
from fairlead.adapters.cedar.mutants import mutations
from fairlead.adapters.cedar.rules import parse, rule_of
from fairlead.adapters.cedar.schema import Known, schema_findings
from fairlead.adapters.cedar.values import Inexpressible, context_of, read_of
from fairlead.core.calls import cut
from fairlead.core.errors import InvalidConfig
from fairlead.core.policy import (
    ACTIONS,
    Action,
    Decision,
    Query,
    Rule,
    stricter,
)
from fairlead.core.release import ToolContract
from fairlead.ports.authorizer import Authorizer, PolicyMutant

NO_RULE = "no rule permits it"

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
        for number, policy in enumerate(parse(path, policies[path]), start=1):
            rule = rule_of(path, number, policy)
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
        self._rules = tuple(rules)
        self._policies = tuple(policies)
        self._named = frozenset(rule.resource for rule in rules)
        self._slices: dict[tuple[Action, str | None], _Slice] = {}
        _policy_set(dict(enumerate(policies)))  # refuses what does not fit together

    @property
    def rules(self) -> Sequence[Rule]:
        """The heads of all rules, for static checks."""
        return self._rules

    def findings(
        self,
        contracts: Mapping[str, ToolContract] | None,
        *,
        workflows: Collection[str] = (),
        shared: bool = False,
    ) -> Sequence[str]:
        """Find what the rules say that cannot be, held against the contracts; see `schema.py`."""
        known = Known(contracts=contracts, workflows=workflows, shared=shared)
        return [
            finding
            for rule, policy in zip(self._rules, self._policies, strict=True)
            if known.has(rule)
            for finding in schema_findings(rule, policy, known)
        ]

    def reads(self) -> frozenset[str]:
        """Return the facts of `context` that some rule reads, such as `seen.integrity`."""
        return frozenset(".".join(path) for path in _reads(self._policies))

    def mutants(self) -> Iterator[PolicyMutant]:
        """Yield these policies with one small mistake each; see `mutants.py`."""
        for place, (rule, policy) in enumerate(zip(self._rules, self._policies, strict=True)):
            before, after = slice(None, place), slice(place + 1, None)
            for change, changed in mutations(policy):
                rules = [*self._rules[before], *self._rules[after]]
                policies = [*self._policies[before], *self._policies[after]]
                if changed is not None:
                    rules.insert(place, rule_of(rule.id, 0, changed))
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
        except Inexpressible as error:
            return _deny(f"error: {error}")
        except BaseException as error:
            # A panic inside Cedar arrives as a BaseException; a signal to stop must still stop.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            return _deny(f"error: the policy engine failed: {type(error).__name__}")

    def _decide(self, query: Query) -> Decision:
        part = self._slice(query)
        # All of the context is looked through, and what the rules read is handed over.
        context = read_of(context_of(query.context), part.reads)
        request = {
            "principal": {"type": "User", "id": query.user},
            "action": {"type": "Action", "id": query.action},
            "resource": {"type": ACTIONS[query.action], "id": query.resource},
            "context": json.dumps(context),
        }
        result = cedarpy.is_authorized(request, part.handle, _entities(query))
        errors = [self._explain(text) for text in result.diagnostics.errors]
        keys = sorted(result.diagnostics.reasons)
        ids = sorted(self._rules[int(key[1:])].id for key in keys)
        if result.decision is cedarpy.Decision.Allow:
            if not errors:
                return self._permitted([self._rules[int(k[1:])] for k in keys])
            ids = []  # the rules that permit did not decide
        return _deny(*ids, *sorted(errors))

    def _slice(self, query: Query) -> _Slice:
        """Return the rules whose heads match an act: no other one can say anything of it.

        There are few slices: one for each action and each resource that a rule names.
        """
        key = query.action, query.resource if query.resource in self._named else None
        known = self._slices.get(key)
        if known is None:
            places = [
                place
                for place, rule in enumerate(self._rules)
                if (not rule.actions or query.action in rule.actions)
                and rule.resource_kind in (None, ACTIONS[query.action])
                and rule.resource in (None, query.resource)
            ]
            policies = {place: self._policies[place] for place in places}
            known = _Slice(handle=_policy_set(policies), reads=_reads(policies.values()))
            self._slices[key] = known
        return known

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


@dataclass(frozen=True)
class _Slice:
    """The rules that can say something of an act.

    Attributes:
        handle: Cedar's parsed rules; the rule at place n of all rules is `r<n>`.
        reads: What of the context they read.
    """

    handle: cedarpy.PolicySet
    reads: frozenset[tuple[str, ...]]


def _policy_set(policies: Mapping[int, dict[str, Any]]) -> cedarpy.PolicySet:
    static = {f"r{place}": policy for place, policy in policies.items()}
    document = {"staticPolicies": static, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


def _reads(policies: Iterable[dict[str, Any]]) -> frozenset[tuple[str, ...]]:
    """Return what of the context some rules read, one or two names deep; `()` is all of it."""
    read = (path for policy in policies for path in paths(condition_of(policy)))
    return frozenset(path[1:3] for path in read if path[0] == "context")


def _decision(rule: Rule) -> Decision:
    """Return what one permit says alone."""
    wanted = rule.obligations
    if rule.ask:
        wanted = replace(wanted, asked_by=(rule.id,))
    return Decision(
        effect="ask" if rule.ask else "redact" if wanted.redact else "allow",
        reasons=(rule.id,),
        obligations=wanted,
    )


def _deny(*reasons: str) -> Decision:
    return Decision(effect="deny", reasons=reasons or (NO_RULE,))


def _entities(query: Query) -> cedarpy.Entities:
    return _asker(
        query.user,
        query.tenant,
        issuer=query.issuer,
        roles=query.roles,
        scopes=query.scopes,
    )


@lru_cache(maxsize=1024)
def _asker(
    user: str,
    tenant: str,
    *,
    issuer: str,
    roles: tuple[str, ...],
    scopes: tuple[str, ...] | None,
) -> cedarpy.Entities:
    """Return the entities of one asker, parsed once."""
    attributes: dict[str, Any] = {"tenant": tenant, "issuer": issuer, "roles": list(roles)}
    if scopes is not None:
        attributes["scopes"] = list(scopes)
    asker = {
        "uid": {"type": "User", "id": user},
        "attrs": attributes,
        "parents": [{"type": "Tenant", "id": tenant}],
    }
    return cedarpy.Entities.from_json_str(json.dumps([asker]))
