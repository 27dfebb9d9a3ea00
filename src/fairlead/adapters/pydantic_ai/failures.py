"""Sorts what a model's provider raises: may pass, or final, and what the user can do."""

from __future__ import annotations

from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelUnavailableError,
    UserError,
)

from fairlead.core.errors import CallFailed, FairleadError, ModelKeyMissing, ModelUnknown
from fairlead.ports.boundary import DriverError

_TRANSIENT = frozenset((408, 409, 425, 429))


def driver_error(error: Exception) -> DriverError | None:
    """Return what a failed model turn means, or None when it is not the provider's failure."""
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    if isinstance(error, ModelAuthenticationError) or status in (401, 403):
        return DriverError(str(error), transient=False, code=ModelKeyMissing.code)
    if isinstance(error, ModelQuotaExceededError):
        # It comes as a 429 as well, but waiting does not help.
        return DriverError(str(error), transient=False)
    if isinstance(error, ModelRateLimitError | ModelUnavailableError | ModelServerError):
        return DriverError(str(error), transient=True, retry_after_s=_retry_after_s(error))
    if isinstance(error, ModelHTTPError):
        transient = error.status_code in _TRANSIENT or error.status_code >= 500
        return DriverError(str(error), transient=transient, retry_after_s=_retry_after_s(error))
    if isinstance(error, ModelConnectionError | ModelRequestTimeout):
        return DriverError(str(error), transient=True)
    if isinstance(error, ModelAPIError | AgentRunError):
        return DriverError(str(error), transient=False)
    return None


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


def _retry_after_s(error: ModelAPIError) -> float | None:
    value = getattr(error, "retry_after", None)
    return float(value) if isinstance(value, int | float) else None
