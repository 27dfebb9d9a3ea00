"""Executes a run from its first step to its last, and again on recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fairlead.authoring.app import App
from fairlead.authoring.workflow import Workflow
from fairlead.core.calls import cut
from fairlead.core.context import Context
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    CodeMismatch,
    DeadlineExceeded,
    FairleadError,
    ReplayDiverged,
    ResultNotJson,
    WorkflowFailed,
)
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES, NotSucceeded, Outcome
from fairlead.core.release import Manifest, Release
from fairlead.guardrails.shapes import SchemaCheck, shape_of
from fairlead.ports.authorizer import PolicyCompiler
from fairlead.ports.boundary import current_boundary
from fairlead.ports.documents import DocumentStore
from fairlead.ports.engine import Engine
from fairlead.ports.events import EventLog
from fairlead.ports.generator import Generator
from fairlead.ports.releases import ReleaseStore
from fairlead.ports.runs import RunStore
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.persist import persist
from fairlead.runtime.pipeline import Path, outcome_of
from fairlead.runtime.run import DurableRun
from fairlead.runtime.scope import Rules, RunScope, Services


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What a worker keeps and reads."""

    runs: RunStore
    releases: ReleaseStore
    documents: DocumentStore
    events: EventLog


@dataclass(kw_only=True)
class Runner:
    """Executes runs of one app's code, each under the release that it is pinned to.

    Attributes:
        app: The app as this process imported it.
        code_digest: Digest of that code; a run of other code is refused.
        worker_id: The worker, for the record.
        stores: What it keeps and reads.
        services: What interceptors use inside a step.
        generator: The agent loop.
        compile: The policy compiler.
    """

    app: App
    code_digest: str
    worker_id: str
    stores: Stores
    services: Services
    generator: Generator
    compile: PolicyCompiler
    _releases: dict[str, tuple[Release, Rules]] = field(default_factory=dict)

    async def execute(self, engine: Engine, run_id: str, release: str) -> Json:
        """Execute a run; on recovery its recorded steps are read instead.

        Args:
            engine: The engine that executes this.
            run_id: The run.
            release: Digest of the release that it is pinned to.
        """
        clock, runs = self.services.clock, self.stores.runs

        async def begin() -> Json:
            return asdict(await persist(clock, runs.begin, run_id, self.worker_id))

        begun = await engine.step("begin", begin)
        if begun["state"] in FINAL_STATES:
            return None
        outcome, output = await self._body(engine, begun, release)
        data = {**asdict(outcome), "answer": output}
        try:
            canonical_json(data)
        except (TypeError, ValueError) as error:
            outcome = outcome_of(ResultNotJson(f"the outcome is not JSON: {error}"))
            data = asdict(outcome)

        async def finish() -> Json:
            ended = await persist(clock, runs.finish, run_id, outcome.state, data, outcome.reason)
            self.services.telemetry.run_finished(
                _context(begun),
                state=ended.state,
                started_at=begun["started_at"],
                finished_at=ended.finished_at or clock.now(),
            )
            return None

        try:
            await engine.step("finish", finish)
        except ReplayDiverged:
            # The record cannot be followed any further; the run must end all the same.
            await finish()
        return None

    async def _body(self, engine: Engine, begun: Json, release: str) -> tuple[Outcome[Any], Json]:
        """Execute the workflow's own code; whatever happens becomes an outcome."""
        try:
            workflow = self.app.workflow(begun["workflow"])
            path = self._path(engine, begun, release, workflow)
        except FairleadError as error:
            return outcome_of(error), None
        token = current_boundary.set(path.boundary)
        try:
            request = shape_of(workflow.input).load(begun["input"])
            run = DurableRun(path)
            value = await self._bounded(path, workflow.body(run, request))
            output = shape_of(workflow.output).dump(value, of=f"workflow {workflow.name}")
            return replace(run.evidence_of(value), state="succeeded", reason="", code=""), output
        except NotSucceeded as error:
            answer = error.outcome.answer
            shape = shape_of(workflow.output)
            dumped = None if answer is None else shape.dump(answer, of=workflow.name)
            return error.outcome, dumped
        except FairleadError as error:
            return outcome_of(error), None
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001
            # Whatever a workflow raises ends its run, and never the worker.
            reason = cut(f"{type(error).__name__}: {error}")
            failed = WorkflowFailed(f"workflow {workflow.name} raised {reason}")
            return outcome_of(failed), None
        finally:
            current_boundary.reset(token)
            await path.boundary.close()

    async def _bounded(self, path: Path, body: Awaitable[Any]) -> Any:
        """Wait for a workflow's own code, until the run's deadline.

        Raises:
            DeadlineExceeded: The code is still at work; the call that it makes is let end.
        """
        scope = path.boundary.scope
        left_s = max(scope.deadline - self.services.clock.now(), 0.0)
        bound = asyncio.timeout(left_s)
        try:
            async with bound:
                return await body
        except TimeoutError:
            if not bound.expired():
                raise
        wall_time = scope.terms.limits.wall_time
        raise DeadlineExceeded(f"the run is past its wall time of {wall_time}")

    def _path(
        self, engine: Engine, begun: Json, release: str, workflow: Workflow[Any, Any]
    ) -> Path:
        pinned, rules = self._release(release)
        terms = pinned.manifest.workflows[workflow.name]
        scope = RunScope(
            context=_context(begun),
            terms=terms,
            rules=rules,
            lineage=begun["id"],
            deadline=begun["started_at"] + terms.limits.wall_time.total_seconds(),
        )
        return Path(
            workflow=workflow,
            boundary=Boundary(scope, engine, self.services),
            engine=engine,
            documents=self.stores.documents,
            generator=self.generator,
            events=self.stores.events,
            clock=self.services.clock,
        )

    def _release(self, digest: str) -> tuple[Release, Rules]:
        known = self._releases.get(digest)
        if known is None:
            release = self.stores.releases.get(digest)
            if release.manifest.code_digest != self.code_digest:
                raise CodeMismatch(
                    f"release {release.id} was made from other code than this worker has",
                    release=digest,
                )
            known = release, rules_of(release.manifest, self.compile)
            self._releases[digest] = known
        return known


def rules_of(manifest: Manifest, compile: PolicyCompiler) -> Rules:
    """Compile a release's rules, once per worker."""
    arguments: Mapping[str, SchemaCheck] = {
        name: SchemaCheck(contract.parameters) for name, contract in manifest.contracts.items()
    }
    return Rules(
        contracts=manifest.contracts,
        arguments=arguments,
        authorizer=compile(manifest.policies),
    )


def _context(begun: Json) -> Context:
    return Context(
        run_id=begun["id"],
        workflow=begun["workflow"],
        release=begun["release"],
        principal=Principal(**begun["principal"]),
    )
