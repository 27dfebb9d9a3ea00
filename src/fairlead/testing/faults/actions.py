"""What a fault does when it strikes."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.ports.faults import HumanFault

Error: TypeAlias = Literal[
    "driver",
    "connection",
    "timeout",
    "bug",
    "locked",
    "full",
    "lost",
    "readonly",
    "corrupt",
    "unavailable",
    "busy",
]
"""Kinds of errors. In a call's body: `driver` (as its driver reports it), `connection`, `timeout`
or `bug`. In the store and the queue: `locked`, `full`, `lost`, `readonly` or `corrupt`. At the
exporter: `unavailable` (503) or `busy` (429)."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """SIGKILL to the own process."""

    do: ClassVar[str] = "kill"


@dataclass(frozen=True, kw_only=True)
class Stop:
    """SIGSTOP to the own process; it goes on when it gets SIGCONT."""

    do: ClassVar[str] = "stop"


@dataclass(frozen=True, kw_only=True)
class Exit:
    """End the own process at once, without any clean-up.

    Attributes:
        status: Its exit status.
    """

    do: ClassVar[str] = "exit"
    status: int = 1


@dataclass(frozen=True, kw_only=True)
class Fail:
    """Raise an error, or answer with one.

    Attributes:
        error: Its kind.
        reason: What it says.
        transient: For `driver`: whether another try may succeed.
        retry_after_s: For `driver` and `busy`: seconds that the other side asks to wait; None when
            it does not say.
        code: For `driver`: the error's code `FL-nnn`; empty for the call's own failure.
    """

    do: ClassVar[str] = "fail"
    error: Error = "driver"
    reason: str = "planned fault"
    transient: bool = False
    retry_after_s: float | None = None
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Delay:
    """Wait, then go on.

    Attributes:
        seconds: How long.
    """

    do: ClassVar[str] = "delay"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Hang:
    """Never go on, unless whoever waits gives up."""

    do: ClassVar[str] = "hang"


@dataclass(frozen=True, kw_only=True)
class Mutate:
    """Return another result than the body's: a tool that lies.

    Attributes:
        patch: A JSON merge patch (RFC 7396) of the result; None replaces it by `value`.
        value: The result.
    """

    do: ClassVar[str] = "mutate"
    patch: Json = None
    value: Json = None


@dataclass(frozen=True, kw_only=True)
class Lose:
    """Take a batch of telemetry, say thanks, and drop it."""

    do: ClassVar[str] = "lose"


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Put the clock wrong from this reading on.

    Attributes:
        seconds: How far; negative puts it back. Several skews add up.
    """

    do: ClassVar[str] = "skew"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Queue a claimed run a second time, while it is executed."""

    do: ClassVar[str] = "repeat"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Put something in place of a person's answer.

    Attributes:
        how: `deny`, `ignore` or `expire`.
    """

    do: ClassVar[str] = "answer"
    how: HumanFault


Action: TypeAlias = (
    Kill | Stop | Exit | Fail | Delay | Hang | Mutate | Lose | Skew | Repeat | Answer
)

_ACTIONS: dict[str, type[Any]] = {
    cls.do: cls for cls in (Kill, Stop, Exit, Fail, Delay, Hang, Mutate, Lose, Skew, Repeat, Answer)
}


def action_to_json(action: Action) -> dict[str, Json]:
    """Return an action as JSON, without what is left at its default."""
    stated = {
        field.name: getattr(action, field.name)
        for field in fields(action)
        if field.default is MISSING or getattr(action, field.name) != field.default
    }
    return {"do": action.do, **stated}


def action_from_json(data: dict[str, Json]) -> Action:
    """Rebuild an action.

    Raises:
        ValueError: It is no action, or one of its fields is unknown or missing.
    """
    cls = _ACTIONS.get(data.get("do", ""))
    if cls is None:
        raise ValueError(f"{data.get('do')!r} is no action; there are {', '.join(_ACTIONS)}")
    try:
        action: Action = cls(**{name: value for name, value in data.items() if name != "do"})
    except TypeError as error:
        raise ValueError(f"the action {data['do']}: {error}") from error
    return action


def merged(value: Json, patch: Json) -> Json:
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result
