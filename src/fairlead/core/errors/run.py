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


class RetriedAlready(FairleadError):
    """The run was retried, and the retry has not failed."""

    code = "FL-979"
    hint = "Nothing was done: two retries would do the same work twice. Look at the one there is."


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


class LeaseLost(FairleadError):
    """A worker acted for a run that another worker has taken over, or that was stopped."""

    code = "FL-410"
    hint = "Nothing to do: the run goes on elsewhere; see `fairlead events list --chain run:ID`."


class StartKeyReused(FairleadError):
    """A start key was used again with another workflow's input."""

    code = "FL-411"
    hint = "Use a new key for a new request; the message names the run that has this one."


class QueueFull(FairleadError):
    """Too many runs wait for a worker."""

    code = "FL-412"
    hint = "Start more workers or try again later; the bound is the setting `worker.backlog`."


class InboxFull(FairleadError):
    """Too many signals wait for a run that takes none of them."""

    code = "FL-413"
    hint = "See with `fairlead runs show ID` what the run waits for; correct the signal's name."


class WaitExpired(FairleadError):
    """A run waited for a signal, and none came in time."""

    code = "FL-414"
    hint = "Find out why the sender did not send; a longer `within` gives it more time."


class ChildFailed(FairleadError):
    """A child run did not succeed."""

    code = "FL-415"
    hint = "See the child with `fairlead runs show ID`."


class FamilyTooDeep(FairleadError):
    """Children of children of children went too far."""

    code = "FL-416"
    hint = "Look for a workflow that starts itself; five generations are allowed."


class UnknownApproval(FairleadError):
    """No approval of that id is in the database."""

    code = "FL-417"
    hint = "List them with `fairlead approvals list`."


class ApprovalClosed(FairleadError):
    """An approval was answered already, has expired, or its run has ended."""

    code = "FL-418"
    hint = "Nothing to do; `fairlead approvals list --state all` tells how it ended."


class UnknownEffectKey(FairleadError):
    """No effect of that key is in the ledger."""

    code = "FL-419"
    hint = "List them with `fairlead effects list`."


class EffectSettled(FairleadError):
    """An effect is not in the state `unknown`, so there is nothing to resolve."""

    code = "FL-420"
    hint = "See the ledger with `fairlead effects list --state all`."


class ClockSkewed(FairleadError):
    """This machine's clock and the database's differ too much for leases and rollouts."""

    code = "FL-421"
    hint = "Set the clock by NTP; until then it takes no runs over and carries no rollout on."


class WorkerIdTaken(FairleadError):
    """Another worker lives under this id."""

    code = "FL-422"
    hint = "Give each worker an id of its own, or leave the id away: then it is made anew."


class WorkerStalled(FairleadError):
    """A worker's runs made no progress although its process lives."""

    code = "FL-423"
    hint = "Find the tool that blocks the event loop; put blocking work into `asyncio.to_thread`."


class KeyReused(FairleadError):
    """A business key stands in the ledger with other arguments."""

    code = "FL-424"
    hint = "Name more arguments in the tool's `key`, so that other requests have other keys."


class JournalForeign(FairleadError):
    """What is on record for a run is no JSON of ours."""

    code = "FL-425"
    hint = "The run is stopped and others go on; restore its rows from a backup, or start it anew."


class ConversationBusy(FairleadError):
    """Too many turns of a conversation wait for the one that is being answered."""

    code = "FL-426"
    hint = "Ask again later; `fairlead conversations show ID` tells what the thread waits for."


class ConversationForeign(FairleadError):
    """A conversation belongs to another user."""

    code = "FL-427"
    hint = "Begin a conversation of your own, under another id."


class UnknownConversation(FairleadError):
    """The tenant has no conversation of that id."""

    code = "FL-428"
    hint = "List them with `fairlead conversations list`."


class RunPruned(FairleadError):
    """A run's record was removed, so that nothing can go on from it."""

    code = "FL-430"
    hint = "Start a new run; `fairlead events list --chain run:ID` says who pruned it and why."


class ResultTooLarge(FairleadError):
    """A tool, a step or a workflow returned more than can be kept."""

    code = "FL-431"
    hint = "Put the data where it belongs, such as a file or a bucket, and return its name."
