"""What a model turn is expected to use, before the model is asked."""

from __future__ import annotations

from fairlead.core.budget import OUTPUT_TOKENS
from fairlead.core.calls import Call
from fairlead.core.limits import estimated_tokens
from fairlead.runtime.scope import RunScope, Services


def turn_tokens(call: Call, scope: RunScope) -> tuple[int, int]:
    """Return the most tokens that are expected to go into a model, and to come out of it.

    Args:
        call: The turn.
        scope: Its run.
    """
    return estimated_tokens(call.arguments), _output_tokens(call, scope)


def turn_cost_usd(call: Call, scope: RunScope, services: Services) -> float | None:
    """Return the most US dollars that a turn is expected to cost; None when no price is known.

    Args:
        call: The turn.
        scope: Its run.
        services: Know the prices.
    """
    going_in, coming_out = turn_tokens(call, scope)
    return services.prices.cost_usd(call.name, input_tokens=going_in, output_tokens=coming_out)


def _output_tokens(call: Call, scope: RunScope) -> int:
    asked = call.arguments.get("settings") if isinstance(call.arguments, dict) else None
    for settings in (asked, scope.terms.model_settings):
        most = settings.get("max_tokens") if isinstance(settings, dict) else None
        if isinstance(most, int) and most > 0:
            return most
    return OUTPUT_TOKENS
