"""Budgets and kill switches: FL-520 to FL-529."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.errors.denied import Denied


class BudgetExhausted(Denied):
    """A budget has not enough left for a call; nothing was executed."""

    code = "FL-520"
    hint = "See `fairlead budgets list`; wait for the next window, or raise the budget's limit."


class KillSwitchPulled(Denied):
    """An operator stopped what the call or the run needs; nothing was executed."""

    code = "FL-521"
    hint = "Ask who stopped it; see `fairlead kill list`, and lift it with `fairlead kill lift`."


class KillNotFound(FairleadError):
    """A kill switch that is to be lifted is not pulled."""

    code = "FL-522"
    hint = "See what is stopped with `fairlead kill list`."


class KillsFull(FairleadError):
    """So many kill switches are pulled that no further one is kept."""

    code = "FL-523"
    hint = "Stop the workflow or the app as a whole, or lift what is over."
