"""What models cost, as far as it is known before they are asked."""

from __future__ import annotations

from typing import Protocol


class Prices(Protocol):
    """Knows what models cost."""

    def cost_usd(self, model: str, *, input_tokens: int, output_tokens: int) -> float | None:
        """Return what a turn costs at most.

        Args:
            model: `provider:model`.
            input_tokens: Tokens that go in.
            output_tokens: Tokens that come out, at most.

        Returns:
            US dollars; None when no price is known.
        """
        ...
