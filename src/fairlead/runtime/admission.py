"""Admission: a request becomes a run, pinned to the release that is active now."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import InvalidInput, RunTimedOut, UnknownWorkflow
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Release
from fairlead.guardrails.shapes import require
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.runs import RunRecord, RunStore

INPUT_BYTES_MAX = 1_000_000
"""Largest input of a run, as JSON text."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Accepts requests.

    Attributes:
        runs: Where runs are kept.
        queue: Where they wait for a worker.
        clock: Time and ids.
    """

    runs: RunStore
    queue: RunQueue
    clock: Clock

    def start(
        self,
        release: Release,
        workflow: str,
        input: Json,
        *,
        principal: Principal,
        purpose: str = "user",
    ) -> RunRecord:
        """Accept a request: it is recorded and queued, or nothing is.

        Args:
            release: What the run is pinned to, for its whole life.
            workflow: The workflow's name.
            input: The input as JSON.
            principal: Who asks.
            purpose: `user` for real traffic, `gate` for a gate's evaluation.

        Raises:
            UnknownWorkflow: The release has no such workflow.
            InvalidInput: The input does not fit the workflow's schema, or is too large.
        """
        terms = release.manifest.workflows.get(workflow)
        if terms is None:
            names = ", ".join(release.manifest.workflows) or "none"
            raise UnknownWorkflow(
                f"release {release.id} has no workflow {workflow!r}; it has: {names}",
                workflow=workflow,
            )
        try:
            size = len(canonical_json(input))
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the input is not JSON: {error}") from error
        if size > INPUT_BYTES_MAX:
            raise InvalidInput(f"the input is larger than {INPUT_BYTES_MAX} characters")
        require(terms.input_schema, input, InvalidInput, f"the input of {workflow}")
        code = release.manifest.code_digest
        run = RunRecord(
            id=self.clock.id(),
            workflow=workflow,
            release=release.digest,
            code_digest=code,
            principal=principal,
            purpose=purpose,
            state="queued",
            input=input,
            created_at=self.clock.now(),
        )

        def enqueue(transaction: Any) -> None:
            self.queue.enqueue(transaction, run.id, release.digest, code)

        self.runs.admit(run, enqueue)
        return run

    async def wait(self, run_id: str, timeout_s: float) -> RunRecord:
        """Wait until a run has ended.

        Args:
            run_id: The run.
            timeout_s: Most seconds to wait; the run itself goes on.

        Raises:
            RunTimedOut: It has not ended by then.
        """
        until = time.monotonic() + timeout_s
        while True:
            run = await asyncio.to_thread(self.runs.get, run_id)
            if run.state in FINAL_STATES:
                return run
            if time.monotonic() > until:
                raise RunTimedOut(
                    f"run {run_id} is still {run.state} after {timeout_s:g} s", run=run_id
                )
            await self.clock.pause(0.02)

    def cancel(self, run_id: str, *, by: str, reason: str) -> RunRecord:
        """Cancel a run: it makes no further call.

        Args:
            run_id: Its id or a prefix.
            by: Who cancels.
            reason: Why.

        Raises:
            RunFinished: It has ended already.
        """
        run = self.runs.get(run_id)
        ended = self.runs.cancel(run.id, by, reason)
        self.queue.cancel(run.id)
        return ended
