"""What the boundary knows of a run, and what it uses inside a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.core.context import Context
from fairlead.core.release import ToolContract, WorkflowTerms
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.authorizer import Authorizer
from fairlead.ports.clock import Clock
from fairlead.ports.journal import Journal
from fairlead.ports.telemetry import Telemetry


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of one release, compiled once.

    Attributes:
        contracts: Contracts by tool.
        arguments: Compiled schemas of the tools' arguments.
        authorizer: The compiled policies.
    """

    contracts: Mapping[str, ToolContract]
    arguments: Mapping[str, SchemaCheck]
    authorizer: Authorizer


@dataclass(frozen=True, kw_only=True)
class RunScope:
    """A run as the boundary sees it.

    Attributes:
        context: The run, its release and its principal.
        terms: The terms that it is pinned to.
        rules: The rules of its release.
        lineage: Root of its lineage; the run itself unless it was forked.
        deadline: Seconds since 1970 after which nothing is executed any more.
    """

    context: Context
    terms: WorkflowTerms
    rules: Rules
    lineage: str
    deadline: float


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a run has used so far, from what is on record.

    Attributes:
        calls: Calls made.
        cost_usd: Money spent.
    """

    calls: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """What interceptors use inside a step."""

    journal: Journal
    clock: Clock
    telemetry: Telemetry
