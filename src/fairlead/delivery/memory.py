"""What `fairlead.toml` says of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.core.digests import Json
from fairlead.core.errors import InvalidConfig
from fairlead.core.memory_terms import AdmitRule, MemoryTerms, RememberTerms
from fairlead.delivery.tables import known

# The last one is this installation's, and no part of a release.
_KEYS = frozenset(("schema", "reads", "embedder", "admit", "erasures_file"))
_RULE_KEYS = frozenset(("source", "admit", "kinds"))
_REMEMBER_KEYS = frozenset(("kinds", "top_k", "min_score", "grounding", "subject"))
_NAMING = ("string", "integer")
"""Types of an input's field that may name a subject."""
RULES_MAX = 100


def memory_of(table: Any) -> MemoryTerms:
    """Return what the table `[memory]` says.

    Raises:
        InvalidConfig: A value is not understood.
    """
    known(table, _KEYS, "memory")
    given = table.get("admit", [])
    if not isinstance(given, list) or len(given) > RULES_MAX:
        raise InvalidConfig(
            f"memory.admit must be a list of at most {RULES_MAX} rules", key="memory.admit"
        )
    rules = tuple(_rule(one, f"memory.admit[{place}]") for place, one in enumerate(given))
    schema = table.get("schema", 1)
    reads = table.get("reads", [schema, schema])
    numbers = [schema, *reads] if isinstance(reads, list) and len(reads) == 2 else [None]
    if any(type(number) is not int for number in numbers):
        raise InvalidConfig(
            "memory.schema must be a number, and memory.reads the oldest and the newest that is "
            "read, such as [1, 2]",
            key="memory.reads",
        )
    embedder = table.get("embedder", "none")
    if not isinstance(embedder, str) or not embedder:
        raise InvalidConfig("memory.embedder must be text", key="memory.embedder")
    try:
        return MemoryTerms(
            schema=schema, reads=(reads[0], reads[1]), embedder=embedder, admit=rules
        )
    except ValueError as error:
        raise InvalidConfig(f"memory: {error}", key="memory") from error


def remember_of(
    declared: RememberTerms | None, table: Any, where: str, shape: Mapping[str, Json]
) -> RememberTerms | None:
    """Return what a workflow remembers: the file's values over the decorator's.

    Args:
        declared: The decorator's; None when it declares nothing.
        table: The table `[workflow.NAME.remember]`.
        where: The workflow's table, for messages.
        shape: JSON schema of the workflow's input.

    Raises:
        InvalidConfig: A value is not understood, or the subject names what the input has not.
    """
    where = f"{where}.remember"
    known(table, _REMEMBER_KEYS, where)
    if declared is None:
        if table:
            raise InvalidConfig(
                f"{where} is set, and the workflow declares no memory of its own", key=where
            )
        return None
    kinds = table.get("kinds", list(declared.kinds))
    grounding = table.get("grounding", declared.grounding)
    if not isinstance(kinds, list) or not isinstance(grounding, bool):
        raise InvalidConfig(
            f"{where}: kinds must be a list, and grounding true or false", key=where
        )
    try:
        terms = RememberTerms(
            kinds=tuple(kinds),
            top_k=table.get("top_k", declared.top_k),
            min_score=table.get("min_score", declared.min_score),
            grounding=grounding,
            derive=declared.derive,
            subject=table.get("subject", declared.subject),
        )
    except (TypeError, ValueError) as error:
        raise InvalidConfig(f"{where}: {error}", key=where) from error
    fields, required = shape.get("properties", {}), shape.get("required", ())
    for name in terms.subject_fields:
        if name not in required or fields.get(name, {}).get("type") not in _NAMING:
            raise InvalidConfig(
                f"{where}.subject names {name}, and the input has no such field that is required, "
                "and text or a whole number",
                key=f"{where}.subject",
            )
    return terms


def _rule(given: Any, where: str) -> AdmitRule:
    known(given, _RULE_KEYS, where)
    kinds = given.get("kinds", [])
    if not isinstance(kinds, list) or not isinstance(given.get("source", ""), str):
        raise InvalidConfig(f"{where}: source must be text, and kinds a list", key=where)
    try:
        return AdmitRule(
            source=given.get("source", ""), admit=given.get("admit", ""), kinds=tuple(kinds)
        )
    except (TypeError, ValueError) as error:
        raise InvalidConfig(f"{where}: {error}", key=where) from error
