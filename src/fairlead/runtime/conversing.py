"""What a run reads of its conversation, and what it says there.

The run reads as one journaled step, which names what is read: so a recovery, a replay and a fork
read the same, and the record of a turn does not grow with the turns before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.digests import Json
from fairlead.core.history import History, ToolUse, Turn, bounded, compact, turn_to_json, words_of
from fairlead.core.label import Label
from fairlead.core.limits import Limits
from fairlead.core.request import Request
from fairlead.ports.engine import Engine
from fairlead.ports.runs import RunRecord
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One run's part in a conversation; a run without one has an empty history.

    Attributes:
        history: What was said before.
        uses: What models called in this run so far, in order.
    """

    history: History = field(default_factory=History)
    uses: list[ToolUse] = field(default_factory=list)

    def said(self, request: Request, answer: Json, limits: Limits, label: Label) -> Json:
        """Return what a run has said, as it is kept.

        Args:
            request: The run's input.
            answer: Its output as JSON.
            limits: How much of it is kept.
            label: What is known of all that the run received.
        """
        uses = tuple(self.uses)
        turn = Turn(question=request.words, answer=words_of(answer), uses=uses, label=label)
        return turn_to_json(bounded(turn, limits))


async def join(engine: Engine, run: RunRecord, limits: Limits, services: Services) -> Thread:
    """Read what was said in a run's conversation.

    Args:
        engine: Journals what is read.
        run: The run.
        limits: How much it reads.
        services: Where it is kept.
    """
    if run.conversation is None:
        return Thread()
    clock, store = services.clock, services.conversations

    async def read() -> Json:
        chosen = await persist(clock, store.read, run.id, limits)
        return {"said": [*chosen.said], "dropped": chosen.dropped}

    record = await engine.step("history", read)
    turns = await persist(clock, store.said, record["said"])
    kept = compact(turns, limits)
    # A fork to another release may read less than its origin chose.
    dropped = record["dropped"] + len(turns) - len(kept)
    return Thread(history=History(turns=kept, dropped=dropped))
