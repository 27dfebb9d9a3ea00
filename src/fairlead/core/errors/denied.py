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


class LoopDetected(Denied):
    """A run made the same tool calls with the same results again and again."""

    code = "FL-506"
    hint = (
        "Look at the tool's result with `fairlead runs show ID`; raise limits.repeats if the "
        "repeats are meant."
    )


class ApprovalDenied(Denied):
    """A person said no to a call."""

    code = "FL-507"
    hint = "Read the person's reason; nothing was executed."


class ApprovalExpired(Denied):
    """Nobody answered in time whether a call may be made."""

    code = "FL-508"
    hint = "Look at `fairlead approvals list` more often, or give `within` more time."


class ToolBlocked(Denied):
    """A guardrail refused a tool call before anything was executed."""

    code = "FL-631"
    hint = "See the verdict with `fairlead runs show ID`; change the arguments or the guardrail."


class ApprovalVoid(Denied):
    """What a person agreed to is not what would be executed."""

    code = "FL-509"
    hint = "Ask again: arguments, policies or release changed after the person was asked."
