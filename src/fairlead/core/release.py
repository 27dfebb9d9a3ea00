"""A release: what a run executes under, immutable and named by its content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from fairlead.core.baseline import Baseline
from fairlead.core.breaker import BreakerTerms
from fairlead.core.budget import Budget
from fairlead.core.calls import Effect
from fairlead.core.digests import Json, digest
from fairlead.core.flags import FlagTerms
from fairlead.core.intent import IntentPage
from fairlead.core.label import Integrity, Label
from fairlead.core.limits import SLO, Limits
from fairlead.core.mcp import McpPin, ServerTerms
from fairlead.core.memory_terms import MemoryTerms, RememberTerms
from fairlead.core.provenance import Provenance
from fairlead.core.rates import Rate


@dataclass(frozen=True, kw_only=True)
class ToolContract:
    """What a tool may do.

    Attributes:
        name: The tool's name.
        description: What it does, as the model reads it.
        effect: read, idempotent or once.
        scope: The right that a caller needs, such as `refunds:write`.
        targets: Arguments that name what is acted on.
        parameters: JSON schema of the arguments.
        key: Arguments that name the effect: under equal ones it happens once for a tenant, in
            whichever run; empty for the call's place in its run.
        compensate: The tool that undoes it; empty for none.
        reconcile: Whether a probe can find out if it happened.
        payload: Arguments that carry content to what is acted on.
        egress: Whether what it is given leaves the tenant, such as by mail.
        labels: Labels of its result by field; the empty path means all the rest. Without any, a
            result is untrusted and its tenant's.
        secrets: Names of the secrets that its body may read.
        mcp: What is pinned of a tool of an MCP server; None for a function of the app.
    """

    name: str
    description: str
    effect: Effect
    scope: str
    targets: tuple[str, ...]
    parameters: dict[str, Any]
    key: tuple[str, ...] = ()
    compensate: str = ""
    reconcile: bool = False
    payload: tuple[str, ...] = ()
    egress: bool = False
    labels: dict[str, Label] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    mcp: McpPin | None = None


@dataclass(frozen=True, kw_only=True)
class RecallTerms:
    """What a workflow retrieves.

    Attributes:
        collection: The collection that is searched.
        top_k: Most passages per question.
        min_score: Passages below this relevance (0.0 to 1.0) are left out.
        integrity: Whether what stands in the collection may be trusted.
    """

    collection: str
    top_k: int = 5
    min_score: float = 0.0
    integrity: Integrity = "untrusted"

    def __post_init__(self) -> None:
        if not self.collection:
            raise ValueError("collection must have a name")
        if not 1 <= self.top_k <= 100:
            raise ValueError("top_k must be from 1 to 100")
        if not 0.0 <= self.min_score <= 1.0:
            raise ValueError("min_score must be from 0.0 to 1.0")
        if self.integrity not in ("trusted", "untrusted"):
            raise ValueError("integrity must be trusted or untrusted")


@dataclass(frozen=True, kw_only=True)
class WorkflowTerms:
    """A workflow's operating terms, resolved: files over defaults in the decorator.

    Attributes:
        name: The workflow's name.
        intent: Its intent page.
        model: `provider:model`; empty for a workflow without a model.
        model_settings: Settings of the model, such as `temperature`.
        fallbacks: Models that are asked in this order when the one before fails and may pass.
        prompt: Text of the prompt file; empty when there is none.
        tools: Names of the tools that it may call.
        guardrails: Names of its guardrails, in order.
        recall: What it retrieves; None when it retrieves nothing.
        limits: Its bounds.
        slo: Its objective.
        input_schema: JSON schema of its input.
        output_schema: JSON schema of its output.
        queue: Which workers take its runs.
        retention_days: Days for which its finished runs are kept.
        enforced: Those of its guardrails that come with Fairlead and stop what fails.
        redacts: Kinds of personal data that are taken out of its input before it is recorded.
        remember: What it remembers and recalls; None for nothing.
        flags: Its flags by key.
    """

    name: str
    intent: IntentPage
    model: str
    prompt: str
    tools: tuple[str, ...]
    guardrails: tuple[str, ...]
    recall: RecallTerms | None
    limits: Limits
    slo: SLO
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    model_settings: dict[str, Any] = field(default_factory=dict)
    queue: str = "default"
    retention_days: int = 30
    fallbacks: tuple[str, ...] = ()
    redacts: tuple[str, ...] = ()
    enforced: tuple[str, ...] = ()
    remember: RememberTerms | None = None
    flags: dict[str, FlagTerms] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SignalRule:
    """A signal that must be emitted.

    Attributes:
        span: Name of the span's operation, such as `retrieval`.
        attributes: Attributes that each such span must carry.
        when: Kind of call that obliges to it (`run`, `model`, `tool`, `retrieval`).
    """

    span: str
    attributes: tuple[str, ...]
    when: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that a run reads of its release.

    Attributes:
        app: The app's name.
        code_digest: Digest of the Python files, the lock, the files that the code reads, Python's
            minor version and Fairlead's.
        bundle_digest: Digest of the configuration, prompts, policies, intents and evaluations.
        python: Python's minor version, such as `3.11`.
        fairlead: Fairlead's version.
        workflows: Terms by workflow.
        contracts: Contracts by tool.
        policies: Policy texts by path.
        telemetry: Signals that must be emitted, beside the platform's own.
        rates: Rates by `model:NAME` and `tool:NAME`.
        breaker: When breakers open, and for how long.
        budgets: What all runs together may use, and a run with its children.
        baseline: The platform's baseline that it was made with; None for none.
        shadow: Texts of policies that are only tried beside the others, by path.
        servers: MCP servers by name.
        memory: What it says of all its memory.
    """

    app: str
    code_digest: str
    bundle_digest: str
    python: str
    fairlead: str
    workflows: dict[str, WorkflowTerms]
    contracts: dict[str, ToolContract]
    policies: dict[str, str]
    telemetry: tuple[SignalRule, ...] = ()
    rates: dict[str, Rate] = field(default_factory=dict)
    breaker: BreakerTerms = field(default_factory=BreakerTerms)
    budgets: tuple[Budget, ...] = ()
    baseline: Baseline | None = None
    shadow: dict[str, str] = field(default_factory=dict)
    servers: dict[str, ServerTerms] = field(default_factory=dict)
    memory: MemoryTerms = field(default_factory=MemoryTerms)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A stored release.

    Attributes:
        digest: Digest of the manifest: its name.
        manifest: What runs read.
        created_at: Seconds since 1970, UTC.
        bad: True once it was rolled back.
        archive: Digest of the archive of its files; empty for none.
        provenance: Where it comes from; None when nobody knows.
        by: Whom a token named as the one who made it; empty when none did.
    """

    digest: str
    manifest: Manifest
    created_at: float
    bad: bool = False
    archive: str = ""
    provenance: Provenance | None = None
    by: str = ""

    @property
    def id(self) -> str:
        """The short name: the first 12 digits of the digest."""
        return self.digest[:12]


def diff_json(before: Json, after: Json, path: str = "") -> list[tuple[str, Json, Json]]:
    """List what differs between two JSON values.

    Args:
        before: The older value.
        after: The newer value.
        path: Where both stand; empty at the top.

    Returns:
        Path, old value and new value per difference; None where a side has nothing.
    """
    top = (path,) if path else ()
    return [(".".join((*top, *keys)), a, b) for keys, a, b in diff_keys(before, after)]


def diff_keys(before: Json, after: Json) -> Iterator[tuple[tuple[str, ...], Json, Json]]:
    """Yield what differs between two JSON values: the keys that lead there, the old and the new.

    Args:
        before: The older value.
        after: The newer value.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            for keys, old, new in diff_keys(before.get(key), after.get(key)):
                yield (str(key), *keys), old, new
    elif before != after:
        yield (), before, after


def manifest_json(manifest: Manifest) -> dict[str, Json]:
    """Return a manifest as JSON, times in seconds; equal manifests give equal JSON."""
    data: dict[str, Json] = _plain(asdict(manifest))
    return data


def manifest_digest(manifest: Manifest) -> str:
    """Return the digest that names a release."""
    return digest(manifest_json(manifest))


def _plain(value: Any) -> Json:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value
