"""Delivery: FL-93x and FL-94x."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class RolloutOpen(FairleadError):
    """A rollout goes on in the environment, and only one can."""

    code = "FL-930"
    hint = "Look at it with `fairlead rollout status`; promote it, abort it or roll it back first."


class UnknownRollout(FairleadError):
    """No rollout of that name is on record, or none goes on."""

    code = "FL-931"
    hint = "List them with `fairlead rollout list`; start one with `fairlead rollout start`."


class RolloutEnded(FairleadError):
    """The rollout has ended, or is being aborted; abort wins over everything else."""

    code = "FL-932"
    hint = "Nothing was changed. `fairlead rollout status` says how it ended; start another one."


class RouteClosed(FairleadError):
    """Where new runs start changed while it was to be used, or to be changed by somebody else."""

    code = "FL-933"
    hint = "Nothing was changed. Look at `fairlead release list`, then ask again."


class InvalidRollout(FairleadError):
    """A rollout's file is not understood, or could prove nothing."""

    code = "FL-934"
    hint = "Correct what the message names; nothing was started."


class PromotionRefused(FairleadError):
    """A rollout does not wait for a person, or what it waits for needs an override."""

    code = "FL-935"
    hint = 'Wait for its verdict, or promote it with --override "why"; it is kept in the log.'


class RunPinned(FairleadError):
    """A run cannot be moved to another release without the danger of doing something twice."""

    code = "FL-936"
    hint = "Let it end on its release, or cancel it with `fairlead runs cancel`."


class FeedbackUnfit(FairleadError):
    """What was said of a run is neither good nor bad nor a number."""

    code = "FL-937"
    hint = "Say `good`, `bad` or a number, and give it a short name such as `helpful`."


class ReleaseActive(FairleadError):
    """The release is the active one already, so there is nothing to roll out."""

    code = "FL-938"
    hint = "Make another release with `fairlead release create`, and roll that out."


class RolledBackAlready(FairleadError):
    """A rollback was asked for, and what it was meant for gets no new runs any more."""

    code = "FL-975"
    hint = "Nothing was done. When the active one harms too, use `fairlead rollback --release ID`."


class OtherRollout(FairleadError):
    """An order names a rollout, and that is not the one that goes on."""

    code = "FL-978"
    hint = "Nothing was changed. Look at `fairlead rollout list`, and name the one that is meant."


class EnvironmentFrozen(FairleadError):
    """No release gets new traffic in the environment now."""

    code = "FL-940"
    hint = 'Wait until it is over, or use --override "why"; rollbacks and aborts are never frozen.'


class InvalidEnvironment(FairleadError):
    """The rules of an environment are not understood."""

    code = "FL-941"
    hint = "Correct what the message names; nothing was changed."


class UnknownGate(FairleadError):
    """No gate of that name can be run here."""

    code = "FL-942"
    hint = "`fairlead environment show` lists the gates that an environment requires."


class GateBroken(FairleadError):
    """The process in which a gate looked at a release ended without a word."""

    code = "FL-943"
    hint = "Look at what it said before; let the gate run again with `fairlead gate run`."


class GateTimedOut(FairleadError):
    """`fairlead check` took longer than it may, and was ended."""

    code = "FL-914"
    hint = "Find what hangs, such as an import or a guardrail; or give it more time: `--timeout`."


class LogTooLong(FairleadError):
    """The event log holds more runs in that time than one fold takes."""

    code = "FL-950"
    hint = "Ask for fewer days with --days."


class DrillImpossible(FairleadError):
    """A rollback cannot be drilled: a release, or what could be run on it, is not there."""

    code = "FL-951"
    hint = "Do what the message says; a drill needs two releases and a dataset of a workflow."


class DrillForeign(FairleadError):
    """A worker that executes no effects was started on a database that is no drill's."""

    code = "FL-952"
    hint = "Take the environment `rollback-drill` away; it is for `fairlead rollback --drill` only."
