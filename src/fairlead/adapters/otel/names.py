"""Every name that is emitted, in one place.

All of OpenTelemetry's GenAI conventions are still in development and will change. What changes
there changes here and nowhere else, and the schema URL says which state of them is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.core.audit import Checkpoint
from fairlead.core.calls import Call, cut
from fairlead.core.context import Context
from fairlead.core.flags import FlagDetails

SCOPE = "fairlead"
SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

# Attributes of the conventions
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"
TOOL_NAME = "gen_ai.tool.name"
DATA_SOURCE_ID = "gen_ai.data_source.id"
WORKFLOW_NAME = "gen_ai.workflow.name"
CONVERSATION_ID = "gen_ai.conversation.id"
ERROR_TYPE = "error.type"
FLAG_EVALUATION = "feature_flag.evaluation"
FLAG_KEY = "feature_flag.key"
FLAG_VARIANT = "feature_flag.result.variant"
FLAG_REASON = "feature_flag.result.reason"
FLAG_PROVIDER = "feature_flag.provider.name"

# Our own attributes
RUN_ID = "fairlead.run.id"
RUN_STATE = "fairlead.run.state"
RELEASE_ID = "fairlead.release.id"
WORKFLOW = "fairlead.workflow"
TENANT = "fairlead.tenant"
CALL_KEY = "fairlead.call.key"
STEP_NAME = "fairlead.step.name"
MEMORY_VERB = "fairlead.memory.verb"
CHECKPOINT = "fairlead.checkpoint"
CALL_STATE = "fairlead.call.state"

# Operations: each is the value of OPERATION_NAME and the first word of a span's name
OPERATIONS: Mapping[str, str] = {
    "model": "chat",
    "tool": "execute_tool",
    "retrieval": "retrieval",
    "step": "execute_step",
    "child": "start_workflow",
    "memory": "search_memory",
}
"""The operation of each kind of call; of memory, what most of its calls do."""
MEMORY_OPERATIONS: Mapping[str, str] = {
    "remember": "upsert_memory",
    "supersede": "update_memory",
    "forget": "delete_memory",
}
"""The operation of a call to memory by its name; every other one searches."""
RUN_OPERATION = "invoke_workflow"
CHECKPOINT_OPERATION = "checkpoint"
_TARGETS: Mapping[str, str] = {
    "model": REQUEST_MODEL,
    "tool": TOOL_NAME,
    "retrieval": DATA_SOURCE_ID,
    "step": STEP_NAME,
    "child": WORKFLOW_NAME,
    "memory": MEMORY_VERB,
}

# Metrics
TOKEN_USAGE = "gen_ai.client.token.usage"
OPERATION_DURATION = "gen_ai.client.operation.duration"
TOOL_DURATION = "gen_ai.execute_tool.duration"
WORKFLOW_DURATION = "gen_ai.workflow.duration"
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))
"""1, 4, 16 ... 67108864 tokens."""
SECOND_BUCKETS = tuple(0.01 * 2**power for power in range(14))
"""0.01, 0.02, 0.04 ... 81.92 seconds."""

_NAME_CHARS_MAX = 128  # of a name that a model may have made up

_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "grok": "x_ai",
    "mistral": "mistral_ai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "xai": "x_ai",
}


def provider_and_model(name: str) -> tuple[str, str]:
    """Split a model's name into the conventions' provider and the provider's model.

    Args:
        name: `provider:model`; without a provider, the model's name alone.

    Returns:
        Provider, which is `_OTHER` when the name has none, and model.
    """
    provider, colon, model = name.partition(":")
    if not colon:
        return "_OTHER", name
    return _PROVIDERS.get(provider, provider), model


def call_attributes(call: Call) -> dict[str, str]:
    """Return what a call is and whom it goes to: few values, so fit for metrics too."""
    operation = {OPERATION_NAME: OPERATIONS[call.kind]}
    if call.kind == "memory":
        operation |= {OPERATION_NAME: MEMORY_OPERATIONS.get(call.name, OPERATIONS["memory"])}
    name = cut(call.name, _NAME_CHARS_MAX)
    if call.kind == "model":
        provider, model = provider_and_model(name)
        return {**operation, PROVIDER_NAME: provider, REQUEST_MODEL: model}
    return {**operation, _TARGETS[call.kind]: name}


def span_name(kind: str, attributes: Mapping[str, str]) -> str:
    """Return the name of a call's span: its operation and whom it goes to.

    Args:
        kind: The call's kind.
        attributes: What `call_attributes` returned.
    """
    return f"{attributes[OPERATION_NAME]} {attributes[_TARGETS[kind]]}"


def flag_attributes(details: FlagDetails[Any]) -> dict[str, str]:
    """Return what is told of a flag that was evaluated; its value and for whom are not part of it.

    The names are those of the conventions for feature flags, with reason and error in lower case.
    """
    told = {FLAG_KEY: details.key, FLAG_REASON: details.reason.lower()}
    told |= {FLAG_PROVIDER: details.provider} if details.provider else {}
    told |= {FLAG_VARIANT: details.variant} if details.variant is not None else {}
    return told | ({ERROR_TYPE: details.error_code.lower()} if details.error_code else {})


def checkpoint_attributes(checkpoint: Checkpoint) -> dict[str, str | int]:
    """Return what another system must know of a checkpoint to hold the log to it."""
    names = ("number", "root", "previous", "digest", "key", "signature", "chains", "events")
    return {f"{CHECKPOINT}.{name}": getattr(checkpoint, name) for name in names}


def run_attributes(context: Context) -> dict[str, str]:
    """Return what every span of a run carries; the user is not part of it."""
    named = {
        RUN_ID: context.run_id,
        RELEASE_ID: context.release[:12],
        WORKFLOW: context.workflow,
        TENANT: context.principal.tenant,
    }
    return {**named, CONVERSATION_ID: context.conversation} if context.conversation else named
