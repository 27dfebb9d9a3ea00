"""Flags in a replay of an app that has a provider of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fairlead.core.flags import FlagDetails
from fairlead.ports.flags import FlagQuery
from fairlead.runtime.replay.tape import Tape


@dataclass(frozen=True, kw_only=True)
class StageFlags:
    """Stands in for a provider of the app's own, which is somewhere else."""

    tape: Tape

    async def evaluate(self, query: FlagQuery) -> FlagDetails[Any]:
        """Ask nobody.

        Raises:
            Missed: Always: what the run was told is answered before it comes here.
        """
        why = f"flag {query.key} is not on record, and the app's own provider is not asked"
        self.tape.miss(why)
        raise AssertionError(why)
