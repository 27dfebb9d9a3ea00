"""A tool without a contract cannot be called."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused
from fairlead.core.errors import ContractMissing
from fairlead.runtime.scope import RunScope, Tally


def contract(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse a tool that the release has no contract for, or that the workflow does not list."""
    if call.kind != "tool":
        return None
    if call.name not in scope.rules.contracts:
        return Refused(code=ContractMissing.code, reason=f"tool {call.name} has no contract")
    if call.name not in scope.terms.tools:
        return Refused(
            code=ContractMissing.code,
            reason=f"workflow {scope.terms.name} does not list tool {call.name}",
        )
    return None
