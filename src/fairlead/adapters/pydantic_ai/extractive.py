"""The embedded default model `fairlead:extractive`: it picks sentences, it does not write.

It needs no key, no network and no weights. The same messages give the same response, always.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RequestUsage

from fairlead.core.errors import ModelUnfit
from fairlead.core.extract import MIN_SUPPORT, extract
from fairlead.core.grounding import Answer
from fairlead.core.prompting import parse

MODEL_NAME = "extractive"
PROVIDER_NAME = "fairlead"
VERSION = "1"
ABSTENTION = "The sources do not support an answer to this question."

# A response has to carry a time. This model takes none, and must not read a clock: the same
# messages give the same response.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_PROFILE = ModelProfile(
    supports_tools=True,
    supports_json_schema_output=True,
    # Notes of the agent loop stay system messages, so that the last user prompt is the user's.
    supports_inline_system_prompts=True,
)

_Schema = Mapping[str, Any]


class ExtractiveModel(Model[None]):
    """Answers with sentences found in the retrieved sources, cites them verbatim, or abstains.

    It reads the latest user prompt, as `fairlead.core.prompting.render` writes it, and nothing
    else: no instructions, no history, no images. It never calls a function tool. It has no
    knowledge of its own and writes no sentence of its own, except, when plain text is asked for,
    the one which says that the sources do not support an answer. After its answer was refused (an
    output retry) it abstains, for it would only give the same answer again.

    The output may be plain text or an object whose required properties are among `text` or
    `answer` (string), `citations` (array of objects with `source` and `quote`) and `abstained`
    (boolean), as an output tool or as JSON in the text.

    Usage counts words, split at white space: input is the prompt that was read, output is what the
    response holds. The cost is zero.
    """

    def __init__(
        self,
        *,
        max_sentences: int = 2,
        min_support: float = MIN_SUPPORT,
        timestamp: datetime = _NO_TIME,
        settings: ModelSettings | None = None,
    ) -> None:
        """Make the model.

        Args:
            max_sentences: Most sentences in an answer.
            min_support: Least share of the question, from 0.0 to 1.0, that the best sentence
                must cover.
            timestamp: Time that every response carries; by default the first second of 1970.
            settings: Default model settings; accepted for compatibility, none has an effect.
        """
        self._max_sentences = max_sentences
        self._min_support = min_support
        self._timestamp = timestamp
        super().__init__(settings=settings, profile=_PROFILE)

    @property
    def provider(self) -> None:
        """None: no provider outside of this process is asked."""
        return

    @property
    def model_name(self) -> str:
        """The model's name, `extractive`."""
        return MODEL_NAME

    @property
    def system(self) -> str:
        """The provider's name, `fairlead`."""
        return PROVIDER_NAME

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer the latest user prompt.

        Args:
            messages: The conversation.
            model_settings: Without effect.
            model_request_parameters: The output that is asked for; function tools are ignored.

        Returns:
            A response with one part: a text, or a call of the output tool.

        Raises:
            ModelUnfit: When the output has a required property that this model cannot fill.
        """
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        prompt = _latest_prompt(messages)
        part = _part(self._answer(prompt), parameters, call_id=_call_id(messages))
        written = part.content if isinstance(part, TextPart) else part.args_as_json_str()
        return ModelResponse(
            parts=[part],
            usage=RequestUsage(
                input_tokens=len(prompt.split()),
                output_tokens=len(written.split()),
                cost=Decimal(0),
            ),
            model_name=MODEL_NAME,
            timestamp=self._timestamp,
            provider_name=PROVIDER_NAME,
            provider_details={
                "version": VERSION,
                "method": "picks sentences from the sources, does not write",
            },
            finish_reason="stop",
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Answer as `request` does, with the whole response as one event.

        Args:
            messages: The conversation.
            model_settings: Without effect.
            model_request_parameters: The output that is asked for.
            run_context: Without effect.

        Yields:
            The completed response.

        Raises:
            ModelUnfit: When the output has a required property that this model cannot fill.
        """
        del run_context
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(
            response, model_request_parameters=model_request_parameters, replay_events=True
        )

    def _answer(self, prompt: str) -> Answer:
        parsed = parse(prompt)
        if parsed is None:
            return Answer(text="", abstained=True)
        question, sources = parsed
        return extract(question, sources, self._max_sentences, min_support=self._min_support)


def _latest_prompt(messages: Sequence[ModelMessage]) -> str:
    """Return the text of the latest user prompt; empty after a refusal and when there is none."""
    for message in reversed(messages):
        if not isinstance(message, ModelRequest):
            continue
        for part in reversed(message.parts):
            if isinstance(part, ToolReturnPart) and part.outcome == "retried":
                return ""
            if isinstance(part, UserPromptPart):
                return _text(part)
    return ""


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    texts: list[str] = []
    for item in part.content:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, TextContent):
            texts.append(item.content)
    return "\n".join(texts)


def _call_id(messages: Sequence[ModelMessage]) -> str:
    """Return an id that is new in this conversation, without chance."""
    return f"extractive-{sum(isinstance(message, ModelResponse) for message in messages) + 1}"


def _part(
    answer: Answer, parameters: ModelRequestParameters, *, call_id: str
) -> TextPart | ToolCallPart:
    """Give an answer the form that is asked for; the first output tool that fits is called."""
    if parameters.output_object is not None:
        values = _fill(answer, parameters.output_object.json_schema)
        return TextPart(json.dumps(values, ensure_ascii=False))
    unfit: ModelUnfit | None = None
    for tool in parameters.output_tools:
        try:
            values = _fill(answer, tool.parameters_json_schema)
        except ModelUnfit as error:
            unfit = unfit or error
            continue
        return ToolCallPart(tool.name, values, tool_call_id=call_id)
    if unfit is not None and not parameters.allow_text_output:
        raise unfit
    return TextPart(ABSTENTION if answer.abstained else answer.text)


def _fill(answer: Answer, schema: _Schema) -> dict[str, Any]:
    """Return an answer as an object of a schema.

    Raises:
        ModelUnfit: When the schema requires a property that an answer has not.
    """
    known: dict[str, Any] = {
        "text": answer.text,
        "answer": answer.text,
        "citations": [{"source": c.source, "quote": c.quote} for c in answer.citations],
        "abstained": answer.abstained,
    }
    properties = _resolve(schema, schema).get("properties", {})
    values = {
        name: value
        for name, value in known.items()
        if name in properties and _takes(properties[name], value, schema)
    }
    for name in _resolve(schema, schema).get("required", ()):
        if name not in values:
            raise ModelUnfit(
                f"fairlead:{MODEL_NAME} cannot fill the required property {name!r}: it picks "
                "sentences, and gives text or answer, citations, and abstained only",
                property=name,
            )
    if not values:
        raise ModelUnfit(f"fairlead:{MODEL_NAME} knows no property of the output that is asked for")
    return values


def _takes(schema: _Schema, value: object, root: _Schema) -> bool:
    """Say whether a property takes values of the kind that an answer has."""
    schema = _resolve(schema, root)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return any(_takes(option, value, root) for option in options)
    if "enum" in schema or "const" in schema:
        return False
    if isinstance(value, bool):
        return schema.get("type") == "boolean"
    if isinstance(value, str):
        return schema.get("type") == "string"
    return schema.get("type") == "array" and _takes_citation(schema.get("items", {}), root)


def _takes_citation(schema: _Schema, root: _Schema) -> bool:
    schema = _resolve(schema, root)
    properties = schema.get("properties", {})
    return set(schema.get("required", ())) <= {"source", "quote"} and all(
        name in properties and _takes(properties[name], "", root) for name in ("source", "quote")
    )


def _resolve(schema: _Schema, root: _Schema) -> _Schema:
    """Follow a reference to the schema's own definitions."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    resolved: _Schema = root.get("$defs", {}).get(name, schema) if name else schema
    return resolved
