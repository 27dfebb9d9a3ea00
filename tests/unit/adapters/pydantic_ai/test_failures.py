"""What it means when a model cannot be made."""

from __future__ import annotations

import pytest
from pydantic_ai.exceptions import UserError

from fairlead.adapters.pydantic_ai.failures import model_error
from fairlead.core.errors import CallFailed, FairleadError, ModelKeyMissing, ModelUnknown


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (UserError("Set the `OPENAI_API_KEY` environment variable"), ModelKeyMissing),
        (UserError("pass `api_key` to the provider"), ModelKeyMissing),
        (ImportError("Please install the `openai` package"), ModelUnknown),
        (UserError("Unknown model: x"), ModelUnknown),
        (ValueError("Unknown provider: x"), ModelUnknown),
        (RuntimeError("broken"), CallFailed),
    ],
)
def test_model_error(error: Exception, cls: type[FairleadError]) -> None:
    made = model_error("openai:gpt-5", error)
    assert type(made) is cls
    assert made.ids == {"model": "openai:gpt-5"}
    assert str(error) in made.message
