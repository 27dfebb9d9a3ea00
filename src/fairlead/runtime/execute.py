"""Executes a run from its first step to its last, and again on recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fairlead.authoring.app import App
from fairlead.authoring.workflow import Workflow
from fairlead.core.context import Context
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    CodeMismatch,
    DeadlineExceeded,
    FairleadError,
    JournalForeign,
    LeaseLost,
    ReplayDiverged,
    ResultNotJson,
    ResultTooLarge,
    WorkflowFailed,
)
from fairlead.core.history import turn_to_json
from fairlead.core.label import Label, label_from_json, label_to_json, own_label
from fairlead.core.limits import RESULT_BYTES_MAX
from fairlead.core.outcome import FINAL_STATES, NotSucceeded, Outcome
from fairlead.core.release import Manifest, Release
from fairlead.guardrails.baseline import bundle_of, under
from fairlead.guardrails.decide import Bundle
from fairlead.guardrails.shapes import SchemaCheck, shape_of
from fairlead.ports.authorizer import PolicyCompiler
from fairlead.ports.boundary import current_boundary
from fairlead.ports.dispatch import Fence
from fairlead.ports.documents import DocumentStore
from fairlead.ports.engine import Engine, Suspended
from fairlead.ports.events import EventLog
from fairlead.ports.generator import Generator
from fairlead.ports.releases import ReleaseStore
from fairlead.ports.runs import Ending, RunRecord, RunStore
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.children import Children
from fairlead.runtime.conversing import join
from fairlead.runtime.deriving import derive, is_derivation
from fairlead.runtime.flags import Flags
from fairlead.runtime.memory import DurableMemory
from fairlead.runtime.persist import persist
from fairlead.runtime.pipeline import Path, outcome_of
from fairlead.runtime.redacting import RedactingEngine, told
from fairlead.runtime.run import DurableRun
from fairlead.runtime.saga import compensate
from fairlead.runtime.scope import Family, Rules, RunScope, Services
from fairlead.runtime.screening import tool_rails
from fairlead.runtime.seats import Places, Seat
from fairlead.runtime.tools import probe_of
from fairlead.runtime.verdicts import Verdicts


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What a worker keeps and reads."""

    runs: RunStore
    releases: ReleaseStore
    documents: DocumentStore
    events: EventLog


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """How a body ended, its output as JSON, what it said in its conversation, and its label."""

    outcome: Outcome[Any]
    output: Json = None
    said: Json = None
    label: Label = field(default_factory=lambda: label_from_json(None))


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
        seats: The worker's places.
    """

    app: App
    code_digest: str
    worker_id: str
    stores: Stores
    services: Services
    generator: Generator
    compile: PolicyCompiler
    seats: Places
    _releases: dict[str, tuple[Release, Rules]] = field(default_factory=dict)

    async def execute(self, engine: Engine, run_id: str) -> Json:
        """Execute a run; on recovery its recorded steps are read instead.

        Args:
            engine: The engine that executes this.
            run_id: The run.

        Raises:
            Suspended: This execution ends here, and the run goes on later.
        """
        seat = self.seats.sit(run_id)
        if getattr(engine, "records", True):
            engine = RedactingEngine(engine)
        try:
            clock, runs = self.services.clock, self.stores.runs
            begun = await persist(clock, runs.begin, run_id, seat.fence)
            if begun.state in FINAL_STATES:
                return None
            ending = await self._ending(engine, begun, seat)
            ended = await self._finish(engine, begun, ending, seat.fence)
            self.services.telemetry.run_finished(
                _context(begun),
                state=ended["state"],
                started_at=begun.started_at or clock.now(),
                finished_at=ended["finished_at"] or clock.now(),
            )
            return None
        except LeaseLost as error:
            raise Suspended(str(error)) from error
        finally:
            self.seats.leave(seat, run_id)

    def close(self) -> None:
        """End what calls left open between them: the connections to MCP servers."""
        self.services.mcp.close()

    async def _finish(self, engine: Engine, begun: RunRecord, ending: Ending, fence: Fence) -> Json:
        clock, runs = self.services.clock, self.stores.runs

        async def finish() -> Json:
            ended = await persist(clock, runs.finish, begun.id, ending, fence)
            return {"state": ended.state, "finished_at": ended.finished_at}

        try:
            return await engine.step("finish", finish)
        except (ReplayDiverged, JournalForeign):
            # The record cannot be followed any further; the run must end all the same.
            return await finish()

    async def _ending(self, engine: Engine, begun: RunRecord, seat: Seat) -> Ending:
        ended = await self._body(engine, begun, seat)
        outcome, said = ended.outcome, ended.said
        label = label_to_json(ended.label)
        data = {**asdict(outcome), "answer": ended.output, "label": label}
        try:
            size = len(canonical_json(data).encode())
            if size > RESULT_BYTES_MAX:
                what = f"the outcome of workflow {begun.workflow} has {size} bytes as JSON"
                raise ResultTooLarge(f"{what}; the limit is {RESULT_BYTES_MAX}")
        except ResultTooLarge as error:
            outcome, said = outcome_of(error), None
            data = asdict(outcome)
        except (TypeError, ValueError, RecursionError) as error:
            outcome, said = outcome_of(ResultNotJson(f"the outcome is not JSON: {error}")), None
            data = asdict(outcome)
        return Ending(state=outcome.state, outcome=data, reason=outcome.reason, said=said)

    async def _body(self, engine: Engine, begun: RunRecord, seat: Seat) -> _Ended:
        """Execute the workflow's own code; whatever happens becomes an outcome."""
        try:
            workflow = self.app.workflow(begun.workflow)
            path = await self._path(engine, begun, workflow, seat)
        except FairleadError as error:
            return _Ended(outcome=outcome_of(error))
        token = current_boundary.set(path.boundary)
        try:
            outcome, output = await self._outcome(path, begun)
            stopped = path.boundary.stopped
            if stopped is not None:
                # Code that catches the error and goes on as if nothing were does not talk it away.
                outcome, output = outcome_of(stopped), None
            if outcome.state in ("failed", "denied"):
                left = await compensate(path.boundary, self.app.tools)
                outcome = _with_left(outcome, left)
            outcome = await path.verdicts.settled(outcome)
            if outcome.state == "succeeded":
                workflows = self._release(begun.release)[0].manifest.workflows
                await derive(path.boundary, begun, path.memory.written, workflows)
            said = _said(path, begun, outcome, output)
            label = path.boundary.flow.whole
            return _Ended(outcome=outcome, output=output, said=said, label=label)
        finally:
            current_boundary.reset(token)
            await path.boundary.close()

    async def _outcome(self, path: Path, begun: RunRecord) -> tuple[Outcome[Any], Json]:
        workflow = path.workflow
        try:
            request = path.verdicts.begin(begun.input, _label(begun))
            flags = Flags(path.boundary, self.stores.events)
            run = DurableRun(path, Children(boundary=path.boundary, parent=begun), flags)
            value = await self._bounded(path, workflow.body(run, request))
            return path.verdicts.end(value)
        except NotSucceeded as error:
            answer = error.outcome.answer
            shape = shape_of(workflow.output)
            dumped = None if answer is None else shape.dump(answer, of=workflow.name)
            return error.outcome, dumped
        except FairleadError as error:
            return outcome_of(error), None
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001
            # Whatever a workflow raises ends its run, and never the worker.
            reason = told(f"{type(error).__name__}: {error}")
            failed = WorkflowFailed(f"workflow {workflow.name} raised {reason}")
            return outcome_of(failed), None

    async def _bounded(self, path: Path, body: Awaitable[Any]) -> Any:
        """Wait for a workflow's own code, until the run's deadline.

        Raises:
            DeadlineExceeded: The code is still at work; the call that it makes is let end.
        """
        boundary = path.boundary
        left_s = max(boundary.deadline - self.services.clock.now(), 0.0)
        bound = asyncio.timeout(left_s)
        try:
            async with bound:
                boundary.bound_by(bound)
                return await body
        except TimeoutError:
            if not bound.expired():
                raise
        wall_time = boundary.scope.terms.limits.wall_time
        raise DeadlineExceeded(f"the run is past its wall time of {wall_time}")

    async def _path(
        self, engine: Engine, begun: RunRecord, workflow: Workflow[Any, Any], seat: Seat
    ) -> Path:
        pinned, rules = self._release(begun.release)
        terms = pinned.manifest.workflows[workflow.name]
        probes = {tool.name: probe_of(tool) for tool in workflow.callable_tools}
        scope = RunScope(
            context=_context(begun),
            terms=terms,
            rules=rules,
            lineage=begun.lineage or begun.id,
            family=await self._family(begun, pinned.manifest),
            seat=seat,
            rails=tool_rails(workflow.guardrails),
            probes={name: probe for name, probe in probes.items() if probe is not None},
        )
        at = begun.started_at if begun.started_at is not None else self.services.clock.now()
        boundary = Boundary(scope, engine, self.services, at + begun.held_s)
        thread = await join(engine, begun, terms.limits, self.services)
        boundary.received(begun.input, {"": _label(begun)})
        for turn in thread.history.turns:
            label, asked = turn.label or label_from_json(None), own_label(begun.principal)
            boundary.received(turn_to_json(turn), {"": label, "question": asked})
        documents = self.stores.documents
        return Path(
            workflow=workflow,
            boundary=boundary,
            documents=documents,
            generator=self.generator,
            verdicts=Verdicts(workflow, boundary, self.stores.events, self.services.clock),
            memory=DurableMemory(boundary=boundary, documents=documents, written=[]),
            thread=thread,
        )

    async def _family(self, begun: RunRecord, manifest: Manifest) -> Family:
        """Return whose limits a run shares: what its oldest ancestor was started for."""
        root, generation = begun, 0
        while root.parent_id is not None:
            root = await persist(self.services.clock, self.stores.runs.get, root.parent_id)
            generation += 1
        limits = manifest.workflows[root.workflow].limits
        derived = is_derivation(root)
        return Family(root_id=root.id, limits=limits, generation=generation, derived=derived)

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
    bundle = bundle_of(manifest, compile)
    return Rules(
        bundle=bundle,
        shadow=_shadow_of(bundle, manifest, compile),
        arguments=arguments,
        rates=manifest.rates,
        breaker=manifest.breaker,
        app=manifest.app,
        budgets=manifest.budgets,
        servers=manifest.servers,
        memory=manifest.memory,
    )


def _shadow_of(bundle: Bundle, manifest: Manifest, compile: PolicyCompiler) -> Bundle | None:
    """Compile the policies that are only tried; what does not compile stops nothing."""
    if not manifest.shadow:
        return None
    try:
        tried = replace(bundle, authorizer=compile(manifest.shadow))
        return under(tried, manifest.shadow, manifest.baseline, compile)
    except Exception:  # noqa: BLE001 - a trial changes nothing, whatever happens in it
        return None


def _said(path: Path, begun: RunRecord, outcome: Outcome[Any], output: Json) -> Json:
    """Return what a run said in its conversation: nothing when it did not succeed."""
    admitted, succeeded = path.verdicts.admitted, outcome.state == "succeeded"
    if begun.conversation is None or begun.aside or admitted is None or not succeeded:
        return None
    limits, label = admitted.terms.limits, path.boundary.flow.whole
    return path.thread.said(admitted.request, output, limits, label)


def _label(begun: RunRecord) -> Label:
    """Return what is known of a run's input."""
    return begun.label or own_label(begun.principal)


def _context(begun: RunRecord) -> Context:
    return Context(
        conversation=begun.conversation or "",
        run_id=begun.id,
        workflow=begun.workflow,
        release=begun.release,
        principal=begun.principal,
    )


def _with_left(outcome: Outcome[Any], left: Sequence[str]) -> Outcome[Any]:
    """Say in a run's outcome what of it could not be undone."""
    if not left:
        return outcome
    return replace(outcome, reason=told(f"{outcome.reason}; not undone: {'; '.join(left)}"))
