"""The journal: an outcome on record is returned, a new one is recorded with its event.

A worker may die after the outcome was recorded and before the engine recorded the step; the step
is then executed again, and this is what keeps the body from being executed with it.
"""

from __future__ import annotations

from fairlead.core.calls import ON_THE_WAY, Failed, Refused, Result, Unknown, cut
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import JournalForeign, ReplayDiverged
from fairlead.core.policy import Decision, alike, query_json
from fairlead.ports.journal import QUERY_BYTES_MAX, CallVerdict, Execution
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Rules, Services


async def record(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Return the outcome on record, or ask `inner` and record its outcome."""
    call, clock, journal = attempt.call, services.clock, services.journal
    try:
        known = await persist(clock, journal.find, call.run_id, call.number)
    except JournalForeign as error:
        return Failed(code=error.code, reason=cut(error.message)), attempt.tries
    # An unknown effect is looked at again: by now somebody may have found out.
    if known is not None and known.result is not None and not isinstance(known.result, Unknown):
        if known.arguments_digest != call.arguments_digest:
            reason = f"call {call.number} is on record as {known.kind} {known.name}"
            return Failed(code=ReplayDiverged.code, reason=reason), known.attempts
        return known.result, known.attempts
    started_at = clock.now()
    result, tries = await inner(attempt, services)
    if not isinstance(result, ON_THE_WAY):
        execution = Execution(
            started_at=started_at,
            finished_at=clock.now(),
            attempts=tries,
            claim=attempt.scope.seat.fence.claim,
            busy_s=attempt.meter.busy_s,
            budgeted=bool(attempt.scope.rules.budgets),
        )
        verdict = _verdict(result, attempt.before().decision, attempt.scope.rules)
        result = await persist(clock, journal.finish, call, result, execution, verdict)
        attempt.scope.seat.got_on()
    return result, tries


def _verdict(result: Result, decision: Decision | None, rules: Rules) -> CallVerdict:
    # The code alone: a reason may quote an argument, and the log holds digests and facts.
    said = result.code if isinstance(result, Refused) else "allowed"
    if decision is None:
        return CallVerdict(said=said)
    return CallVerdict(
        said=said,
        effect=decision.effect,
        rules=_rules(decision),
        policy=decision.policy,
        query=_query(decision),
        shadow=_shadow(decision, rules),
    )


def _rules(decision: Decision) -> tuple[str, ...]:
    return tuple(reason for reason in decision.reasons if not reason.startswith("error:"))


def _query(decision: Decision) -> Json:
    """Return what was decided, for later trials; None when it is too large or no JSON."""
    if decision.asked is None:
        return None
    query = query_json(decision.asked)
    try:
        return query if len(canonical_json(query).encode()) <= QUERY_BYTES_MAX else None
    except (TypeError, ValueError):
        return None


def _shadow(decision: Decision, rules: Rules) -> CallVerdict | None:
    """Decide beside, with the policies that are only tried; None when they say the same.

    Nothing reads this but the record. It is made here, inside the step, so a replay makes it not.
    """
    if rules.shadow is None or decision.asked is None:
        return None
    tried = rules.shadow.answer(decision.asked)
    if alike(tried, decision):
        return None
    named = _rules(tried) or (("error",) if tried.reasons else ())
    return CallVerdict(said="tried", effect=tried.effect, rules=named, policy=tried.policy)
