"""The input of a run, as it is typed on the command line."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn

from fairlead.core.digests import Json
from fairlead.core.errors import InvalidInput

STDIN_BYTES_MAX = 4_000_000
"""Most bytes that are read from stdin; a run's input is smaller still."""


def read(text: str) -> str:
    """Return the text, or what stdin holds when it is `-`.

    Raises:
        InvalidInput: It is not UTF-8, or too large.
    """
    if text == "-":
        data = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
        if len(data) > STDIN_BYTES_MAX:
            raise InvalidInput(f"stdin holds more than {STDIN_BYTES_MAX:,} bytes")
    else:
        data = text.encode(errors="surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the input is not UTF-8: byte {error.start}") from error


def parse(text: str, schema: dict[str, Any]) -> Json:
    """Return the value that a typed input stands for.

    JSON is taken as it is. Plain text is the value of a workflow that takes text, and the question
    of one whose only required field is `question`.

    Args:
        text: What was typed.
        schema: The workflow's input schema.

    Raises:
        InvalidInput: It is neither JSON nor a text that the workflow can take.
    """
    value: Json = None
    problem: Exception | None = None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        problem = error
    if schema.get("type") == "string":
        return value if isinstance(value, str) else text
    asks = schema.get("type") == "object" and schema.get("required") == ["question"]
    if asks and not isinstance(value, dict):
        return {"question": value if isinstance(value, str) else text}
    if problem is not None:
        raise InvalidInput(
            f"the input is no JSON ({problem}), and the workflow takes no plain text"
        )
    return value


def json_value(text: str) -> Json:
    """Return a JSON value that was typed; plain text stands for itself.

    Args:
        text: What was typed.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def duration_s(text: str) -> float:
    """Return a length of time such as `0s`, `90s`, `30m`, `12h` or `7d` in seconds.

    Args:
        text: What was typed.

    Raises:
        InvalidInput: It is none.
    """
    found = re.fullmatch(r"([0-9]{1,7})([smhd])", text)
    if found is None:
        raise InvalidInput(f"{text!r} is no length of time such as 90s, 30m, 12h or 7d")
    return float(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}[found[2]]


def moment_s(text: str) -> float:
    """Return a date, or a date and time, in seconds since 1970; UTC where it has no zone.

    Args:
        text: What was typed.

    Raises:
        InvalidInput: It is none.
    """
    from fairlead.memory.lines import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        message = f"{text!r} is no date or time, such as 2026-11-29 or 2026-11-29T18:00"
        raise InvalidInput(message) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
