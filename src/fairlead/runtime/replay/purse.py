"""The purse: what all replays of one candidate may spend on models that are really asked.

What a turn is expected to cost is held before it is asked, and settled after it. So turns that are
under way side by side cannot pass the bound together, but for what they cost beyond the estimate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fairlead.core.replay import COST_USD, UNPRICED_CALLS


def over_cost(most_usd: float) -> str:
    """Say that a replay ended because no money was left.

    Args:
        most_usd: US dollars that the replays may cost together.
    """
    return f"the replays may cost {most_usd:g} USD, and no more is left for a live model"


def over_calls(most: int) -> str:
    """Say that a replay ended because no turn was left of models without a price.

    Args:
        most: Turns of such models that the replays may ask for together.
    """
    return f"the replays may ask models without a known price {most} times, and none is left"


@dataclass(kw_only=True)
class Purse:
    """What the replays of one candidate spend.

    Attributes:
        most_usd: US dollars that they may spend together.
        most_unpriced: Turns that models without a known price may be asked for.
        spent_usd: US dollars that are spent.
        held_usd: US dollars that the turns are expected to cost which are under way.
        unpriced: Turns by model, of models without a known price.
    """

    most_usd: float = COST_USD
    most_unpriced: int = UNPRICED_CALLS
    spent_usd: float = 0.0
    held_usd: float = 0.0
    unpriced: dict[str, int] = field(default_factory=dict)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, cost_usd: float) -> bool:
        """Hold what a turn is expected to cost; False when so much is not left.

        While it is only held by others it may be left once they are settled: so that is awaited.

        Args:
            cost_usd: US dollars.
        """
        while cost_usd and self.spent_usd + self.held_usd + cost_usd > self.most_usd:
            if self.spent_usd + cost_usd > self.most_usd:
                return False
            await self._settled.wait()
        self.held_usd += cost_usd
        return True

    def settle(self, held_usd: float, cost_usd: float) -> None:
        """Take down what a turn cost in the place of what was held for it.

        Args:
            held_usd: US dollars that were held.
            cost_usd: US dollars that it cost.
        """
        self.held_usd = max(self.held_usd - held_usd, 0.0)
        self.spent_usd += cost_usd
        self._settled.set()
        self._settled = asyncio.Event()

    def count(self, model: str) -> bool:
        """Count a turn of a model without a known price; False when none is left.

        Args:
            model: Its name.
        """
        if sum(self.unpriced.values()) >= self.most_unpriced:
            return False
        self.unpriced[model] = self.unpriced.get(model, 0) + 1
        return True
