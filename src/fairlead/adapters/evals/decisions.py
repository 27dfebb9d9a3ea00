"""Guardrail tests in YAML: an act, and what must be decided of it.

They look like the cases of a dataset, and nothing is run for them: `fairlead check` asks the
release's policies, as a call of a run does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from fairlead.adapters.evals.cases import listed_cases
from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import ROLES, Principal, Role
from fairlead.core.label import Label
from fairlead.core.memory import MEMORY_KINDS
from fairlead.core.policy import ACTIONS, Action, DecisionEffect, Point
from fairlead.ports.decisions import DecisionCase

_EFFECTS = get_args(DecisionEffect)
_ACTIONS: dict[str, Action] = {
    "tool": "call",
    "model": "generate",
    "collection": "retrieve",
    "workflow": "start",
    "recall": "recall",
    "remember": "remember",
    "forget": "forget",
}
"""What a case calls, and what is done to it; the last three name a kind of memory."""
_KEYS = frozenset(
    ("name", "principal", "workflow", "point", "call", "seen", "expect", "rules", "role", "redact")
)
_LABEL_KEYS = frozenset(("integrity", "private", "origins"))


def parse_decisions(path: str, text: str) -> tuple[DecisionCase, ...]:
    """Return the guardrail tests of a file's text.

    Args:
        path: Where it stands, for messages.
        text: YAML: an object with a list of `cases`.

    Raises:
        InvalidConfig: The text holds no guardrail tests.
    """
    _, items = listed_cases(path, text)
    cases = []
    for number, item in enumerate(items, 1):
        try:
            cases.append(_case(path, number, item))
        except _Odd as error:
            name = item.get("name", number) if isinstance(item, dict) else number
            raise InvalidConfig(f"{path}, case {name}: {error}", file=path) from None
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidConfig(f"{path} has two cases with the name {twice!r}", file=path)
    return tuple(cases)


class _Odd(Exception):
    """A case says what it cannot say."""


def _case(path: str, number: int, item: Any) -> DecisionCase:
    table = _table(item, "it", _KEYS)
    call = _table(table.get("call"), "call", frozenset((*_ACTIONS, "arguments", "labels")))
    kinds = [kind for kind in _ACTIONS if kind in call]
    if len(kinds) != 1:
        raise _Odd(f"call names one of: {', '.join(_ACTIONS)}")
    (kind,) = kinds
    if kind != "tool" and set(call) - {kind}:
        raise _Odd("only a tool has arguments")
    arguments = _table(call.get("arguments", {}), "call.arguments", None)
    given = _table(call.get("labels", {}), "call.labels", frozenset(arguments))
    principal = _principal(table.get("principal", {}))
    seen = _table(table.get("seen", {}), "seen", _LABEL_KEYS | {"tools"})
    return DecisionCase(
        name=str(table.get("name", number)),
        path=path,
        principal=principal,
        action=_ACTIONS[kind],
        resource=_resource(kind, call[kind]),
        expect=_one_of(table.get("expect"), "expect", _EFFECTS),
        arguments=arguments,
        labels={name: _label(one, f"call.labels.{name}", principal) for name, one in given.items()},
        seen=_label({k: seen[k] for k in _LABEL_KEYS if k in seen}, "seen", principal)
        if _LABEL_KEYS & set(seen)
        else None,
        tools=_texts(seen.get("tools", ()), "seen.tools"),
        workflow=_text(table.get("workflow", ""), "workflow"),
        point=_one_of(table.get("point", "call"), "point", get_args(Point)),
        rules=_texts(table.get("rules", ()), "rules"),
        role=_text(table.get("role", ""), "role"),
        redact=_texts(table.get("redact", ()), "redact"),
    )


def _resource(kind: str, item: Any) -> str:
    if ACTIONS[_ACTIONS[kind]] == "Memory":
        return str(_one_of(item, f"call.{kind}", MEMORY_KINDS))
    return _text(item, f"call.{kind}")


def _principal(item: Any) -> Principal:
    table = _table(item, "principal", frozenset(("user", "tenant", "roles", "scopes")))
    known: dict[str, Role] = {role: role for role in ROLES}
    roles = _texts(table.get("roles", ()), "principal.roles")
    unknown = [role for role in roles if role not in known]
    if unknown:
        raise _Odd(f"principal.roles has {unknown[0]!r}; there are: {', '.join(ROLES)}")
    return Principal(
        user=_text(table.get("user", Principal.user), "principal.user"),
        tenant=_text(table.get("tenant", Principal.tenant), "principal.tenant"),
        roles=tuple(known[role] for role in roles),
        scopes=_texts(table["scopes"], "principal.scopes") if "scopes" in table else None,
    )


def _label(item: Any, where: str, principal: Principal) -> Label:
    table = {"integrity": item} if isinstance(item, str) else _table(item, where, _LABEL_KEYS)
    integrity = _one_of(
        table.get("integrity", "trusted"), f"{where}.integrity", ("trusted", "untrusted")
    )
    private = table.get("private", True)
    if not isinstance(private, bool):
        raise _Odd(f"{where}.private is true or false, not {private!r}")
    label = Label(
        integrity=integrity,
        readers=("tenant",) if private else None,
        origins=_texts(table.get("origins", ()), f"{where}.origins"),
    )
    return label.resolved(principal, f"user:{principal.user}") if not label.origins else label


def _table(item: Any, what: str, keys: frozenset[str] | None) -> Mapping[str, Any]:
    if not isinstance(item, dict) or not all(isinstance(key, str) for key in item):
        raise _Odd(f"{what} is an object with named fields")
    unknown = sorted(set(item) - keys) if keys is not None else []
    if unknown:
        known = ", ".join(sorted(keys or ())) or "none"
        raise _Odd(f"{what} has an unknown field {unknown[0]!r}; there are: {known}")
    return item


def _text(item: Any, where: str) -> str:
    if not isinstance(item, str):
        raise _Odd(f"{where} is a text, not {item!r}")
    return item


def _texts(items: Any, where: str) -> tuple[str, ...]:
    if not isinstance(items, list | tuple):
        raise _Odd(f"{where} is a list of texts, not {items!r}")
    return tuple(_text(item, where) for item in items)


def _one_of(item: Any, where: str, choices: tuple[Any, ...]) -> Any:
    if item not in choices:
        raise _Odd(f"{where} is {', '.join(choices[:-1])} or {choices[-1]}, not {item!r}")
    return item
