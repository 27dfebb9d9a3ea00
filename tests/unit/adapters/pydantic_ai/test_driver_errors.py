"""What it means when a model's provider refuses, stumbles or does not answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
    UserError,
)

from fairlead.adapters.pydantic_ai.failures import driver_error

MODEL = "gpt-5"


def http(status: int, category: object = None, **more: object) -> ModelHTTPError:
    """Return an error as the library's own models raise it."""
    return ModelHTTPError.for_category(category, status_code=status, model_name=MODEL, **more)


TRANSIENT = [
    pytest.param(http(408), id="408"),
    pytest.param(http(409), id="409"),
    pytest.param(http(425), id="425"),
    pytest.param(http(429), id="429"),
    pytest.param(http(429, ModelRateLimitError), id="429 of its category"),
    pytest.param(http(500, ModelServerError), id="500"),
    pytest.param(http(503, ModelUnavailableError), id="503"),
    pytest.param(http(529), id="529"),
    pytest.param(ModelConnectionError(MODEL, "refused"), id="connection"),
    pytest.param(ModelTimeoutError(MODEL, "read"), id="timeout of the transport"),
    pytest.param(ModelRequestTimeout(MODEL, 3.0), id="timeout of the request"),
]
FINAL = [
    pytest.param(http(400), "", id="400"),
    pytest.param(http(401, ModelAuthenticationError), "FL-600", id="401"),
    pytest.param(http(403, ModelAuthenticationError), "FL-600", id="403"),
    pytest.param(http(404, ModelNotFoundError), None, id="404"),
    pytest.param(http(422), "", id="422"),
    pytest.param(ModelAPIError(MODEL, "strange"), "", id="other error of the provider"),
    pytest.param(UnexpectedModelBehavior("strange"), "", id="strange behaviour"),
    pytest.param(AgentRunError("strange"), "", id="other error of the loop"),
]


@pytest.mark.parametrize("error", TRANSIENT)
def test_what_may_pass(error: Exception) -> None:
    sorted_as = driver_error(error)
    assert sorted_as is not None
    assert (sorted_as.transient, sorted_as.code, sorted_as.retry_after_s) == (True, "", None)
    assert str(sorted_as) == str(error)


@pytest.mark.parametrize(("error", "code"), FINAL)
def test_what_is_final(error: Exception, code: str | None) -> None:
    sorted_as = driver_error(error)
    assert sorted_as is not None
    assert not sorted_as.transient
    assert code is None or sorted_as.code == code
    assert str(sorted_as) == str(error)


@pytest.mark.parametrize(
    "error", [ValueError("x"), TimeoutError(), UserError("x"), ConnectionError("x")], ids=repr
)
def test_what_is_not_the_provider_s(error: Exception) -> None:
    assert driver_error(error) is None


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"Retry-After-Ms": "1500", "Retry-After": "7"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_provider_asks_for(
    status: int, headers: dict[str, str], asked_s: float | None
) -> None:
    sorted_as = driver_error(http(status, headers=headers))
    assert sorted_as is not None
    assert sorted_as.retry_after_s == asked_s


def test_the_time_until_which_the_provider_asks_to_wait() -> None:
    until = format_datetime(datetime.now(tz=UTC) + timedelta(seconds=60), usegmt=True)
    sorted_as = driver_error(http(429, headers={"Retry-After": until}))
    assert sorted_as is not None
    assert sorted_as.retry_after_s == pytest.approx(60, abs=5)
