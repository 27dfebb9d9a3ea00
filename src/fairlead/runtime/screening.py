"""What a call asks for, as its body gets it and as it is recorded; and the tool guardrails.

The body gets what the run's code or its model gave, without what a `redact` guardrail takes out.
The record gets the same without secrets. All of this is pure, and so falls the same way on each
replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.authoring.guardrail import Guardrail
from fairlead.core.bounds import ARGUMENTS, Bounds, excess
from fairlead.core.calls import Call, CallKind, Done, Effect, Failed, Refused
from fairlead.core.digests import Json, canonical_json, digest
from fairlead.core.errors import (
    GuardrailEscalated,
    ResultNotJson,
    ResultWithheld,
    ToolBlocked,
)
from fairlead.core.guarding import Check, ToolCall
from fairlead.guardrails.content import LEAKS, SECRETS, redacted
from fairlead.ports.boundary import Driver
from fairlead.runtime.check import ask, redacted_once
from fairlead.runtime.scope import RunScope

WRITES = frozenset(("remember", "supersede", "forget"))
"""What changes memory."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What is asked of the outside.

    Attributes:
        kind: What is called.
        name: Name of the model, tool or collection.
        arguments: JSON arguments.
        driver: The body.
        rebind: Makes the body for other arguments, when a guardrail takes something out of them;
            None when nobody can: the call is refused then.
    """

    kind: CallKind
    name: str
    arguments: Json
    driver: Driver
    rebind: Callable[[Json], Driver] | None = None


@dataclass(frozen=True, kw_only=True)
class Screened:
    """A call with its number.

    Attributes:
        call: The call.
        driver: The body.
        checks: What was taken out of the arguments, and by which guardrail.
    """

    call: Call
    driver: Driver
    checks: tuple[Check, ...] = ()


def screened(scope: RunScope, number: int, asked: Asking, bounds: Bounds = ARGUMENTS) -> Screened:
    """W0: give a call its number, key and arguments.

    Args:
        scope: The run.
        number: The call's number in it.
        asked: What is asked.
        bounds: What its arguments may be; a model turn's are counted in tokens, see `context`.

    Raises:
        ResultNotJson: The arguments are not JSON.
    """
    kind, name, given, driver = asked.kind, asked.name, asked.arguments, asked.driver
    contract = scope.rules.contracts.get(name) if kind == "tool" else None
    effect: Effect = contract.effect if contract else "read"
    if kind == "memory" and name in WRITES:
        # The store writes nothing twice under the call's key.
        effect = "idempotent"
    call = Call(
        run_id=scope.context.run_id,
        number=number,
        kind=kind,
        name=name,
        arguments=None,
        effect=effect,
        lineage=scope.lineage,
        root_id=scope.family.root_id,
    )
    over = None if kind == "model" else excess(given, bounds)
    if over is not None:
        # First of all: what is refused for its size is not written out even once, and not kept.
        return Screened(call=replace(call, excess=over), driver=driver)
    try:
        canonical_json(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultNotJson(f"the arguments of {kind} {name} are not JSON: {error}") from error
    checks: tuple[Check, ...] = ()
    if kind == "tool" and scope.rails and asked.rebind is not None:
        left, checks = _taken_out(scope, ToolCall(name=name, arguments=given))
        if left is not given:
            given, driver = left, asked.rebind(left)
    business_key = ""
    if contract and contract.key and isinstance(given, dict):
        named = [given.get(argument) for argument in contract.key]
        tenant = scope.context.principal.tenant
        business_key = f"{name}:{digest([tenant, name, named])[:32]}"
    # Of a model turn only the digest is recorded.
    kept, found = (given, ()) if kind == "model" else redacted(given, SECRETS)
    actual = None if kept is given else given
    # A name is no proof: a token of a page has one as well.
    leaked = tuple(sorted({one.kind for one in found} & LEAKS))
    call = replace(call, arguments=kept, given=actual, business_key=business_key, leaked=leaked)
    return Screened(call=call, driver=driver, checks=checks)


def refused_by(scope: RunScope, screened: Screened) -> Refused | None:
    """Return the refusal of the first tool guardrail that does not let the arguments pass."""
    if screened.call.kind != "tool":
        return None
    for check in _failed(scope, ToolCall(name=screened.call.name, arguments=screened.call.actual)):
        if check.on_fail != "warn":
            code = _code(check, ToolBlocked.code)
            return Refused(code=code, reason=f"{check.name}: {check.reason}")
    return None


def noted(scope: RunScope, call: Call) -> tuple[Check, ...]:
    """Return the tool guardrails that fail on a call's arguments."""
    return _failed(scope, ToolCall(name=call.name, arguments=call.actual))


def withheld(scope: RunScope, call: Call, done: Done) -> Done | Failed:
    """Return what a run gets of a result: all, what redaction leaves, or why it gets nothing."""
    seen = ToolCall(name=call.name, arguments=call.actual, returned=True, result=done.value)
    value, checks = _taken_out(scope, seen)
    failed = _failed(scope, replace(seen, result=value))
    checks += failed
    for check in failed:
        if check.on_fail != "warn":
            code = _code(check, ResultWithheld.code)
            return Failed(code=code, reason=f"{check.name}: {check.reason}", checks=checks)
    return replace(done, value=value, checks=checks)


def _taken_out(scope: RunScope, seen: ToolCall) -> tuple[Json, tuple[Check, ...]]:
    """Let the `redact` guardrails take out what fails; one that did not help fails again later."""
    value, checks = seen.subject, []
    for rail in scope.rails:
        if rail.on_fail != "redact":
            continue
        now = replace(seen, result=value) if seen.returned else replace(seen, arguments=value)
        check = ask(rail, scope.context, now)
        if check.passed:
            continue
        left = redacted_once(rail, value)
        if left is not None:
            value = left[0]
            checks.append(check)
    return value, tuple(checks)


def _failed(scope: RunScope, seen: ToolCall) -> tuple[Check, ...]:
    checks = (ask(rail, scope.context, seen) for rail in scope.rails)
    return tuple(check for check in checks if not check.passed)


def _code(check: Check, otherwise: str) -> str:
    return GuardrailEscalated.code if check.on_fail == "escalate" else otherwise


def tool_rails(guardrails: tuple[Guardrail[object], ...]) -> tuple[Guardrail[object], ...]:
    """Return the guardrails of the stage `tool`."""
    return tuple(rail for rail in guardrails if rail.stage == "tool")
