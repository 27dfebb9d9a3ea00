"""Models, tools and guardrails: FL-6xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.errors.denied import Denied
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
    """A guardrail handed a request, a call or an output to a person."""

    code = "FL-605"
    hint = "Decide the request by hand; see the verdicts with `fairlead runs show ID`."


class AnswerTruncated(CallFailed):
    """A model's answer reached its token limit before it was complete."""

    code = "FL-607"
    hint = "Raise max_tokens in model_settings, or ask for less; the same limit gives the same."


class AnswerCut(CallFailed):
    """A model's answer broke off: its connection closed, or it did not say that it had ended."""

    code = "FL-608"
    hint = "Try again later; look at what stands between the worker and the provider."


class AnswerUnreadable(CallFailed):
    """A provider answered with something that is not of its own protocol."""

    code = "FL-609"
    hint = "Check the provider's base URL; try again later if it is right."


class AnswerFiltered(CallFailed):
    """A provider's content filter, or the model itself, withheld the answer."""

    code = "FL-610"
    hint = "Look at the request; asking the same again gives the same."


class AnswerUnfit(CallFailed):
    """A model's answers did not fit the workflow's output, as often as it was asked."""

    code = "FL-611"
    hint = "Simplify the output type or the prompt, use a stronger model, or raise limits.reasks."


class ToolCallUnfit(CallFailed):
    """A model called a tool that is not there, or with arguments that do not fit, too often."""

    code = "FL-612"
    hint = "Describe the tools better, use a stronger model, or raise limits.reasks."


class AnswerExcessive(CallFailed):
    """A model's answer has too many tool calls, or tool calls that are too large or too deep."""

    code = "FL-619"
    hint = "Look at what the model was given to read; nothing of the answer was executed or kept."


class ProviderBusy(CallFailed):
    """A provider's rate limit held, after the tries that the limits allow."""

    code = "FL-613"
    hint = "Ask for fewer runs at once, raise limits.attempts, or declare fallbacks."


class ProviderFailed(CallFailed):
    """A provider failed or was not reached, after the tries that the limits allow."""

    code = "FL-614"
    hint = "Look at the provider's status page; declare fallbacks to go on without it."


class QuotaExhausted(CallFailed):
    """A provider's account has no quota or credit left."""

    code = "FL-615"
    hint = "Top up the account or raise its limit at the provider; waiting does not help."


class ModelKeyRefused(CallFailed):
    """A provider refused the key, or the key may not use the model."""

    code = "FL-616"
    hint = "Correct the provider's key in the worker's environment, or its rights."


class ContextExceeded(Denied):
    """A model turn's input is larger than the limit; nothing was sent, or it was sent back."""

    code = "FL-617"
    hint = "Retrieve less, shorten results, lower limits.history_chars, or raise context_tokens."


class CallTimedOut(CallFailed):
    """A call gave no answer within its time, in any of its tries."""

    code = "FL-618"
    hint = "Find out why it is slow; raise limits.call_timeout_s if it is right."


class BreakerOpen(FairleadError):
    """A model or a tool failed too often and is left alone for a while."""

    code = "FL-606"
    hint = (
        "See why with `fairlead events list --chain breaker:KIND:NAME`; start the run again later."
    )


class RateExceeded(FairleadError):
    """A model or a tool is asked so often that no call was free before the run's deadline."""

    code = "FL-620"
    hint = "Start fewer runs at a time, or raise the rate in [rates] if the other side allows it."


class ToolFailed(FairleadError):
    """A tool says that it did nothing, and why; raise it from a tool's own body."""

    code = "FL-621"
    hint = "Read the tool's reason; nothing happened outside, so it may be tried again."


class ToolAsksAgain(ToolFailed):
    """An agent's own tool did nothing and asks the model for another try; the model is told."""

    code = "FL-622"
    hint = "Read the tool's reason; describe the tool better if models ask it for the wrong thing."


class ResultWithheld(CallFailed):
    """A tool was executed, and a guardrail kept its result from the run."""

    code = "FL-632"
    hint = "See the verdict with `fairlead runs show ID`; the tool has done what it does."


class SecretUndeclared(FairleadError):
    """A tool asked for a secret that it does not declare."""

    code = "FL-633"
    hint = "List it: @fl.tool(secrets=[...]); a release says which tool reads which secret."


class SecretMissing(FairleadError):
    """A secret that a tool declares is not there; the tool was not executed."""

    code = "FL-634"
    hint = "Set the variable in the worker's environment; it has at least 8 characters."


class SecretOutside(FairleadError):
    """A secret was asked for outside of a tool's body, from where it could reach the record."""

    code = "FL-635"
    hint = "Call ctx.secret(...) in the tool's body, with the context that the body got."


MAY_PASS = frozenset(
    (
        BreakerOpen.code,
        AnswerCut.code,
        AnswerUnreadable.code,
        ProviderBusy.code,
        ProviderFailed.code,
        CallTimedOut.code,
    )
)
"""Codes of a model turn's failures that say nothing about the request: another model may answer.

Not among them: a denial, a limit, a key, a quota, and whatever the same request causes again.
"""
