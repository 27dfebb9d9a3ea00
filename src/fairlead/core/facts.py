"""The facts that a rule may look at: the one list that decisions and checks of rules share.

`guardrails/decide.py` fills each of them in; a check of rules knows no other. A name that is
missing on either side turns a test red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.core.declared import Declared
from fairlead.core.identity import ROLES

FactKind: TypeAlias = Literal["text", "flag", "arguments", "label", "seen"]


@dataclass(frozen=True, kw_only=True)
class ContextFact:
    """One attribute of `context`.

    Attributes:
        name: Its name.
        kind: `text`; `flag` for true or false; `arguments` for the tool's own; `label` for a
            record of integrity, private and origins; `seen` for the same with tools.
        values: All values that a text may have; empty for any.
    """

    name: str
    kind: FactKind
    values: tuple[str, ...] = ()


CONTEXT_FACTS: tuple[ContextFact, ...] = (
    ContextFact(name="point", kind="text", values=("call", "recall", "start", "check")),
    ContextFact(name="workflow", kind="text"),
    ContextFact(name="effect", kind="text", values=("read", "idempotent", "once")),
    ContextFact(name="scope", kind="text"),
    ContextFact(name="egress", kind="flag"),
    ContextFact(name="arguments", kind="arguments"),
    ContextFact(name="labels", kind="label"),
    ContextFact(name="targets", kind="label"),
    ContextFact(name="payload", kind="label"),
    ContextFact(name="seen", kind="seen"),
)
"""Every attribute of `context`; each of them is always there."""

_TEXT = Declared(kind="text")
PRINCIPAL_FACTS = Declared(
    kind="record",
    fields={
        "tenant": _TEXT,
        "issuer": _TEXT,
        "roles": Declared(kind="list", item=Declared(kind="text", values=ROLES)),
        "scopes": Declared(kind="list", item=_TEXT),
    },
    required=frozenset(("tenant", "issuer", "roles")),
)
"""Every attribute of `principal`; `scopes` is left out when nothing was narrowed."""

_LABEL: dict[str, Declared] = {
    "integrity": Declared(kind="text", values=("trusted", "untrusted")),
    "private": Declared(kind="flag"),
    "origins": Declared(kind="list", item=_TEXT),
}


def declared_facts(arguments: Declared) -> Declared:
    """Return what `context` is, for a call with such arguments.

    Args:
        arguments: What the arguments are.
    """
    kinds: dict[FactKind, Declared] = {
        "flag": Declared(kind="flag"),
        "arguments": arguments,
        "label": _record(_LABEL),
        "seen": _record({**_LABEL, "tools": Declared(kind="list", item=_TEXT)}),
    }
    return _record(
        {
            fact.name: kinds.get(fact.kind) or Declared(kind="text", values=fact.values)
            for fact in CONTEXT_FACTS
        }
    )


def _record(fields: dict[str, Declared]) -> Declared:
    return Declared(kind="record", fields=fields, required=frozenset(fields))
