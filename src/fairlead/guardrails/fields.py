"""Takes named fields out of a value, as a rule's `@redact` asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fairlead.core.digests import Json

REDACTED = "[redacted]"
"""What stands in place of a text; in place of anything else stands null."""


def without_fields(value: Json, names: Collection[str]) -> Json:
    """Return a value without the content of some fields, wherever in it they stand.

    Args:
        value: JSON.
        names: The fields.
    """
    if isinstance(value, Mapping):
        return {
            name: _gone(item) if name in names else without_fields(item, names)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_fields(item, names) for item in value]
    return value


def _gone(value: Json) -> Json:
    return REDACTED if isinstance(value, str) else None
