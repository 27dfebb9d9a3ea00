"""Replays of recorded runs: FL-910 to FL-919."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class ReplayOtherCode(FairleadError):
    """A candidate was made from other code than this process can import."""

    code = "FL-910"
    hint = "Replay it in a process of its own, or where its code is: in a checkout of its commit."


class ReplayUnsafe(FairleadError):
    """A replay was to execute a tool that changes something."""

    code = "FL-911"
    hint = "Only tools with effect `read` may be live; answer the others with `recorded` or `stub`."


class ReplayInvalid(FairleadError):
    """A replay was asked for with what it cannot do, or beyond its bounds."""

    code = "FL-912"
    hint = "See `fairlead replay --help` and docs/howto/replay-recorded-runs.md."


class ReplayUnpriced(FairleadError):
    """A bound in US dollars was given, and a model that would be asked has no known price."""

    code = "FL-913"
    hint = "Bound its turns with `--unpriced-calls N`, or use `--model recorded`."
