"""Sorts what a model's provider raises or answers: may pass, or final, and what the user can do."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import ValidationError
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
from pydantic_ai.messages import BaseToolCallPart, ModelResponse
from pydantic_core import PydanticSerializationError, from_json

from fairlead.core.bounds import ARGUMENTS, TURN_CALLS_MAX, excess
from fairlead.core.errors import (
    AnswerCut,
    AnswerExcessive,
    AnswerFiltered,
    AnswerTruncated,
    AnswerUnreadable,
    CallFailed,
    CallTimedOut,
    ContextExceeded,
    FairleadError,
    ModelKeyMissing,
    ModelKeyRefused,
    ModelUnknown,
    ProviderBusy,
    ProviderFailed,
    QuotaExhausted,
)
from fairlead.ports.boundary import DriverError

_TRANSIENT = frozenset((408, 409, 425))
_SENT = frozenset(("read", "write"))
"""Phases of a transport in which the request was on its way or out."""
_FINAL: tuple[tuple[type[Exception], str], ...] = (
    # It comes as a 429 as well, but waiting does not help.
    (ModelQuotaExceededError, QuotaExhausted.code),
    (ModelContextWindowExceededError, ContextExceeded.code),
    (ModelNotFoundError, ModelUnknown.code),
    (OutputTokenLimitExceeded, AnswerTruncated.code),
    (ContentFilterError, AnswerFiltered.code),
)
_TOGETHER = replace(ARGUMENTS, depth=ARGUMENTS.chars)
"""The bounds of all tool calls of an answer; how deep each of them is, is looked at by itself."""
_TOO_DEEP = "depth exceeded"
_CUT_STREAM = "Streamed response ended without"
# Providers that always say why an answer ended, and what the library puts where they did not.
_SAYS_WHY = frozenset(("azure", "openai"))


def driver_error(error: Exception) -> DriverError | None:
    """Return what a failed model turn means, or None when it is not the provider's failure."""
    status = error.status_code if isinstance(error, ModelHTTPError) else 0
    if isinstance(error, ModelAuthenticationError) or status in (401, 403):
        # The provider's own words may hold a part of the key.
        reason = f"the provider refused the key, with status {status or 'unknown'}"
        return DriverError(reason, transient=False, code=ModelKeyRefused.code)
    if isinstance(error, PydanticSerializationError) and _TOO_DEEP in str(error):
        # The library writes arguments out to count them, before anybody looks at the answer.
        reason = f"the answer has tool calls with more than {ARGUMENTS.depth} levels"
        return DriverError(reason, transient=False, code=AnswerExcessive.code)
    for cls, code in _FINAL:
        if isinstance(error, cls):
            return DriverError(str(error), transient=False, code=code)
    passing = _passing(error, status)
    if passing:
        wait_s = _retry_after_s(error)
        throttled = passing == ProviderBusy.code
        return DriverError(
            str(error), transient=True, code=passing, retry_after_s=wait_s, throttled=throttled
        )
    if isinstance(error, ModelAPIError | AgentRunError):
        return DriverError(str(error), transient=False)
    return None


def _passing(error: Exception, status: int) -> str:
    """Return the code of a failure that may pass; empty for any other."""
    if isinstance(error, ModelRateLimitError) or status == 429:
        return ProviderBusy.code
    if isinstance(error, ModelUnavailableError | ModelServerError):
        return ProviderFailed.code
    if status in _TRANSIENT or status >= 500:
        return ProviderFailed.code
    if isinstance(error, ModelTimeoutError | ModelRequestTimeout):
        return CallTimedOut.code
    if isinstance(error, ModelConnectionError):
        return AnswerCut.code if error.phase in _SENT else ProviderFailed.code
    if isinstance(error, AgentRunError) and str(error).startswith(_CUT_STREAM):
        return AnswerCut.code
    if _unreadable(error):
        return AnswerUnreadable.code
    # A provider that fails inside of an answer that it had begun.
    broken = isinstance(error, ModelAPIError) and error.in_stream and not status
    return ProviderFailed.code if broken else ""


def _unreadable(error: Exception) -> bool:
    """Say whether the provider's answer was none: no JSON, or not of its protocol."""
    decoding = (json.JSONDecodeError, UnicodeDecodeError, ValidationError)
    if isinstance(error.__cause__, decoding) and isinstance(error, AgentRunError):
        return True
    text = str(error)
    if isinstance(error, ModelAPIError):
        return text.startswith("Expected a JSON response")
    return isinstance(error, UnexpectedModelBehavior) and text.startswith("Invalid response from")


def answer_error(response: ModelResponse) -> DriverError | None:
    """Return why an answer must not be accepted, or None when it may be.

    Args:
        response: What the provider answered.
    """
    found = _excess(response)
    if found is not None:
        return DriverError(f"the answer has {found}", transient=False, code=AnswerExcessive.code)
    if response.finish_reason == "length":
        reason = "the answer reached its token limit before it was complete"
        return DriverError(reason, transient=False, code=AnswerTruncated.code)
    if response.finish_reason == "content_filter":
        reason = "the answer was withheld by a content filter or refused"
        return DriverError(reason, transient=False, code=AnswerFiltered.code)
    if _unended(response):
        reason = "the answer broke off: the provider did not say that it had ended"
        return DriverError(reason, transient=True, code=AnswerCut.code)
    return None


def _excess(response: ModelResponse) -> str | None:
    """Return what an answer has too much of, in words; None when it is within the bounds.

    An answer beyond them is refused whole, before any of its tool calls is looked at: it would be
    recorded otherwise, and each of its calls planned.
    """
    calls = [part for part in response.parts if isinstance(part, BaseToolCallPart)]
    if len(calls) > TURN_CALLS_MAX:
        return f"{len(calls)} tool calls; the limit is {TURN_CALLS_MAX}"
    # The size first, of all of them together: what is too large is not parsed.
    found = excess([[part.tool_name, part.args] for part in calls], _TOGETHER)
    for part in calls:
        found = found or _depth_of(part.args)
    return None if found is None else f"tool calls with {found}, which is the limit"


def _depth_of(args: object) -> str | None:
    if not isinstance(args, str):
        return excess(args, ARGUMENTS)
    try:
        return excess(from_json(args), ARGUMENTS)
    except ValueError as error:
        # What else is no JSON, the model is told, and asked again.
        deep = "recursion limit" in str(error)
        return f"more than {ARGUMENTS.depth} levels" if deep else None


def _unended(response: ModelResponse) -> bool:
    """Say whether a provider that always names the reason of an answer's end named none."""
    if response.provider_name not in _SAYS_WHY or not response.provider_url:
        return False
    return not (response.provider_details or {}).get("finish_reason")


def model_error(model: str, error: Exception) -> FairleadError:
    """Return what it means that a model could not be made.

    Args:
        model: `provider:model`.
        error: What the library raised.
    """
    text = str(error)
    if isinstance(error, UserError) and ("API_KEY" in text or "api_key" in text):
        return ModelKeyMissing(f"model {model} has no key: {text}", model=model)
    if isinstance(error, ImportError):
        return ModelUnknown(f"the provider of model {model} is not installed: {text}", model=model)
    if isinstance(error, UserError | ValueError):
        return ModelUnknown(f"model {model} is not known: {text}", model=model)
    return CallFailed(f"model {model} cannot be used: {type(error).__name__}: {text}", model=model)


def _retry_after_s(error: Exception) -> float | None:
    value = getattr(error, "retry_after", None)
    return float(value) if isinstance(value, int | float) else None
