"""Child runs: work that a run gives to another workflow, and waits for.

Giving it is a call of the parent. The child is a run of its own, pinned to the parent's release,
for the same principal; it shares the oldest ancestor's steps and money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.authoring.guardrail import redacts
from fairlead.authoring.run import Child
from fairlead.core.context import Context
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import ChildFailed, FamilyTooDeep
from fairlead.core.label import label_from_json
from fairlead.core.limits import INLINE_BYTES_MAX
from fairlead.core.outcome import NotSucceeded, Outcome
from fairlead.guardrails.content import SECRETS, redacted
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.boundary import Driven
from fairlead.ports.runs import Room, RunRecord
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.persist import persist
from fairlead.runtime.waiting import Awaited

GENERATIONS_MAX = 5
CHILD_WAIT_S = 30 * 86_400.0
"""Longest time that a parent waits for a child; the child's own limits end it long before."""


@dataclass(frozen=True, kw_only=True)
class Children:
    """The children of one run.

    Attributes:
        boundary: The parent's way out.
        parent: The parent.
    """

    boundary: Boundary
    parent: RunRecord

    async def all(self, children: Sequence[Child[Any]]) -> list[Any]:
        """Start children side by side, wait for all, and return their outputs in order.

        Raises:
            NotSucceeded: One of them did not succeed; the first in order.
        """
        # All are started before the first is waited for, and looked at in the order in which they
        # were asked for, whichever ends first: so the steps fall the same way on every replay.
        started = [await self._start(child) for child in children]
        ended = [await self._end(run_id) for run_id in started]
        for _, record in ended:
            outcome = record["outcome"] or {}
            label = label_from_json(outcome.get("label"))
            self.boundary.received(outcome.get("answer"), {"": label})
        return [_output(child, *end) for child, end in zip(children, ended, strict=True)]

    async def _start(self, child: Child[Any]) -> str:
        scope, services = self.boundary.scope, self.boundary.services
        name = child.workflow.name
        if scope.family.generation + 1 >= GENERATIONS_MAX:
            raise FamilyTooDeep(
                f"workflow {name} would be generation {scope.family.generation + 2} of run "
                f"{scope.family.root_id}; {GENERATIONS_MAX} are allowed",
                run=self.parent.id,
            )
        self.boundary.share()
        given = shape_of(child.workflow.input).dump(child.input, of=f"the caller of {name}")
        input = redacted(given, (*SECRETS, *redacts(getattr(child.workflow, "guardrails", ()))))[0]

        async def admit(_: Context) -> Driven:
            # Only in the call's own turn: other calls may be asked for before this one is made.
            number = self.boundary.next_number
            run = RunRecord(
                id=services.clock.id(),
                workflow=name,
                release=self.parent.release,
                code_digest=self.parent.code_digest,
                principal=self.parent.principal,
                purpose=self.parent.purpose,
                state="queued",
                input=input,
                created_at=services.clock.now(),
                queue=self.parent.queue,
                priority=self.parent.priority,
                environment=self.parent.environment,
                parent_id=self.parent.id,
                parent_call=number,
                root_id=scope.family.root_id,
                lineage=f"{scope.lineage}.{number}",
                label=self.boundary.flow.label_of(input),
            )
            admitted = await persist(services.clock, services.runs.admit, run, room=Room())
            return Driven(value=admitted.id)

        return str(await self.boundary.call("child", name, input, admit))

    async def _end(self, run_id: str) -> tuple[str, Json]:
        services = self.boundary.services
        async with self.boundary.turn("a child's end") as number:
            awaited = Awaited(
                run_id=self.parent.id,
                key=f"c{number}",
                kind="child",
                topic=run_id,
                within_s=CHILD_WAIT_S,
            )
            ended = await self.boundary.wait(awaited)
            if not ended.answered:
                raise ChildFailed(f"child {run_id} did not end in time", run=run_id)

            async def read() -> Json:
                run = await persist(services.clock, services.runs.get, run_id)
                record = {"state": run.state, "reason": run.reason, "outcome": run.outcome}
                if len(canonical_json(run.outcome).encode()) > INLINE_BYTES_MAX:
                    # The child's own record has it, and is kept as long as its parent's.
                    record |= {"outcome": None, "kept": True}
                return record

            record = dict(await self.boundary.engine.step(f"child {run_id}", read))
            if record.pop("kept", False):
                run = await persist(services.clock, services.runs.get, run_id)
                record["outcome"] = run.outcome
            return run_id, record


def _output(child: Child[Any], run_id: str, ended: Json) -> Any:
    outcome = ended["outcome"] or {}
    if ended["state"] != "succeeded":
        raise NotSucceeded(
            Outcome[Any](
                state=ended["state"],
                reason=f"child {run_id} of {child.workflow.name}: {ended['reason']}",
                code=outcome.get("code", ""),
            )
        )
    return shape_of(child.workflow.output).load(outcome.get("answer"))
