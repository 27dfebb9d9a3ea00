"""The telemetry contract: what must be emitted, and what is missing from what was.

A schema can say how a span looks; it cannot say that a span must be there. This check compares the
journal, which is complete, with what was emitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from fairlead.core.release import SignalRule
from fairlead.ports.journal import CallRecord
from fairlead.ports.telemetry import Signal

EXECUTED = frozenset(("done", "failed"))
"""States of a call that was executed and so obliges to a span."""

_RUN = (
    "gen_ai.operation.name",
    "fairlead.run.id",
    "fairlead.release.id",
    "fairlead.workflow",
    "fairlead.tenant",
)
_CALL = (*_RUN, "fairlead.call.key", "fairlead.call.state")

PLATFORM_RULES: tuple[SignalRule, ...] = (
    SignalRule(
        when="model",
        span="chat",
        attributes=(*_CALL, "gen_ai.provider.name", "gen_ai.request.model"),
    ),
    SignalRule(when="tool", span="execute_tool", attributes=(*_CALL, "gen_ai.tool.name")),
    SignalRule(when="retrieval", span="retrieval", attributes=(*_CALL, "gen_ai.data_source.id")),
    SignalRule(
        when="run",
        span="invoke_workflow",
        attributes=(*_RUN, "gen_ai.workflow.name", "fairlead.run.state"),
    ),
)
"""What every app emits; an app's own rules come on top."""

_KINDS = ("run", "model", "tool", "retrieval")


def telemetry_findings(
    rules: Iterable[SignalRule],
    calls: Iterable[CallRecord],
    signals: Sequence[Signal],
    finished_runs: Collection[str],
) -> list[str]:
    """Find signals and attributes that the contract demands and nobody emitted.

    Each executed call obliges to one span, and each finished run to one. More spans than calls are
    no finding, because a call that a crash interrupted is executed twice.

    Args:
        rules: The platform's rules and the app's own.
        calls: The calls on record; those that were not executed oblige to nothing.
        signals: What was emitted.
        finished_runs: Ids of the runs that ended.

    Returns:
        One line per finding, each only once; none means that the contract is kept.
    """
    due: Counter[tuple[str, str]] = Counter(
        (call.run_id, call.kind) for call in calls if call.state in EXECUTED
    )
    due.update((run_id, "run") for run_id in set(finished_runs))
    emitted = Counter((signal.run_id, signal.operation) for signal in signals)
    found: list[str] = []
    for rule in rules:
        if rule.when not in _KINDS:
            found.append(
                f"the rule for span `{rule.span}` says when = {rule.when}; "
                f"it is one of {', '.join(_KINDS)}"
            )
            continue
        for (run_id, kind), count in sorted(due.items()):
            if kind == rule.when:
                found.extend(_missing(run_id, rule, count, emitted[run_id, rule.span]))
        found.extend(_incomplete(rule, signals))
    return list(dict.fromkeys(found))


def _missing(run_id: str, rule: SignalRule, due: int, emitted: int) -> list[str]:
    if emitted >= due:
        return []
    if rule.when == "run":
        did = "ended"
    elif due == 1:
        did = f"made a {rule.when} call"
    else:
        did = f"made {due} {rule.when} calls"
    what = f"{emitted} of {due} `{rule.span}` spans" if emitted else f"no `{rule.span}` span"
    return [f"run {run_id} {did} and emitted {what}"]


def _incomplete(rule: SignalRule, signals: Sequence[Signal]) -> list[str]:
    lacking = {
        name
        for signal in signals
        if signal.operation == rule.span
        for name in rule.attributes
        if name not in signal.attributes
    }
    return [f"span `{rule.span}` lacks {name}" for name in rule.attributes if name in lacking]
