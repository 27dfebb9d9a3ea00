"""Reads the rules of an environment: a TOML file of the platform team, no part of any app."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from fairlead.core.environments import ApprovalRules, EnvironmentRules, Freeze
from fairlead.core.errors import InvalidConfig, InvalidEnvironment
from fairlead.delivery.tables import known, made, text_of

T = TypeVar("T")

_RULES = frozenset(("tier", "gates", "evidence_s", "approval", "freeze"))
_APPROVAL = frozenset(("role", "count", "four_eyes"))
_FREEZE = frozenset(("reason", "zone", "weekly", "from", "to"))


def read_environment(text: str, path: str) -> EnvironmentRules:
    """Read the rules of an environment.

    Args:
        text: The file's text.
        path: Its name, for messages.

    Raises:
        InvalidEnvironment: It is not understood.
    """
    try:
        read = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidEnvironment(f"{path} is no TOML: {error}", file=path) from error
    try:
        return _rules(read)
    except InvalidConfig as error:
        raise InvalidEnvironment(f"{path}: {error.message}", file=path) from error


def _rules(data: dict[str, Any]) -> EnvironmentRules:
    known(data, _RULES, "an environment", file="")
    values: dict[str, Any] = {}
    if "tier" in data:
        values["tier"] = text_of(data["tier"], "tier")
    if "gates" in data:
        gates = _kind(data["gates"], list, "gates", "a list of names")
        values["gates"] = tuple(text_of(one, "gates") for one in gates)
    if "evidence_s" in data:
        times = _kind(data["evidence_s"], dict, "evidence_s", "a table")
        values["evidence_s"] = {name: _seconds(value, name) for name, value in times.items()}
    if "approval" in data:
        table = _kind(data["approval"], dict, "approval", "a table")
        known(table, _APPROVAL, "approval", file="")
        _whole(table.get("count", 1))
        _kind(table.get("four_eyes", True), bool, "approval.four_eyes", "true or false")
        values["approval"] = made(ApprovalRules, table, "approval")
    if "freeze" in data:
        freezes = _kind(data["freeze"], list, "freeze", "a list of tables: [[freeze]]")
        values["freezes"] = tuple(_freeze(one) for one in freezes)
    return made(EnvironmentRules, values, "the environment")


def _freeze(data: Any) -> Freeze:
    known(data, _FREEZE, "a freeze", file="")
    values = {
        name: text_of(data[name], f"freeze.{name}")
        for name in ("reason", "zone", "weekly")
        if name in data
    }
    if "from" in data or "to" in data:
        values["begins"] = _moment(data.get("from"), "from")
        values["ends"] = _moment(data.get("to"), "to")
    freeze = made(Freeze, values, "freeze")
    try:
        ZoneInfo(freeze.zone)
    except (OSError, ValueError, LookupError) as error:
        raise InvalidConfig(f"freeze: there is no time zone {freeze.zone!r} here") from error
    return freeze


def _moment(value: Any, name: str) -> str:
    """Return a local date and time; a date alone counts whole, the last one too."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise InvalidConfig(f"freeze.{name} has a zone of its own: name it as `zone`")
        return value.isoformat()
    if not isinstance(value, date):
        raise InvalidConfig(f"freeze.{name} must be a date, or a date and time, not {value!r}")
    try:
        whole = value + timedelta(days=1) if name == "to" else value
    except OverflowError as error:
        raise InvalidConfig(f"freeze.{name} is no date that anybody lives to see") from error
    return datetime(whole.year, whole.month, whole.day).isoformat()  # noqa: DTZ001 - local


def _kind(value: Any, kind: type[T], where: str, what: str) -> T:
    if not isinstance(value, kind):
        raise InvalidConfig(f"{where} must be {what}, not {value!r}")
    return value


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidConfig(f"evidence_s.{name} must be a number of seconds, not {value!r}")
    return float(value)


def _whole(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidConfig(f"approval.count must be a whole number, not {value!r}")
