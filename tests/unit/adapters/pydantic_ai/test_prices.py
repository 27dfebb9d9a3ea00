"""Prices that are known before a model is asked."""

from __future__ import annotations

import pytest

from fairlead.adapters.pydantic_ai.prices import KnownPrices


def test_a_known_model_has_a_price_that_grows_with_its_tokens() -> None:
    prices = KnownPrices()
    one = prices.cost_usd("openai:gpt-4o", input_tokens=1000, output_tokens=1000)
    two = prices.cost_usd("openai:gpt-4o", input_tokens=2000, output_tokens=2000)
    assert one is not None and two is not None
    assert two == pytest.approx(2 * one)
    assert one > 0


@pytest.mark.parametrize("model", ["test:recorder", "openai:mine", "nothing", ""])
def test_an_unknown_model_has_none(model: str) -> None:
    assert KnownPrices().cost_usd(model, input_tokens=1000, output_tokens=1000) is None


def test_the_embedded_model_costs_nothing() -> None:
    cost = KnownPrices().cost_usd("fairlead:extractive", input_tokens=1000, output_tokens=1000)
    assert cost == 0.0
