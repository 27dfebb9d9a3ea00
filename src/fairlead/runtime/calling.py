"""W0, and the way back: how a call gets its number and key, and how a result reaches the code."""

from __future__ import annotations

from fairlead.core.calls import Call, CallKind, Done, Effect, Failed, Refused, Result, Unknown
from fairlead.core.digests import Json, canonical_json, digest
from fairlead.core.errors import (
    CallFailed,
    Denied,
    EffectUnknown,
    FairleadError,
    ResultNotJson,
    error_classes,
)
from fairlead.core.policy import Decision
from fairlead.runtime.scope import RunScope


def call_of(scope: RunScope, kind: CallKind, name: str, arguments: Json, *, number: int) -> Call:
    """Return a run's call with its key.

    Args:
        scope: The run.
        kind: What is called.
        name: Name of the model, tool or collection.
        arguments: JSON arguments.
        number: Position in the run, from 1.

    Raises:
        ResultNotJson: The arguments are no JSON.
    """
    try:
        canonical_json(arguments)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultNotJson(f"the arguments of {kind} {name} are not JSON: {error}") from error
    contract = scope.rules.contracts.get(name) if kind == "tool" else None
    effect: Effect = contract.effect if contract else "read"
    business_key = ""
    if contract and contract.key and isinstance(arguments, dict):
        named = [arguments.get(argument) for argument in contract.key]
        tenant = scope.context.principal.tenant
        business_key = f"{name}:{digest([tenant, name, named])[:32]}"
    return Call(
        run_id=scope.context.run_id,
        number=number,
        kind=kind,
        name=name,
        arguments=arguments,
        effect=effect,
        lineage=scope.lineage,
        root_id=scope.family.root_id,
        business_key=business_key,
    )


def denial(decision: Decision) -> Refused | None:
    """Return the refusal that a decision is; None when it is none."""
    if decision.effect != "deny":
        return None
    return Refused(code=Denied.code, reason="denied by policy: " + ", ".join(decision.reasons))


def value_of(call: Call, result: Result) -> Json:
    """Return a call's value, or raise what its result means.

    Raises:
        FairleadError: The call was denied, failed, or its effect is unknown.
    """
    if isinstance(result, Done):
        return result.value
    ids = {"run": call.run_id, "call": call.key}
    what = f"{call.kind} {call.name}, call {call.number}"
    if isinstance(result, Unknown):
        raise EffectUnknown(f"{what}: {result.reason}", **ids)
    fallback: type[FairleadError] = Denied if isinstance(result, Refused) else CallFailed
    code = result.code if isinstance(result, Refused | Failed) else ""
    raise error_classes().get(code, fallback)(f"{what}: {result.reason}", **ids)
