"""Durable waits: a row, a place given up, and what ended it, recorded.

A wait is two journaled steps with a pause between them. The first opens the row, the second reads
how it ended. The pause itself is no step: whoever goes on with the run after a crash looks at the
row again, and finds it over or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import JournalForeign, LeaseLost
from fairlead.core.limits import INLINE_BYTES_MAX
from fairlead.ports.engine import Engine, Suspended
from fairlead.ports.faults import HumanFault, HumanMoment
from fairlead.ports.waits import Wait, WaitKind
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services
from fairlead.runtime.seats import Seat


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """What is waited for.

    Attributes:
        run_id: The run.
        key: The wait's name within the run; the same on every replay.
        kind: What can end it.
        topic: Which one.
        within_s: Seconds after which it is over unanswered.
        label: What it is for, in a fault plan's words; empty for the topic.
        open: Opens the row together with something else; None opens it alone.
    """

    run_id: str
    key: str
    kind: WaitKind
    topic: str
    within_s: float
    label: str = ""
    open: Callable[[], Wait] | None = None


async def wait_for(awaited: Awaited, engine: Engine, services: Services, seat: Seat) -> Wait:
    """Wait durably; return how the wait ended.

    Args:
        awaited: What is waited for.
        engine: Journals the two steps.
        services: Where waits are kept.
        seat: The place that is given up meanwhile.

    Raises:
        Suspended: This execution ends here, and the run goes on later.
    """
    clock, waits = services.clock, services.waits
    run_id, key = awaited.run_id, awaited.key

    async def strike(moment: HumanMoment) -> HumanFault | None:
        if awaited.kind != "approval":
            return None
        return await services.faults.human(moment, awaited.label or awaited.topic, run_id)

    async def begin() -> Json:
        if awaited.open is not None:
            await persist(clock, awaited.open)
            await strike("asked")
        else:
            await persist(
                clock,
                waits.open,
                run_id,
                key,
                awaited.kind,
                topic=awaited.topic,
                within_s=awaited.within_s,
            )
        return None

    async def end() -> Json:
        fault = await strike("answered")
        ended = _in_place(await persist(clock, waits.close, run_id, key), fault)
        await strike("resumed")
        record = asdict(ended)
        if len(canonical_json(ended.answer).encode()) > INLINE_BYTES_MAX:
            record |= {"answer": None, "kept": True}
        return record

    await engine.step(f"wait {key}", begin)
    # A fork has the steps of its origin and not its rows: what it read there is over.
    while (found := await persist(clock, waits.look, run_id, key)) and not found.over:
        await pause(run_id, key, services, seat)
    record = dict(await engine.step(f"answer {key}", end))
    kept = record.pop("kept", False)
    return await _whole(Wait(**record), services) if kept else Wait(**record)


async def _whole(ended: Wait, services: Services) -> Wait:
    """Return a wait with its answer, which its step only names.

    The wait says itself in whose record it stands: of a fork, in its origin's.
    """
    found = await persist(services.clock, services.waits.look, ended.run_id, ended.key)
    if found is None or not found.answered:
        raise JournalForeign(
            f"the answer to wait {ended.key} of run {ended.run_id} is not on record",
            run=ended.run_id,
        )
    return replace(ended, answer=found.answer)


def _in_place(ended: Wait, fault: HumanFault | None) -> Wait:
    """Return what a test's plan puts in place of a person's answer."""
    if fault is None:
        return ended
    if fault == "deny":
        return replace(ended, answered=True, answer={"approved": False, "by": "fault plan"})
    return replace(ended, answered=False, answer=None)


async def pause(run_id: str, key: str, services: Services, seat: Seat) -> None:
    """Give the run's place up until it has something to go on with.

    Args:
        run_id: The run.
        key: The wait.
        services: Where waits are kept.
        seat: The place.

    Raises:
        Suspended: This execution ends here.
    """
    seat.expect()
    try:
        parked = await persist(services.clock, services.dispatch.park, run_id, seat.fence, key)
    except LeaseLost as error:
        seat.stay()
        raise Suspended(str(error)) from error
    except BaseException:
        seat.stay()
        raise
    if parked:
        await seat.rest()
    else:
        seat.stay()
