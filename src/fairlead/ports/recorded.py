"""What was decided of calls, as it is on record: what other policies are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.digests import Json


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """A call that the policies were asked about, or could have been.

    Attributes:
        run_id: The run.
        release: Digest of its release.
        workflow: Its workflow.
        number: The call.
        kind: What was called.
        name: Name of the model, tool, collection or workflow.
        query: What the policies were asked, as JSON; None when it is not on record.
    """

    run_id: str
    release: str
    workflow: str
    number: int
    kind: str
    name: str
    query: Json


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A live call that the policies which are only tried would have decided otherwise.

    Attributes:
        run_id: The run.
        number: The call.
        kind: What was called.
        name: Name of what was called.
        enforced: What the policies said that are in force.
        shadow: What those said that are only tried.
        rules: Ids of the rules that say so.
        time: Seconds since 1970, UTC.
    """

    run_id: str
    number: int
    kind: str
    name: str
    enforced: str
    shadow: str
    rules: tuple[str, ...]
    time: float


class RecordedCalls(Protocol):
    """Reads what was decided."""

    def calls(self, app: str, runs: int) -> Sequence[RecordedCall]:
        """Return the calls of an app's newest runs that are kept, newest run first.

        Args:
            app: The app's name.
            runs: Most runs.
        """
        ...

    def differences(self, app: str, limit: int) -> Sequence[Difference]:
        """Return differences of an app's runs, newest first.

        Args:
            app: The app's name.
            limit: Most differences.
        """
        ...
