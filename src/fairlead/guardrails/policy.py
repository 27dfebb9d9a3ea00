"""Static checks of policies: nothing is left without a rule, and no rule is left without a use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fairlead.core.policy import ACTIONS, Rule
from fairlead.guardrails.shapes import field_paths

_ACTION_OF: dict[str, str] = {kind: action for action, kind in ACTIONS.items()}


def policy_findings(
    rules: Sequence[Rule],
    *,
    tools: Iterable[str],
    collections: Iterable[str],
    models: Iterable[str],
) -> list[str]:
    """Find what no rule permits and which rules match nothing.

    Only heads are read: a rule whose conditions are never true still counts as covering.

    Args:
        rules: The heads of all rules.
        tools: Names of the release's tools.
        collections: Names of the collections that it retrieves from.
        models: Names of its models.

    Returns:
        One line per finding, in a stable order; none means that all is well.
    """
    named: Mapping[str, frozenset[str]] = {
        "Tool": frozenset(tools),
        "Collection": frozenset(collections),
        "Model": frozenset(models),
    }
    permits = [rule for rule in rules if rule.effect == "permit"]
    found = [
        f"{kind.lower()} {name} is covered by no rule"
        for kind, names in named.items()
        for name in sorted(names)
        if not any(_covers(rule, kind, name) for rule in permits)
    ]
    for rule in rules:
        found.extend(_dead_parts(rule, named))
    found.extend(_shadowed(rules))
    return found


def redaction_findings(
    rules: Sequence[Rule], results: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Find fields that a rule takes out of a tool's result, and that no result of it has.

    Args:
        rules: The heads of all rules.
        results: JSON schemas of results by tool, where there is one.
    """
    found = []
    for rule in rules:
        schema = results.get(rule.resource or "") if rule.resource_kind == "Tool" else None
        paths = None if schema is None else field_paths(schema)
        if paths is None:
            continue
        # A field is taken out wherever in the result it stands.
        names = {path.rpartition(".")[2] for path in paths}
        found += [
            f"rule {rule.id}: @redact names {name}, and the result of tool {rule.resource} has no "
            "such field"
            for name in rule.obligations.redact
            if name not in names
        ]
    return found


def _shadowed(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield the rules that change nothing, because another one always has the last word."""
    for rule in rules:
        if rule.effect != "permit":
            continue
        for other in rules:
            if other is rule or other.conditional or not _head_covers(other, rule):
                continue
            if other.effect == "forbid":
                yield f"rule {rule.id} permits nothing: {other.id} forbids all of it"
                break
            # Equal heads void each other only one way: what asks is stricter than what allows.
            if other.ask and not rule.ask and not rule.obligations.redact:
                yield (
                    f"rule {rule.id} changes nothing: {other.id} asks a person about all of it; "
                    "give that one a condition"
                )
                break


def _head_covers(wide: Rule, narrow: Rule) -> bool:
    """Return whether a rule's head matches whatever another one's head matches."""
    if wide.principal not in (None, narrow.principal):
        return False
    if wide.actions and not (narrow.actions and set(narrow.actions) <= set(wide.actions)):
        return False
    if wide.resource_kind not in (None, narrow.resource_kind):
        return False
    return wide.resource in (None, narrow.resource)


def _covers(rule: Rule, kind: str, name: str) -> bool:
    return (
        (not rule.actions or _ACTION_OF[kind] in rule.actions)
        and rule.resource_kind in (None, kind)
        and rule.resource in (None, name)
    )


def _dead_parts(rule: Rule, named: Mapping[str, frozenset[str]]) -> Iterator[str]:
    known: dict[str, str] = {name: kind for name, kind in ACTIONS.items() if name in rule.actions}
    kind = rule.resource_kind
    unknown = [name for name in rule.actions if name not in known]
    misfits = [name for name in known if kind in named and known[name] != kind]
    # One action that works is enough for the rule to match something.
    dead = bool(rule.actions) and len(unknown) + len(misfits) == len(rule.actions)
    start = (
        f"rule {rule.id} matches nothing" if dead else f"rule {rule.id} matches less than it says"
    )
    for name in unknown:
        yield f"{start}: there is no action named {name}"
    for name in misfits:
        yield f"{start}: {name} is done to a {known[name]}, never to a {kind}"
    if kind is None:
        return
    if kind not in named:
        yield f"rule {rule.id} matches nothing: there is no kind of resource named {kind}"
    elif rule.resource is not None and rule.resource not in named[kind]:
        yield (f"rule {rule.id} matches nothing: there is no {kind.lower()} named {rule.resource}")
