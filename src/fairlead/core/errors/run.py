"""Runs: FL-4xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class UnknownRun(FairleadError):
    """No run of that id is in the database."""

    code = "FL-400"
    hint = "List them with `fairlead runs list`."


class RunFinished(FairleadError):
    """The run has already ended."""

    code = "FL-401"
    hint = "Nothing to do; `fairlead runs show ID` tells how it ended."


class OutsideRun(FairleadError):
    """Something that only a run may do was done outside of one."""

    code = "FL-402"
    hint = "Start it as a run: put it in a workflow and use `fairlead run`."


class ReplayDiverged(FairleadError):
    """On recovery a run made another call than the one on record."""

    code = "FL-403"
    hint = "Make the workflow's own code deterministic; time, chance and I/O belong in calls."


class RunTimedOut(FairleadError):
    """A run did not end while the caller waited."""

    code = "FL-404"
    hint = "See `fairlead runs show ID`; is a worker running for its release?"


class EffectUnknown(FairleadError):
    """A tool with effect `once` may or may not have happened."""

    code = "FL-405"
    hint = "Find out in the tool's own system whether it happened, before anything is repeated."


class ResultNotJson(FairleadError):
    """A tool, a step or a workflow returned what JSON cannot hold."""

    code = "FL-406"
    hint = "Return plain data, a dataclass or a pydantic model."


class RunQuarantined(FairleadError):
    """A run was in flight at too many worker deaths and is not started again."""

    code = "FL-407"
    hint = "Look at its last call with `fairlead runs show ID`; start a new run when it is fixed."


class RunCancelled(FairleadError):
    """A run was cancelled."""

    code = "FL-408"
    hint = "Nothing to do; start a new run if it was a mistake."


class WorkflowFailed(FairleadError):
    """A workflow's own code raised an error."""

    code = "FL-409"
    hint = "Correct the workflow; its calls up to there are on record."
