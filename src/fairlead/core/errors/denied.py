"""Calls that were denied: FL-5xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class Denied(FairleadError):
    """A call was denied by policy."""

    code = "FL-500"
    hint = "See the reasons; change the policy in `policies/` or the call."


class ContractMissing(Denied):
    """A tool without a contract was called."""

    code = "FL-501"
    hint = "Declare it with @fl.tool and list it in the workflow's tools."


class ArgumentsInvalid(Denied):
    """A call's arguments do not fit the schema."""

    code = "FL-502"
    hint = "Correct the arguments that the message names."


class StepsExceeded(Denied):
    """A run made as many calls as its limit allows."""

    code = "FL-503"
    hint = "Look for a loop with `fairlead runs show ID`; raise limits.steps if it is none."


class CostExceeded(Denied):
    """A run spent as much as its limit allows."""

    code = "FL-504"
    hint = (
        "Look at the costs with `fairlead runs show ID`; raise limits.cost_usd if they are right."
    )


class DeadlineExceeded(Denied):
    """A run took as long as its limit allows."""

    code = "FL-505"
    hint = (
        "Find the slow call with `fairlead runs show ID`; raise limits.wall_time_s if it is right."
    )
