"""A replay: what answers a recorded run's calls when it is executed again, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, TypeAlias, get_args

from fairlead.core.digests import Json

ToolMode: TypeAlias = Literal["recorded", "stub", "live"]
"""What answers a tool: the recording, a given value, or the tool itself (`read` tools only)."""

OnMiss: TypeAlias = Literal["fail", "live-read", "ask"]
"""What happens to a call that is not on record: the replay cannot be decided, a `read` tool or a
retrieval is executed, or somebody is asked for the answer."""

ModelMode: TypeAlias = Literal["recorded", "live"]
Verdict: TypeAlias = Literal["same", "changed", "diverged"]
"""`diverged` is undecidable: it never counts as passed."""

ON_MISS: tuple[OnMiss, ...] = get_args(OnMiss)
TOOL_MODES: tuple[ToolMode, ...] = get_args(ToolMode)
MODEL_MODES: tuple[ModelMode, ...] = get_args(ModelMode)

RUNS_MAX = 200
"""Most runs that are replayed unless more are asked for."""

RUNS_LIMIT = 10_000
"""Most runs that may be asked for."""

RUN_WALL_S = 30.0
"""Seconds that one replay may take unless more are allowed."""

WALL_S = 600.0
"""Seconds that all replays may take together unless more are allowed."""

COST_USD = 10.0
"""US dollars that live models may cost in all replays together unless more are allowed."""

UNPRICED_CALLS = 1000
"""Turns that live models without a known price may be asked for in all replays together, unless
more are allowed: no bound in US dollars can be kept for them."""

UNPRICED_CALLS_MAX = 1_000_000
"""Most such turns that may be allowed."""

DIFFERENCES_MAX = 20
"""Most differences that are kept of one run."""


@dataclass(frozen=True, kw_only=True)
class ToolPolicy:
    """What answers one tool.

    Attributes:
        mode: The recording, a stub, or the tool itself.
        value: What a stub returns, as JSON.
    """

    mode: ToolMode = "recorded"
    value: Json = None


@dataclass(frozen=True, kw_only=True)
class ReplayTerms:
    """How recorded runs are replayed.

    Attributes:
        tools: Policies by tool; what is not there answers from the recording.
        on_miss: What happens to a call that is not on record.
        model: Whether models answer from the recording; None decides by whether the candidate
            asks them otherwise: another prompt, model or setting, or other tools.
        run_wall_s: Seconds that one replay may take.
        wall_s: Seconds that all replays may take together; while somebody is asked, none pass.
        cost_usd: US dollars that live models may cost in all replays together; None for
            `COST_USD`. What a turn is expected to cost is held before it, so they go beyond it
            only by what turns cost more than was expected.
        unpriced_calls: Turns that live models without a known price may be asked for in all
            replays together; None for `UNPRICED_CALLS`, unless `cost_usd` is given: then such
            models are not asked.
    """

    tools: Mapping[str, ToolPolicy] = field(default_factory=dict)
    on_miss: OnMiss = "fail"
    model: ModelMode | None = None
    run_wall_s: float = RUN_WALL_S
    wall_s: float = WALL_S
    cost_usd: float | None = None
    unpriced_calls: int | None = None

    @property
    def most_usd(self) -> float:
        """US dollars that live models may cost."""
        return COST_USD if self.cost_usd is None else self.cost_usd

    @property
    def most_unpriced(self) -> int:
        """Turns of live models without a known price: no bound in money holds for them."""
        if self.unpriced_calls is not None:
            return self.unpriced_calls
        return UNPRICED_CALLS if self.cost_usd is None else 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """A call as two executions of a run are compared by.

    Attributes:
        kind: What was called.
        name: Name of what was called.
        arguments: Digest of what was asked; empty for a model.
        ended: done, denied, failed or unknown, and the code of what is not done.
        decided: What the policies said, with the rules; empty when they were not asked.
    """

    kind: str
    name: str
    arguments: str
    ended: str
    decided: str = ""

    @property
    def title(self) -> str:
        """The call in a few words."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a run did and came to, as two executions are compared by.

    Attributes:
        state: How it ended.
        code: The code of what ended it; empty for none.
        steps: Its calls, in order.
        sent: What it let out beside calls: signals and items of streams, in order.
        checks: Its verdicts, as words.
        output: Its output as JSON.
        cost_usd: What its calls cost.
    """

    state: str
    code: str = ""
    steps: tuple[Step, ...] = ()
    sent: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    output: Json = None
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing in which a replay differs from its recording.

    Attributes:
        what: outcome, output, call, decision, check, sent or cost.
        where: The call or the check; empty for the run as a whole.
        before: What is on record; empty for nothing.
        after: What the replay did; empty for nothing.
    """

    what: str
    where: str
    before: str
    after: str


def compare(before: Course, after: Course) -> tuple[Difference, ...]:
    """Return in what a replay differs from its recording, at most `DIFFERENCES_MAX` things.

    Args:
        before: The recorded run.
        after: Its replay.
    """
    found: list[Difference] = []
    ends = [f"{one.state} {one.code}".strip() for one in (before, after)]
    if ends[0] != ends[1]:
        found.append(Difference(what="outcome", where="", before=ends[0], after=ends[1]))
    if before.output != after.output:
        pair = [_brief(one.output) for one in (before, after)]
        found.append(Difference(what="output", where="", before=pair[0], after=pair[1]))
    found += _calls(before.steps, after.steps)
    found += _listed("check", before.checks, after.checks)
    found += _listed("sent", before.sent, after.sent)
    if abs(before.cost_usd - after.cost_usd) > 1e-9:
        costs = [f"{one.cost_usd:.6f} USD" for one in (before, after)]
        found.append(Difference(what="cost", where="", before=costs[0], after=costs[1]))
    return tuple(found[:DIFFERENCES_MAX])


def _calls(before: Sequence[Step], after: Sequence[Step]) -> list[Difference]:
    """Compare calls: those of one name stand opposite each other, whatever they asked."""
    if tuple(before) == tuple(after):
        return []
    titles = [[step.title for step in steps] for steps in (before, after)]
    found: list[Difference] = []
    matcher = SequenceMatcher(a=titles[0], b=titles[1], autojunk=False)
    for tag, old, old_end, new, new_end in matcher.get_opcodes():
        if tag == "equal":
            for one, other in zip(before[old:old_end], after[new:new_end], strict=True):
                found += _call(one, other)
            continue
        found += [
            Difference(what="call", where=one.title, before=one.ended, after="")
            for one in before[old:old_end]
        ]
        found += [
            Difference(what="call", where=one.title, before="", after=one.ended)
            for one in after[new:new_end]
        ]
    return found


def _call(before: Step, after: Step) -> list[Difference]:
    found = []
    if before.arguments != after.arguments:
        asked = [f"asked {one.arguments[:12]}" for one in (before, after)]
        found.append(("call", asked[0], asked[1]))
    if before.ended != after.ended:
        found.append(("call", before.ended, after.ended))
    if before.decided != after.decided:
        found.append(("decision", before.decided, after.decided))
    return [
        Difference(what=what, where=before.title, before=old, after=new) for what, old, new in found
    ]


def _listed(what: str, before: Sequence[str], after: Sequence[str]) -> list[Difference]:
    if tuple(before) == tuple(after):
        return []
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        Difference(what=what, where="", before="; ".join(before[a:b]), after="; ".join(after[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]


def _brief(value: Json) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
