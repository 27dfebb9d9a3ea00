"""Tries policies on recorded calls: what would be decided otherwise, before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from fairlead.core.policy import DecisionEffect, alike, query_from_json
from fairlead.guardrails.decide import Bundle
from fairlead.ports.recorded import RecordedCall

RUNS_TRIED = 100
"""How many of an app's newest runs are tried, unless it is said."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A recorded call that would be decided otherwise.

    Attributes:
        run_id: The run.
        workflow: Its workflow.
        number: The call.
        kind: What was called.
        name: Name of the model, tool, collection or workflow.
        before: What the policies of its release say.
        after: What those say that are tried.
        rules: Ids of the rules that say so, or why it cannot be decided.
    """

    run_id: str
    workflow: str
    number: int
    kind: str
    name: str
    before: DecisionEffect
    after: DecisionEffect
    rules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What trying policies on one app found.

    Attributes:
        app: The app.
        release: Digest of its active release.
        environments: Where that release is active.
        findings: What of the release itself would not be allowed, such as a limit.
        runs: How many runs were tried.
        calls: How many calls of them were tried.
        untried: How many could not be: what was decided of them is not on record.
        changes: The calls that would be decided otherwise.
    """

    app: str
    release: str
    environments: tuple[str, ...]
    findings: tuple[str, ...]
    runs: int
    calls: int
    untried: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What trying policies on calls found.

    Attributes:
        runs: How many runs there were.
        calls: How many calls were tried.
        untried: How many could not be.
        changes: The calls that would be decided otherwise.
    """

    runs: int
    calls: int
    untried: int
    changes: tuple[Change, ...]


def try_calls(
    calls: Iterable[RecordedCall], bundles: Callable[[str], tuple[Bundle, Bundle] | None]
) -> Tried:
    """Decide recorded calls once more, with other policies.

    Args:
        calls: The calls.
        bundles: Returns the bundle of a release, by its digest, and the one that is tried in its
            place; None when the release cannot be read any more.
    """
    compiled = cache(bundles)
    runs: set[str] = set()
    tried = untried = 0
    changes = []
    for call in calls:
        runs.add(call.run_id)
        query, both = query_from_json(call.query), compiled(call.release)
        if query is None or both is None:
            untried += 1
            continue
        tried += 1
        before, after = (bundle.answer(query) for bundle in both)
        if not alike(before, after):
            changes.append(
                Change(
                    run_id=call.run_id,
                    workflow=call.workflow,
                    number=call.number,
                    kind=call.kind,
                    name=call.name,
                    before=before.effect,
                    after=after.effect,
                    rules=after.reasons,
                )
            )
    return Tried(runs=len(runs), calls=tried, untried=untried, changes=tuple(changes))
