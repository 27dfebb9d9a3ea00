"""The one way into the record: what is handed to a store passes here, and leaves secrets behind.

A store is wrapped where it is made. So a value that reaches a table has passed, whichever part of
the house wrote it, and a store that is added later is covered by the same line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from fairlead.core.calls import cut, uncut
from fairlead.core.digests import Json
from fairlead.guardrails.content import SECRETS, redacted
from fairlead.ports.engine import Engine

StoreT = TypeVar("StoreT")

_MANY = 16
_PLAIN = frozenset((type(None), bool, int, float, bytes))
_JSON_SIGNS = ("{", "[", "\\")


def recordable(value: Any) -> Any:
    """Return a value without secrets: JSON, a text, or a frozen value that holds such.

    What nothing was found in is returned as the same object.
    """
    if isinstance(value, str | dict):
        return redacted(value, SECRETS)[0]
    if isinstance(value, list | tuple):
        if len(value) >= _MANY and _clean(value):
            return value
        items = [recordable(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return tuple(items) if isinstance(value, tuple) else items
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for one in fields(value):
        if one.init:
            old = getattr(value, one.name)
            new = recordable(old)
            if new is not old:
                changed[one.name] = new
    return replace(value, **changed) if changed else value


def _clean(values: Sequence[Any]) -> bool:
    """Say whether many values surely hold no secret, by one look at all of their texts together.

    False says nothing. A text that may be JSON is looked at by itself, for what its names say.
    """
    texts: list[str] = []
    seen: set[int] = set()
    for value in values:
        if not _gather(value, texts, seen):
            return False
    joined = "\n".join(dict.fromkeys(texts))
    if any(sign in joined for sign in _JSON_SIGNS):
        return False
    return redacted(joined, SECRETS)[0] is joined


def _gather(value: Any, texts: list[str], seen: set[int]) -> bool:
    """Gather the texts of a value; False when it holds an object, whose names count."""
    kind: Any = type(value)
    if kind is str:
        texts.append(value)
    elif kind in _PLAIN or id(value) in seen:
        return True
    elif isinstance(value, list | tuple):
        seen.add(id(value))
        return all(_gather(item, texts, seen) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        seen.add(id(value))
        for name in _names(kind):
            part = getattr(value, name)
            # By far the most of all: told apart before anything else is asked of it.
            if type(part) is str:
                texts.append(part)
            elif type(part) not in _PLAIN and not _gather(part, texts, seen):
                return False
    else:
        # An object's names count, and of anything else nothing is known.
        return False
    return True


@lru_cache(maxsize=256)
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(cls) if one.init)


def told(text: str) -> str:
    """Return a reason as it may be told and kept: without secrets, and then cut.

    Args:
        text: What somebody says who may quote anything.
    """
    return cut(recordable(uncut(text)))


def redacting(store: StoreT) -> StoreT:
    """Return a store whose methods get their arguments without secrets."""
    return cast(StoreT, _Redacting(store))


class _Redacting:
    """Another object; what its methods are given is redacted first."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        made = self._made.get(name)
        if made is not None:
            return made
        found = getattr(self._inner, name)
        if name.startswith("_") or not callable(found):
            return found

        @wraps(found)
        def redacted_first(*args: Any, **kwargs: Any) -> Any:
            given = {key: recordable(value) for key, value in kwargs.items()}
            return found(*map(recordable, args), **given)

        self._made[name] = redacted_first
        return redacted_first


class RedactingEngine:
    """An engine that records of each step what the stores record: no secrets.

    The run goes on with what is recorded, so that a replay reads what the run saw.
    """

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine.

        Args:
            engine: The engine that executes the run.
        """
        self._engine = engine

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as exactly one journaled step, or return what is on record."""

        async def recorded() -> Json:
            return recordable(await body())

        return await self._engine.step(recordable(name), recorded)
