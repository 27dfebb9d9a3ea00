"""Kill switches: what an operator stopped, until it is lifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from fairlead.core.calls import Call, cut
from fairlead.core.digests import digest

KillScope: TypeAlias = Literal["app", "workflow", "release", "tool", "model", "tenant"]

KILLS_MAX = 1000
"""Most switches that are pulled at the same time: every worker holds all of them in memory."""

WHICH_CHARS_MAX = 200
"""Longest name of what is stopped."""

_CHAIN_CHARS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A switch that is pulled.

    Attributes:
        scope: What kind of thing is stopped.
        which: Its name; a release's whole digest.
        by: Who pulled it.
        reason: Why.
        at: When, in seconds since 1970.
    """

    scope: KillScope
    which: str
    by: str
    reason: str
    at: float

    @property
    def text(self) -> str:
        """What is stopped, by whom, since when and why."""
        since = f"{datetime.fromtimestamp(self.at, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
        which = self.which[:12] if self.scope == "release" else self.which
        return cut(f"{self.scope} {which} was stopped by {self.by} at {since}: {self.reason}")


Kills: TypeAlias = Mapping[tuple[str, str], Kill]
"""The switches that are pulled, by what they stop."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a run is, as switches name it.

    Attributes:
        app: Its app.
        workflow: Its workflow.
        release: Digest of its release.
        tenant: Its tenant.
    """

    app: str
    workflow: str
    release: str
    tenant: str


def stopping(kills: Kills, target: Target, call: Call | None = None) -> Kill | None:
    """Return the switch that stops a run's call, or a new run; None when there is none.

    Args:
        kills: The switches that are pulled.
        target: The run.
        call: The call; None for a run that is to begin.
    """
    names: list[tuple[str, str]] = [
        ("app", target.app),
        ("tenant", target.tenant),
        ("workflow", target.workflow),
        ("release", target.release),
    ]
    if call is not None and call.kind in ("tool", "model"):
        names.append((call.kind, call.name))
    elif call is not None and call.kind == "child":
        names.append(("workflow", call.name))
    return next((kills[name] for name in names if name in kills), None)


def kills_of(found: Iterable[Kill]) -> Kills:
    """Return switches by what they stop."""
    return {(kill.scope, kill.which): kill for kill in found}


def kill_chain(scope: str, which: str) -> str:
    """Return the chain of a switch's events; a long name is cut and stays apart by its digest."""
    full = f"kill:{scope}:{which}"
    if len(full) <= _CHAIN_CHARS_MAX:
        return full
    return f"{full[: _CHAIN_CHARS_MAX - 17]}-{digest(full)[:16]}"
