"""A run's steps and money are bounded."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused
from fairlead.core.errors import CostExceeded, StepsExceeded
from fairlead.runtime.scope import RunScope, Tally


def limits(scope: RunScope, _: Call, tally: Tally) -> Refused | None:
    """Refuse the call after the last one that the limits allow."""
    bounds = scope.terms.limits
    if tally.calls >= bounds.steps:
        return Refused(code=StepsExceeded.code, reason=f"the run has made its {bounds.steps} calls")
    if tally.cost_usd > 0 and tally.cost_usd >= bounds.cost_usd:
        return Refused(
            code=CostExceeded.code,
            reason=f"the run has spent {tally.cost_usd:.4f} of {bounds.cost_usd:.4f} USD",
        )
    return None
