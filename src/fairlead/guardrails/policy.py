"""Static checks of policies: nothing is left without a rule, and no rule is left without a use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fairlead.core.policy import ACTIONS, ResourceKind, Rule
from fairlead.guardrails.shapes import field_paths

_KINDS: tuple[ResourceKind, ...] = ("Tool", "Collection", "Model", "Memory", "Workflow")
_ACTIONS_ON = {
    kind: frozenset[str](action for action, on in ACTIONS.items() if on == kind) for kind in _KINDS
}


def policy_findings(
    rules: Sequence[Rule], names: Mapping[ResourceKind, Iterable[str]]
) -> list[str]:
    """Find what no rule permits and which rules match nothing.

    Only heads are read: a rule whose conditions are never true still counts as covering. A kind of
    memory is covered by a rule on any action on it: what is only written is not recalled. No rule
    has to cover a workflow: who may start one from outside is no policy's matter.

    Args:
        rules: The heads of all rules.
        names: What the release has of each kind of resource, by name.

    Returns:
        One line per finding, in a stable order; none means that all is well.
    """
    named = {kind: frozenset(names.get(kind, ())) for kind in _KINDS}
    permits = [rule for rule in rules if rule.effect == "permit"]
    found = [
        f"{kind.lower()} {name} is covered by no rule"
        for kind, known in named.items()
        if kind != "Workflow"
        for name in sorted(known)
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


def _covers(rule: Rule, kind: ResourceKind, name: str) -> bool:
    return (
        (not rule.actions or not _ACTIONS_ON[kind].isdisjoint(rule.actions))
        and rule.resource_kind in (None, kind)
        and rule.resource in (None, name)
    )


def _dead_parts(rule: Rule, named: Mapping[ResourceKind, frozenset[str]]) -> Iterator[str]:
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
    known_names = next((names for one, names in named.items() if one == kind), None)
    if known_names is None:
        yield f"rule {rule.id} matches nothing: there is no kind of resource named {kind}"
    elif rule.resource is not None and rule.resource not in known_names:
        what = "declared kind of memory" if kind == "Memory" else kind.lower()
        yield f"rule {rule.id} matches nothing: there is no {what} named {rule.resource}"
