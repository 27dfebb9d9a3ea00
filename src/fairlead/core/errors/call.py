"""Models, tools and guardrails: FL-6xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.guarding import Check


class ModelKeyMissing(FairleadError):
    """A model's provider has no key."""

    code = "FL-600"
    hint = "Set the environment variable that the message names, or use fairlead:extractive."


class ModelUnknown(FairleadError):
    """No model of that name, or its provider is not installed."""

    code = "FL-601"
    hint = "Write provider:model, and install the provider's extra, such as fairlead[openai]."


class ModelUnfit(FairleadError):
    """A model cannot produce the output that the workflow asks for."""

    code = "FL-602"
    hint = "Use a model that can, or change the workflow's output type."


class CallFailed(FairleadError):
    """A model, a tool or a retrieval failed, after the retries that its effect allows."""

    code = "FL-603"
    hint = "See the error of the call with `fairlead runs show ID`."


class GuardrailBlocked(FairleadError):
    """A guardrail stopped a request or a draft.

    Attributes:
        checks: Every verdict up to there.
    """

    checks: tuple[Check, ...] = ()

    code = "FL-604"
    hint = "See the verdicts with `fairlead runs show ID`."


class GuardrailEscalated(GuardrailBlocked):
    """A guardrail handed a draft to a person."""

    code = "FL-605"
    hint = "Decide the request by hand; see the verdicts with `fairlead runs show ID`."
