"""Prices of models, from the table that comes with the agent library."""

from __future__ import annotations

from genai_prices import Usage, calc_price

_EMBEDDED = "fairlead"
"""The provider of the model that is executed in this process, and costs nothing."""


class KnownPrices:
    """Knows what models cost that stand in the table."""

    def cost_usd(self, model: str, *, input_tokens: int, output_tokens: int) -> float | None:
        """Return what a turn costs at most; None when no price is known."""
        provider, _, name = model.partition(":")
        if provider == _EMBEDDED:
            return 0.0
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        try:
            price = calc_price(usage, model_ref=name, provider_id=provider)
        except (LookupError, ValueError, AssertionError):
            return None
        return float(price.total_price)
