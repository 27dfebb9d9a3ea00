"""What an agent's own tool gave back: the bare result inside a call, the library's form outside.

The library hands a result over in a form of its own, in which a tool's wish for another try is a
value too. Labels, guardrails, the ledger and a compensation speak of the result itself, by
whatever way it was asked for; so this form never passes the boundary.
"""

from __future__ import annotations

from typing import Any

from fairlead.core.digests import Json
from fairlead.core.errors import ResultNotJson, ToolAsksAgain
from fairlead.ports.boundary import DriverError

_RESULTS = frozenset(("tool_return", "tool_content_result"))
_ASKING = frozenset(("model_retry", "tool_failed"))
_STRUCTURED = "tool-return"
"""The kind of the library's own `ToolReturn`, whose value is one of its fields."""


def result_of(wire: Any) -> Json:
    """Return the result of a tool as it passes the boundary.

    Args:
        wire: What the library made of what the tool returned or raised, as JSON.

    Raises:
        DriverError: There is no result, or one that is not the whole of what a model would read.
    """
    kind = wire["kind"]
    if kind in _ASKING:
        raise DriverError(wire["message"], transient=False, code=ToolAsksAgain.code)
    if kind not in _RESULTS:
        raise DriverError(
            f"the tool asked for {kind}, which no agent can do inside a run", transient=False
        )
    result = wire["result"]
    # A dict of the tool's own that only looks like one has another kind around it.
    if kind != "tool_return" or not isinstance(result, dict) or result.get("kind") != _STRUCTURED:
        return result
    if result.get("content") or result.get("tools"):
        raise DriverError(
            "a ToolReturn has content or tools beside its value, which no label and no guardrail "
            "would see: return all of it as the value",
            transient=False,
            code=ResultNotJson.code,
        )
    return result["return_value"]


def wire_of(result: Json) -> dict[str, Json]:
    """Return a result that passed the boundary in the library's form.

    Args:
        result: The result.
    """
    return {"kind": "tool_content_result", "result": result}


def asks_again(error: ToolAsksAgain) -> dict[str, Json]:
    """Return a tool's wish for another try in the library's form: the model is told.

    Args:
        error: What the boundary raised of it.
    """
    # In front of the tool's own words stands which call it was, which is nothing to a model.
    return {"kind": "model_retry", "message": error.message.partition(": ")[2]}
