"""What a dataset and a file of guardrail tests have in common: YAML with a list of cases."""

from __future__ import annotations

from typing import Any

import yaml

from fairlead.core.errors import InvalidConfig

CASES_MAX = 1000
"""Most cases of one file."""


def listed_cases(path: str, text: str) -> tuple[dict[str, Any], list[Any]]:
    """Return a file's object, and its cases as they stand there.

    Args:
        path: Where it stands, for messages.
        text: YAML: an object with a list of `cases`.

    Raises:
        InvalidConfig: The text is no YAML, or has no cases, or too many of them.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidConfig(f"{path} is no YAML: {error}", file=path) from error
    items = data.get("cases") if isinstance(data, dict) else None
    if not isinstance(items, list) or not items:
        raise InvalidConfig(f"{path} has no list of cases", file=path)
    if len(items) > CASES_MAX:
        raise InvalidConfig(f"{path} has more than {CASES_MAX} cases", file=path)
    return data, items
