"""A tool that names a scope needs a grant for it, whatever the policies permit."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused
from fairlead.core.errors import Denied
from fairlead.runtime.scope import RunScope, Tally


def grants(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse a tool whose scope was not granted to whoever asks, as its run's admission found."""
    contract = scope.rules.contracts.get(call.name) if call.kind == "tool" else None
    if contract is None or scope.context.principal.may(contract.scope):
        return None
    return Refused(code=Denied.code, reason=f"{contract.scope} was not granted to who asks")
