"""What the boundary knows of a run, and what it uses inside a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fairlead.authoring.guardrail import Guardrail
from fairlead.core.breaker import BreakerTerms
from fairlead.core.budget import Budget
from fairlead.core.calls import Call, CallKind, Done, Failed, Refused, Result
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import LoopDetected
from fairlead.core.label import label_from_json
from fairlead.core.limits import Limits
from fairlead.core.loops import Trace, remembered, trace_of
from fairlead.core.mcp import ServerTerms
from fairlead.core.memory_terms import MemoryTerms
from fairlead.core.rates import DEFAULT_RATE, Rate
from fairlead.core.release import ToolContract, WorkflowTerms
from fairlead.guardrails.decide import Bundle
from fairlead.guardrails.labels import Flow
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.approvals import ApprovalStore
from fairlead.ports.budgets import BudgetStore
from fairlead.ports.clock import Clock
from fairlead.ports.conversations import ConversationStore
from fairlead.ports.dispatch import DispatchStore
from fairlead.ports.effects import EffectsLedger
from fairlead.ports.embedder import Embedder
from fairlead.ports.faults import NO_FAULTS, Faults
from fairlead.ports.flags import NO_FLAGS, FlagSource
from fairlead.ports.journal import Journal
from fairlead.ports.mcp import NO_MCP, McpClient
from fairlead.ports.memory import MemoryStore
from fairlead.ports.prices import Prices
from fairlead.ports.recordings import Answers
from fairlead.ports.runs import RunStore
from fairlead.ports.secrets import NO_SECRETS, SecretSource
from fairlead.ports.streams import StreamStore
from fairlead.ports.telemetry import Telemetry
from fairlead.ports.throttle import Throttle
from fairlead.ports.waits import WaitStore
from fairlead.runtime.seats import Seat
from fairlead.runtime.switches import Switches


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of one release, compiled once.

    Attributes:
        bundle: The compiled policies, with the contracts that they speak of.
        arguments: Compiled schemas of the tools' arguments.
        rates: Rates by `model:NAME` and `tool:NAME`; what is not there has the default rate.
        breaker: When breakers open, and for how long.
        app: The app.
        budgets: What all runs together may use.
        shadow: The bundle with the policies that are only tried; None for none.
        servers: MCP servers by name.
        memory: What the release says of its memory.
    """

    bundle: Bundle
    arguments: Mapping[str, SchemaCheck]
    rates: Mapping[str, Rate] = field(default_factory=dict)
    breaker: BreakerTerms = field(default_factory=BreakerTerms)
    app: str = ""
    budgets: tuple[Budget, ...] = ()
    shadow: Bundle | None = None
    servers: Mapping[str, ServerTerms] = field(default_factory=dict)
    memory: MemoryTerms = field(default_factory=MemoryTerms)

    @property
    def contracts(self) -> Mapping[str, ToolContract]:
        """Contracts by tool."""
        return self.bundle.contracts

    def rate_of(self, kind: CallKind, name: str) -> Rate:
        """Return the rate of a model or a tool."""
        return self.rates.get(f"{kind}:{name}", DEFAULT_RATE)


Probe: TypeAlias = Callable[[Context, dict[str, Json]], Awaitable[list[Json]]]
"""Asks outside whether an effect happened: its result in a list of one, or an empty list."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A run with all its children and theirs.

    Attributes:
        root_id: The oldest of them.
        limits: The oldest one's limits, which all share.
        generation: How many parents the run has.
        derived: Whether the oldest makes more of what another run remembered.
    """

    root_id: str
    limits: Limits
    generation: int = 0
    derived: bool = False


@dataclass(frozen=True, kw_only=True)
class RunScope:
    """A run as the boundary sees it.

    Attributes:
        context: The run, its release and its principal.
        terms: The terms that it is pinned to.
        rules: The rules of its release.
        lineage: Root of its lineage; the run itself unless it was forked.
        family: What the run shares with its children, or with its parent.
        seat: Its execution's place with a worker.
        probes: Reconcile probes by tool: each finds out whether its effect happened.
        rails: The workflow's guardrails of the stage `tool`.
    """

    context: Context
    terms: WorkflowTerms
    rules: Rules
    lineage: str
    family: Family
    seat: Seat
    probes: Mapping[str, Probe] = field(default_factory=dict)
    rails: tuple[Guardrail[Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a run has used so far, from what is on record.

    Attributes:
        calls: Calls made.
        cost_usd: Money spent.
        recent: The latest tool calls, oldest first, as many as the loop guard looks at.
        stopped: The refusal that stopped the run for good; None while it may go on.
        flow: What the run has received, with its labels.
        tools: The tools that it has called.
    """

    calls: int = 0
    cost_usd: float = 0.0
    recent: tuple[Trace, ...] = ()
    stopped: Refused | None = None
    flow: Flow = field(default_factory=Flow)
    tools: frozenset[str] = frozenset()

    def after(self, call: Call, result: Result, *, repeats: int) -> Tally:
        """Return the tally with one call more.

        Args:
            call: The call.
            result: How it came back, as it is on record.
            repeats: How often the same tool call may come in a row.
        """
        recent, stopped = self.recent, self.stopped
        if isinstance(result, Refused) and result.code == LoopDetected.code:
            stopped = result
        elif call.kind == "tool":
            recent = (*recent, trace_of(call, result))[-remembered(repeats) :]
        spent, flow, tools = 0.0, self.flow, self.tools
        if isinstance(result, Done):
            spent = result.usage.cost_usd
            # A record of an older version says nothing of labels: then the strictest holds.
            labels = result.labels or {"": label_from_json(None)}
            flow = flow.received(result.value, labels)
        elif isinstance(result, Failed) and result.labels:
            # The run's code gets the error, and whoever was called may have written what it says.
            flow = flow.received(result.reason, result.labels)
        if call.kind == "tool":
            tools |= {call.name}
        return replace(
            self,
            calls=self.calls + 1,
            cost_usd=self.cost_usd + spent,
            recent=recent,
            stopped=stopped,
            flow=flow,
            tools=tools,
        )


@dataclass(frozen=True, kw_only=True)
class MemoryAccess:
    """The way to what is remembered.

    Attributes:
        store: Where it is kept.
        embedder: Returns the embedding model of an id, with its guard; None for no model.
        on_trial: Says whether what a release remembers is still kept apart.
    """

    store: MemoryStore
    embedder: Callable[[str], Embedder | None]
    on_trial: Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Services:
    """What interceptors, durable waits and drivers use.

    `faults` are those that a test plans; `answers` stand in the place of all that is called, in a
    replay.
    """

    journal: Journal
    effects: EffectsLedger
    approvals: ApprovalStore
    waits: WaitStore
    dispatch: DispatchStore
    runs: RunStore
    conversations: ConversationStore
    streams: StreamStore
    clock: Clock
    telemetry: Telemetry
    throttle: Throttle
    budgets: BudgetStore
    prices: Prices
    switches: Switches
    memory: MemoryAccess
    faults: Faults = NO_FAULTS
    secrets: SecretSource = NO_SECRETS
    mcp: McpClient = NO_MCP
    flags: FlagSource = NO_FLAGS
    answers: Answers | None = None
