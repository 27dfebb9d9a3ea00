"""What a provider says on the wire: chat completions and responses, whole or as a stream, and
embeddings."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.vectors import pack

Finish: TypeAlias = Literal["", "stop", "length", "content_filter", "none"]
Protocol: TypeAlias = Literal["chat", "responses"]

CREATED = 1_700_000_000
"""When each answer was made, in seconds since 1970: the same script gives the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer, before it has a form.

    Attributes:
        number: The request that it answers, from 1.
        model: Id of the model that answers.
        text: Its text; empty for none.
        tools: Name and arguments of each call; arguments that are text go out as they are.
        finish: Why it ends; empty follows from the content, `none` says nothing.
        usage: Input and output tokens.
    """

    number: int
    model: str
    text: str
    tools: Sequence[tuple[str, Json]]
    finish: Finish
    usage: tuple[int, int]

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """Id, name and written arguments of each tool call."""
        return [
            (
                f"call_{self.number}_{place}",
                name,
                given if isinstance(given, str) else json.dumps(given),
            )
            for place, (name, given) in enumerate(self.tools, 1)
        ]


def whole(said: Said, protocol: Protocol) -> bytes:
    """Return an answer as one JSON document."""
    made = _completion(said) if protocol == "chat" else _response(said)
    return json.dumps(made).encode()


def stream(said: Said, protocol: Protocol, *, with_usage: bool) -> bytes:
    """Return an answer as server-sent events, all of them.

    Args:
        said: The answer.
        protocol: The protocol that was asked.
        with_usage: Whether chat completions end with their usage; responses always do.
    """
    if protocol == "chat":
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(said, with_usage)]
        return "".join([*events, "data: [DONE]\n\n"]).encode()
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
        for number, event in enumerate(_events(said))
    ).encode()


def embeddings(
    vectors: Sequence[Sequence[float | None]], *, model: str, tokens: int, in_base64: bool
) -> bytes:
    """Return vectors as one JSON document.

    Args:
        vectors: The vectors; None in one goes out as null.
        model: Id of the model that answers.
        tokens: Tokens of the texts.
        in_base64: Whether vectors go out as the base64 of their floats; one with a null cannot.
    """
    data = []
    for index, vector in enumerate(vectors):
        numbers = [number for number in vector if number is not None]
        packs = in_base64 and len(numbers) == len(vector)
        shown = base64.b64encode(pack(numbers)).decode() if packs else list(vector)
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


def refusal(status: int, code: str) -> bytes:
    """Return the body of an error.

    Args:
        status: The HTTP status.
        code: The provider's code, such as `insufficient_quota`; empty for none.
    """
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid"
    message = f"scripted failure with status {status}"
    error = {"message": message, "type": code or kind, "param": None, "code": code or None}
    return json.dumps({"error": error}).encode()


def _finish_of_chat(said: Said) -> str | None:
    if said.finish == "none":
        return None
    return said.finish or ("tool_calls" if said.tools else "stop")


def _usage_of_chat(said: Said) -> Json:
    asked, answered = said.usage
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }


def _completion(said: Said) -> Json:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.tools:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in said.calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish_of_chat(said)}
    return {
        "id": f"chatcmpl-{said.number}",
        "object": "chat.completion",
        "created": CREATED,
        "model": said.model,
        "choices": [{**choice, "logprobs": None}],
        "usage": _usage_of_chat(said),
    }


def _chunks(said: Said, with_usage: bool) -> Iterator[Json]:
    base = {
        "id": f"chatcmpl-{said.number}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": said.model,
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**base, "choices": [choice], "usage": None}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(said.text):
        yield chunk({"content": piece})
    for index, (id, name, arguments) in enumerate(said.calls):
        function = {"name": name, "arguments": ""}
        start = {"index": index, "id": id, "type": "function", "function": function}
        yield chunk({"tool_calls": [start]})
        for piece in _pieces(arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    finish = _finish_of_chat(said)
    if finish is not None:
        yield chunk({}, finish)
    if with_usage:
        yield {**base, "choices": [], "usage": _usage_of_chat(said)}


def _response(said: Said) -> dict[str, Any]:
    asked, answered = said.usage
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(said.finish)
    return {
        "id": f"resp_{said.number}",
        "object": "response",
        "created_at": float(CREATED),
        "status": "incomplete" if reason else None if said.finish == "none" else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "model": said.model,
        "output": [item for item, _ in _items(said)],
        "error": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        },
    }


def _items(said: Said) -> list[tuple[dict[str, Any], str]]:
    """Return each item of a response with the text that a stream of it brings in pieces."""
    items: list[tuple[dict[str, Any], str]] = []
    if said.text:
        content = [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}]
        message = {"type": "message", "id": f"msg_{said.number}", "role": "assistant"}
        items.append(({**message, "status": "completed", "content": content}, said.text))
    for id, name, arguments in said.calls:
        call = {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": name}
        items.append(({**call, "arguments": arguments, "status": "completed"}, arguments))
    return items


def _events(said: Said) -> Iterator[dict[str, Any]]:
    done = _response(said)
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": {**begun, "incomplete_details": None}}
    for index, (item, text) in enumerate(_items(said)):
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        yield {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, **empty, "status": "in_progress"},
        }
        where = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            where["content_index"] = 0
            yield {"type": "response.content_part.added", **where, "part": part}
            for piece in _pieces(text):
                yield {
                    "type": "response.output_text.delta",
                    **where,
                    "delta": piece,
                    "logprobs": [],
                }
            yield {"type": "response.output_text.done", **where, "text": text, "logprobs": []}
            yield {"type": "response.content_part.done", **where, "part": item["content"][0]}
        else:
            for piece in _pieces(text):
                yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
            finished = {**where, "name": item["name"], "arguments": text}
            yield {"type": "response.function_call_arguments.done", **finished}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    if said.finish != "none":
        kind = "response.incomplete" if done["incomplete_details"] else "response.completed"
        yield {"type": kind, "response": done}


def _pieces(text: str, size: int = 12) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
