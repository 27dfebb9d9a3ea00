"""The platform of one process: one database with everything on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairlead.authoring.app import App
from fairlead.bootstrap.delivery import make_controller, make_rollouts, make_supervisor
from fairlead.bootstrap.embedding import Embedders
from fairlead.bootstrap.without_effects import without_effects
from fairlead.core.baseline import Baseline
from fairlead.core.identity import Principal
from fairlead.delivery.controller import Controller
from fairlead.delivery.release import Releases
from fairlead.delivery.resolve import code_digest
from fairlead.delivery.rollouts import Rollouts
from fairlead.guardrails.content import masked
from fairlead.guardrails.content.erasing import Eraser
from fairlead.memory.ingest import Ingestion
from fairlead.ports.app_files import AppFiles
from fairlead.ports.clock import Clock
from fairlead.ports.faults import NO_FAULTS, Faults
from fairlead.ports.mcp import McpClient
from fairlead.ports.runs import Room
from fairlead.ports.telemetry import Telemetry
from fairlead.ports.tokens import Tokens
from fairlead.runtime.admission import Admission
from fairlead.runtime.audit import Auditing, Cadence
from fairlead.runtime.control import Control
from fairlead.runtime.erase import Erasing, Resuming
from fairlead.runtime.execute import Runner, Stores
from fairlead.runtime.prune import Pruning
from fairlead.runtime.redacting import redacting
from fairlead.runtime.scope import MemoryAccess, Services
from fairlead.runtime.seats import Seats
from fairlead.runtime.supervisor import Supervisor
from fairlead.runtime.switches import Switches
from fairlead.runtime.worker import Lease, Registry, Worker
from fairlead.settings import DRILL, KEPT_IN, Settings

if TYPE_CHECKING:
    # Adapters load their libraries; whoever only reads `--help` does not wait for them.
    import sqlalchemy as sa

    from fairlead.adapters.dbos.queue import DbosRunQueue
    from fairlead.adapters.sql.approvals import SqlApprovalStore
    from fairlead.adapters.sql.audit import SqlAuditStore
    from fairlead.adapters.sql.baselines import SqlBaselineStore
    from fairlead.adapters.sql.budgets import SqlBudgetStore
    from fairlead.adapters.sql.conversations import SqlConversationStore
    from fairlead.adapters.sql.database import Database
    from fairlead.adapters.sql.deployments import SqlDeploymentStore
    from fairlead.adapters.sql.dispatch import SqlDispatchStore
    from fairlead.adapters.sql.documents import SqlDocumentStore
    from fairlead.adapters.sql.effects import SqlEffectsLedger
    from fairlead.adapters.sql.environments import SqlEnvironmentStore
    from fairlead.adapters.sql.erasures import SqlErasureStore
    from fairlead.adapters.sql.events import SqlEventLog
    from fairlead.adapters.sql.journal import SqlJournal
    from fairlead.adapters.sql.kills import SqlKillStore
    from fairlead.adapters.sql.memory import SqlMemoryStore
    from fairlead.adapters.sql.memory_exports import SqlMemoryExports
    from fairlead.adapters.sql.recorded import SqlRecordedCalls
    from fairlead.adapters.sql.recordings import SqlRecordings
    from fairlead.adapters.sql.releases import SqlReleaseStore
    from fairlead.adapters.sql.rollouts import SqlRolloutStore
    from fairlead.adapters.sql.runs import SqlRunStore
    from fairlead.adapters.sql.streams import SqlStreamStore
    from fairlead.adapters.sql.throttle import SqlThrottle
    from fairlead.adapters.sql.waits import SqlWaitStore
    from fairlead.adapters.sql.workers import SqlWorkerStore


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Everything that one process uses of one database.

    Attributes:
        settings: The app's settings.
        clock: Time and chance.
        database: The database.
        engine_connections: The same database with the engine's own transaction control.
        queue: Where runs wait.
        runs: Where runs are kept.
        journal: Where calls are kept.
        events: The event log.
        release_store: Where releases are kept.
        baselines: Where the platform's baselines are kept.
        environments: Where the rules of environments are kept.
        workers: Where leases are kept.
        deployments: Where releases stand.
        rollout_store: Where rollouts are kept.
        dispatch: Which worker executes what.
        waits: What runs wait for.
        effects: The ledger of effects.
        approvals: What people are asked.
        conversations: What runs of one conversation say to each other.
        streams: What runs say while they work.
        throttle: Rates and breakers, shared by all workers.
        budgets: What all runs together may use, shared by all workers.
        kills: What operators stopped.
        documents: Where documents are kept.
        memory: Where what is remembered is kept.
        embedders: The embedding models that were asked for.
        telemetry: Where spans and metrics go.
        tokens: Verifies tokens, and signs those of the local key.
        mcp: The way to MCP servers.
        faults: What a test breaks; nothing in production.
        principal: Whom a verified token names as the one who works with it; None without a token:
            the user of this machine.
    """

    settings: Settings
    clock: Clock
    database: Database
    engine_connections: sa.Engine
    queue: DbosRunQueue
    runs: SqlRunStore
    journal: SqlJournal
    events: SqlEventLog
    release_store: SqlReleaseStore
    baselines: SqlBaselineStore
    environments: SqlEnvironmentStore
    workers: SqlWorkerStore
    deployments: SqlDeploymentStore
    rollout_store: SqlRolloutStore
    dispatch: SqlDispatchStore
    waits: SqlWaitStore
    effects: SqlEffectsLedger
    approvals: SqlApprovalStore
    conversations: SqlConversationStore
    streams: SqlStreamStore
    throttle: SqlThrottle
    budgets: SqlBudgetStore
    kills: SqlKillStore
    documents: SqlDocumentStore
    memory: SqlMemoryStore
    embedders: Embedders
    telemetry: Telemetry
    tokens: Tokens
    mcp: McpClient
    faults: Faults = NO_FAULTS
    principal: Principal | None = None

    @property
    def releases(self) -> Releases:
        """The verbs of this environment's releases."""
        return Releases(
            store=self.release_store,
            clock=self.clock,
            environment=self.settings.environment,
            standing=self.baselines.standing,
            rules=self.environments.rules,
            asker="" if self.principal is None else self.principal.user,
        )

    @property
    def rollouts(self) -> Rollouts:
        """The verbs of this environment's rollouts."""
        return make_rollouts(self)

    @property
    def controller(self) -> Controller:
        """What carries rollouts on, for as long as it is started."""
        return make_controller(self)

    @property
    def baseline(self) -> Baseline | None:
        """The baseline that new releases are made with; None when none is in force."""
        current = self.baselines.standing().current
        return None if current is None else self.baselines.get(current).baseline

    @property
    def recorded(self) -> SqlRecordedCalls:
        """What was decided of calls."""
        from fairlead.adapters.sql.recorded import SqlRecordedCalls

        return SqlRecordedCalls(self.database)

    @property
    def recordings(self) -> SqlRecordings:
        """What is on record of runs that have ended."""
        from fairlead.adapters.sql.recordings import SqlRecordings

        return SqlRecordings(self.database, self.queue.steps)

    @property
    def admission(self) -> Admission:
        """The way in for requests."""
        return Admission(
            runs=self.runs,
            clock=self.clock,
            kills=self.kills,
            room=Room(backlog=self.settings.backlog, waiting_turns=self.settings.waiting_turns),
            verified=self.settings.identity.required,
            routes=lambda: self.rollout_store.routes(self.settings.environment),
            release=self.release_store.get,
            environment=self.settings.environment,
        )

    @property
    def control(self) -> Control:
        """The verbs on runs."""
        from fairlead.adapters.sql.control import SqlRunControl

        return Control(
            runs=self.runs,
            control=redacting(SqlRunControl(self.database, self.clock)),
            journal=self.journal,
            queue=self.queue,
            clock=self.clock,
        )

    @property
    def pruning(self) -> Pruning:
        """What keeps history bounded."""
        from fairlead.adapters.sql.pruning import SqlPruneStore

        store = self.faults.store("pruning", SqlPruneStore(self.database, self.clock))
        return Pruning(
            store=store,
            queue=self.queue,
            releases=self.release_store,
            clock=self.clock,
            keep=self.settings.keep_per_release,
            memory=self.memory,
        )

    @property
    def memory_exports(self) -> SqlMemoryExports:
        """Which items went into which file."""
        from fairlead.adapters.sql.memory_exports import SqlMemoryExports

        return self.faults.store(
            "memory_exports", redacting(SqlMemoryExports(self.database, self.clock))
        )

    @property
    def erasure_store(self) -> SqlErasureStore:
        """What was erased, and may not be learned again."""
        from fairlead.adapters.sql.erasures import SqlErasureStore

        store = SqlErasureStore(self.database, self.clock, Eraser)
        return self.faults.store("erasures", store)

    @property
    def erasing(self) -> Erasing:
        """What erases for certain."""
        from fairlead.adapters.files.erasures import JsonlLedger, LocalErasureFiles
        from fairlead.adapters.sql.pruning import SqlPruneStore

        return Erasing(
            store=self.erasure_store,
            pruning=self.faults.store("pruning", SqlPruneStore(self.database, self.clock)),
            queue=self.queue,
            ledger=JsonlLedger(self.settings.erasures_file),
            files=LocalErasureFiles(self.settings.folder / KEPT_IN),
            eraser=Eraser,
            clock=self.clock,
        )

    @property
    def audit(self) -> SqlAuditStore:
        """Where checkpoints of the event log are kept."""
        from fairlead.adapters.sql.audit import SqlAuditStore

        return self.faults.store("audit", SqlAuditStore(self.database))

    @property
    def auditing(self) -> Auditing | None:
        """What makes checkpoints; None when there is no key to sign them with."""
        from fairlead.bootstrap.audit import checkpoint_file, load_signer

        if not self.settings.audit_key.exists():
            return None
        return Auditing(
            store=self.audit,
            signer=load_signer(self.settings.audit_key),
            file=checkpoint_file(self.settings.audit_file),
            telemetry=self.telemetry,
            clock=self.clock,
        )

    @property
    def ingestion(self) -> Ingestion:
        """The way in for documents."""
        from fairlead.adapters.files.reader import FolderReader

        source = FolderReader(max_bytes=self.settings.max_bytes)
        return Ingestion(
            source=source,
            store=self.documents,
            events=self.events,
            mask=masked,
            tombstones=self.erasure_store,
        )

    def worker(self, app: App, files: AppFiles) -> Worker:
        """Return a worker for an app's code; a process runs one at a time."""
        from fairlead.adapters.cedar.authorizer import compile_policies
        from fairlead.adapters.dbos.host import DbosHost
        from fairlead.adapters.openfeature.flags import OpenFeatureFlags
        from fairlead.adapters.pydantic_ai.generator import PydanticGenerator

        settings = self.settings
        services = replace(self.services, flags=OpenFeatureFlags(app.name, app.flags))
        if settings.environment == DRILL:
            services = without_effects(services, app, self.release_store)
        worker_id, code = self.clock.id(), code_digest(files)
        lease = Lease(
            ttl_s=settings.lease_s,
            drain_s=settings.drain_s,
            takeovers=settings.takeovers,
            stall_s=settings.stall_s,
            clock=self.clock,
        )
        seats = Seats(
            active_max=settings.concurrency,
            parked_max=settings.parked,
            clock=self.clock,
            lease_held=lease.held,
            unload=self.dispatch.unload,
        )
        runner = Runner(
            app=app,
            code_digest=code,
            stores=Stores(
                runs=self.runs,
                releases=self.release_store,
                documents=self.documents,
                events=self.events,
            ),
            services=services,
            generator=PydanticGenerator(),
            compile=compile_policies,
            seats=seats,
            worker_id=worker_id,
        )
        host = DbosHost(self.engine_connections, worker_id=worker_id, code=code)
        return Worker(
            runner=runner,
            host=self.faults.host(host, self.queue),
            registry=Registry(
                workers=self.workers,
                dispatch=self.dispatch,
                queue=self.queue,
                queues=settings.queues,
            ),
            seats=seats,
            clock=self.clock,
            lease=lease,
            cadence=Cadence(
                auditing=self.auditing if settings.every_s else None, every_s=settings.every_s
            ),
            resuming=Resuming(erasing=lambda: self.erasing),
            companions=(self.controller,) if settings.controller else (),
        )

    def supervisor(self, say: Callable[[str], None]) -> Supervisor:
        """Return what keeps worker processes on this machine; see `make_supervisor`."""
        return make_supervisor(self, say)

    @property
    def services(self) -> Services:
        """What interceptors and durable waits use."""
        from fairlead.adapters.environment.secrets import EnvironmentSecrets
        from fairlead.adapters.pydantic_ai.prices import KnownPrices

        return Services(
            journal=self.journal,
            effects=self.effects,
            approvals=self.approvals,
            waits=self.waits,
            dispatch=self.dispatch,
            runs=self.runs,
            conversations=self.conversations,
            streams=self.streams,
            clock=self.clock,
            telemetry=self.telemetry,
            throttle=self.throttle,
            budgets=self.budgets,
            prices=KnownPrices(),
            switches=Switches(self.kills, self.clock),
            faults=self.faults,
            secrets=EnvironmentSecrets(),
            mcp=self.mcp,
            memory=self.memory_access,
        )

    @property
    def memory_access(self) -> MemoryAccess:
        """The way to what is remembered."""
        environment = self.settings.environment
        return MemoryAccess(
            store=self.memory,
            embedder=self.embedders.get,
            on_trial=lambda release: self.release_store.on_trial(environment, release),
        )
