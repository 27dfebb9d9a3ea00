"""Recordings: all that is on record of a run that has ended, as its replay answers from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.calls import Call, Result
from fairlead.core.digests import Json
from fairlead.core.history import Turn
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord
from fairlead.ports.waits import Wait


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which runs are chosen.

    Attributes:
        app: Runs of this app.
        workflow: Runs of this workflow; empty for all.
        most: Most runs, the newest ones.
        apart_from: Digest of a release whose runs are left out; empty for none.
        tenant: Only runs of this tenant; None for all.
    """

    app: str
    workflow: str = ""
    most: int = 200
    apart_from: str = ""
    tenant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What is on record of a run.

    Attributes:
        run: The run.
        calls: Its calls, in order.
        decisions: What the policies said of each call, with the rules, by the call's number.
        waits: Its waits, in the order in which they were opened.
        steps: What it got that is no call, in order: times, random values, flags, what it read of
            its conversation, and what it let out.
        history: What it read of its conversation, by name.
        family: Its ancestors and its children, by id.
        unusable: Why it cannot be replayed; empty when it can.
    """

    run: RunRecord
    calls: tuple[CallRecord, ...] = ()
    decisions: Mapping[int, str] = field(default_factory=dict)
    waits: tuple[Wait, ...] = ()
    steps: tuple[tuple[str, Json], ...] = ()
    history: Mapping[str, Turn] = field(default_factory=dict)
    family: Mapping[str, RunRecord] = field(default_factory=dict)
    unusable: str = ""


class Recordings(Protocol):
    """Reads recordings; writes nothing."""

    def choose(self, choice: Choice) -> Sequence[str]:
        """Return the ids of the newest runs that ended by themselves and are kept, newest first."""
        ...

    def load(self, run_ids: Sequence[str]) -> Sequence[Recording]:
        """Return recordings, in the order of the ids; one that cannot be used says why.

        Args:
            run_ids: Whole ids of runs.

        Raises:
            UnknownRun: There is no such run.
        """
        ...


class Answers(Protocol):
    """Answers calls in the place of whatever they call; only a replay has one."""

    async def of(self, call: Call, *, undoing: bool) -> Result | None:
        """Return how a call came back; None lets it be executed.

        Args:
            call: The call.
            undoing: Whether it undoes another one, or hands on what the run did.

        Raises:
            Suspended: It is not on record, and so the replay cannot be decided.
        """
        ...

    async def hold(self, call: Call, cost_usd: float | None) -> None:
        """Hold what a model's turn is expected to cost that is really asked; each try anew.

        Args:
            call: The turn.
            cost_usd: US dollars at most; None when no price is known.

        Raises:
            Suspended: So much is not left, and so the replay cannot be decided.
        """
        ...

    def stumbled(self, call: Call, *, charged: bool) -> None:
        """Settle a try that failed, and that may be made again.

        Args:
            call: The call.
            charged: Whether the provider may have worked for it.
        """
        ...
