"""What it means when a model's provider refuses, stumbles or does not answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import ModelResponse, TextPart

from fairlead.adapters.pydantic_ai.failures import answer_error, driver_error
from fairlead.core.errors import (
    AnswerCut,
    AnswerFiltered,
    AnswerTruncated,
    AnswerUnreadable,
    CallTimedOut,
    ContextExceeded,
    FairleadError,
    ModelKeyRefused,
    ModelUnknown,
    ProviderBusy,
    ProviderFailed,
    QuotaExhausted,
)
from fairlead.core.errors.call import MAY_PASS

MODEL = "gpt-5"


def http(status: int, category: object = None, **more: object) -> ModelHTTPError:
    """Return an error as the library's own models raise it."""
    return ModelHTTPError.for_category(category, status_code=status, model_name=MODEL, **more)


def behaviour(text: str, cause: Exception | None = None) -> UnexpectedModelBehavior:
    """Return what the library raises when it cannot read an answer."""
    error = UnexpectedModelBehavior(text)
    error.__cause__ = cause
    return error


def undecoded() -> ModelAPIError:
    """Return what the library's models raise for a body that is no JSON."""
    error = ModelAPIError(MODEL, "Failed to decode response as JSON")
    error.__cause__ = json.JSONDecodeError("no", "doc", 0)
    return error


TRANSIENT = [
    pytest.param(http(408), ProviderFailed, id="408"),
    pytest.param(http(409), ProviderFailed, id="409"),
    pytest.param(http(425), ProviderFailed, id="425"),
    pytest.param(http(429), ProviderBusy, id="429"),
    pytest.param(http(429, ModelRateLimitError), ProviderBusy, id="429 of its category"),
    pytest.param(http(500, ModelServerError), ProviderFailed, id="500"),
    pytest.param(http(503, ModelUnavailableError), ProviderFailed, id="503"),
    pytest.param(http(529), ProviderFailed, id="529"),
    pytest.param(ModelConnectionError(MODEL, "refused"), ProviderFailed, id="connection"),
    pytest.param(
        ModelConnectionError(MODEL, "refused", phase="connect"), ProviderFailed, id="connecting"
    ),
    pytest.param(ModelConnectionError(MODEL, "closed", phase="read"), AnswerCut, id="cut"),
    pytest.param(ModelTimeoutError(MODEL, "read"), CallTimedOut, id="timeout of the transport"),
    pytest.param(ModelRequestTimeout(MODEL, 3.0), CallTimedOut, id="timeout of the request"),
    pytest.param(
        behaviour("Streamed response ended without content or tool calls"),
        AnswerCut,
        id="an empty stream",
    ),
    pytest.param(undecoded(), AnswerUnreadable, id="no JSON"),
    pytest.param(
        ModelAPIError(MODEL, "Expected a JSON response, got: 'hello'"), AnswerUnreadable, id="text"
    ),
    pytest.param(
        behaviour("Invalid response from openai chat completions endpoint"),
        AnswerUnreadable,
        id="no answer of the protocol",
    ),
    pytest.param(
        ModelAPIError(MODEL, "Streamed response ended without a `finish_reason`"),
        AnswerCut,
        id="a stream without an end",
    ),
    pytest.param(ModelAPIError(MODEL, "x", in_stream=True), ProviderFailed, id="in the stream"),
]
FINAL = [
    pytest.param(http(400), "", id="400"),
    pytest.param(http(404, ModelNotFoundError), ModelUnknown.code, id="404"),
    pytest.param(http(422), "", id="422"),
    pytest.param(http(429, ModelQuotaExceededError), QuotaExhausted.code, id="quota"),
    pytest.param(
        http(400, ModelContextWindowExceededError), ContextExceeded.code, id="context window"
    ),
    pytest.param(OutputTokenLimitExceeded("cut"), AnswerTruncated.code, id="token limit"),
    pytest.param(ContentFilterError("no"), AnswerFiltered.code, id="content filter"),
    pytest.param(ModelAPIError(MODEL, "strange"), "", id="other error of the provider"),
    pytest.param(UnexpectedModelBehavior("strange"), "", id="strange behaviour"),
    pytest.param(AgentRunError("strange"), "", id="other error of the loop"),
]


@pytest.mark.parametrize(("error", "cls"), TRANSIENT)
def test_what_may_pass(error: Exception, cls: type[FairleadError]) -> None:
    sorted_as = driver_error(error)
    assert sorted_as is not None
    assert (sorted_as.transient, sorted_as.code, sorted_as.retry_after_s) == (True, cls.code, None)
    assert sorted_as.code in MAY_PASS
    assert str(sorted_as) == str(error)


@pytest.mark.parametrize(("error", "code"), FINAL)
def test_what_is_final(error: Exception, code: str) -> None:
    sorted_as = driver_error(error)
    assert sorted_as is not None
    assert (sorted_as.transient, sorted_as.code) == (False, code)
    assert code not in MAY_PASS
    assert str(sorted_as) == str(error)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("category", [None, ModelAuthenticationError])
def test_invariant_10_a_refused_key_is_not_repeated(status: int, category: object) -> None:
    sorted_as = driver_error(http(status, category, body={"message": "wrong key: sk-secret"}))
    assert sorted_as is not None
    assert (sorted_as.transient, sorted_as.code) == (False, ModelKeyRefused.code)
    assert "sk-secret" not in str(sorted_as)
    assert str(status) in str(sorted_as)


def answer(**values: Any) -> ModelResponse:
    """Return an answer of a provider that says why its answers end."""
    given = {
        "parts": [TextPart("done")],
        "provider_name": "openai",
        "provider_url": "http://127.0.0.1/v1/",
        "provider_details": {"finish_reason": "stop"},
        "finish_reason": "stop",
    }
    return ModelResponse(**{**given, **values})


@pytest.mark.parametrize(
    ("response", "code", "transient"),
    [
        (answer(finish_reason="length"), AnswerTruncated.code, False),
        (answer(finish_reason="length", provider_name=None), AnswerTruncated.code, False),
        (answer(finish_reason="content_filter"), AnswerFiltered.code, False),
        (answer(provider_details=None), AnswerCut.code, True),
        (answer(provider_details={"timestamp": "x"}), AnswerCut.code, True),
    ],
    ids=["length", "length of any provider", "filtered", "no reason", "no reason among others"],
)
def test_an_answer_that_is_not_whole_is_none(
    response: ModelResponse, code: str, transient: bool
) -> None:
    sorted_as = answer_error(response)
    assert sorted_as is not None
    assert (sorted_as.code, sorted_as.transient) == (code, transient)


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(finish_reason="tool_call"),
        answer(provider_details=None, provider_url=None),
        answer(provider_details=None, provider_name="ollama"),
        ModelResponse(parts=[TextPart("done")]),
    ],
    ids=["stop", "tool call", "no provider", "a provider that does not say", "a scripted model"],
)
def test_an_answer_that_is_whole(response: ModelResponse) -> None:
    assert answer_error(response) is None


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


@pytest.mark.parametrize(
    ("error", "throttled"),
    [
        (http(429), True),
        (http(429, ModelRateLimitError), True),
        (http(503, ModelUnavailableError, headers={"Retry-After": "7"}), False),
        (http(500), False),
        (ModelConnectionError(MODEL, "refused"), False),
    ],
    ids=str,
)
def test_only_a_429_says_that_the_provider_is_asked_too_often(
    error: Exception, throttled: bool
) -> None:
    sorted_as = driver_error(error)
    assert sorted_as is not None
    assert sorted_as.throttled == throttled
