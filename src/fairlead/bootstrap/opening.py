"""Opens an app's database with every store on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.bootstrap.embedding import Embedders
from fairlead.bootstrap.platform import Platform
from fairlead.ports.clock import Clock, SystemClock
from fairlead.ports.faults import NO_FAULTS, Faults
from fairlead.ports.mcp import McpClient
from fairlead.ports.telemetry import Telemetry
from fairlead.ports.tokens import Tokens
from fairlead.runtime.handed import hiding
from fairlead.runtime.redacting import redacting
from fairlead.settings import DRILL, Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from fairlead.adapters.dbos.queue import DbosRunQueue
    from fairlead.adapters.sql.database import Database


@contextmanager
def open_platform(
    settings: Settings, *, telemetry: Telemetry | None = None, faults: Faults = NO_FAULTS
) -> Iterator[Platform]:
    """Open an app's database and everything on it; close it when the block ends.

    Args:
        settings: The app's settings.
        telemetry: Where spans and metrics go; None follows the settings.
        faults: What a test breaks; see `fairlead.testing.faults`.

    Raises:
        FairleadError: The database cannot be used: FL-200 to FL-205.
    """
    from fairlead.adapters.dbos.queue import DbosRunQueue
    from fairlead.adapters.sql.database import Database
    from fairlead.adapters.sql.faults import translated

    clock = faults.clock(SystemClock())
    database = Database(
        settings.database_url,
        busy_timeout_s=settings.busy_timeout_s,
        synchronous=settings.synchronous,
    )
    connections = database.make_engine(immediate=False)
    queue = DbosRunQueue(database.url, connections, partial(translated, database.where))
    # From here on: a database that is made under faults would be no test of what uses it.
    faults.connections(database.engine)
    faults.connections(connections)
    platform = _assembled(
        Place(settings=settings, database=database, connections=connections, queue=queue),
        clock=clock,
        telemetry=telemetry or _telemetry(settings),
        faults=faults,
    )
    try:
        yield platform
    finally:
        platform.mcp.close()
        platform.embedders.close()
        platform.telemetry.flush()
        queue.close()
        connections.dispose()
        database.close()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a platform stands.

    Attributes:
        settings: The app's settings.
        database: The database.
        connections: The same database with the engine's own transaction control.
        queue: Where runs wait.
    """

    settings: Settings
    database: Database
    connections: sa.Engine
    queue: DbosRunQueue


@contextmanager
def on_database(settings: Settings, database: Database, queue: Any) -> Iterator[Platform]:
    """Yield a platform on a database that somebody else opened and closes.

    Args:
        settings: The app's settings.
        database: The database; see `bootstrap/backup.py`.
        queue: Where runs wait.
    """
    from fairlead.adapters.otel.null import NullTelemetry

    connections = database.make_engine(immediate=False)
    platform = _assembled(
        Place(settings=settings, database=database, connections=connections, queue=queue),
        clock=SystemClock(),
        telemetry=NullTelemetry(),
        faults=NO_FAULTS,
    )
    try:
        yield platform
    finally:
        platform.mcp.close()
        platform.embedders.close()
        connections.dispose()


def _assembled(place: Place, *, clock: Clock, telemetry: Telemetry, faults: Faults) -> Platform:
    from fairlead.adapters.mcp.client import LazyMcpClient

    return Platform(
        settings=place.settings,
        clock=clock,
        database=place.database,
        engine_connections=place.connections,
        queue=faults.queue(place.queue),
        **_stores(place.database, clock, faults),
        embedders=Embedders(),
        telemetry=telemetry,
        tokens=make_tokens(place.settings),
        mcp=LazyMcpClient(place.settings.folder, os.environ, hiding),
        faults=faults,
    )


def _stores(database: Database, clock: Clock, faults: Faults) -> dict[str, Any]:
    """Return every store by its name: what it is given is redacted, and may be broken by a test."""
    from fairlead.adapters.sql.approvals import SqlApprovalStore
    from fairlead.adapters.sql.baselines import SqlBaselineStore
    from fairlead.adapters.sql.budgets import SqlBudgetStore
    from fairlead.adapters.sql.conversations import SqlConversationStore
    from fairlead.adapters.sql.deployments import SqlDeploymentStore
    from fairlead.adapters.sql.dispatch import SqlDispatchStore
    from fairlead.adapters.sql.documents import SqlDocumentStore
    from fairlead.adapters.sql.effects import SqlEffectsLedger
    from fairlead.adapters.sql.environments import SqlEnvironmentStore
    from fairlead.adapters.sql.events import SqlEventLog
    from fairlead.adapters.sql.journal import SqlJournal
    from fairlead.adapters.sql.kills import SqlKillStore
    from fairlead.adapters.sql.memory import SqlMemoryStore
    from fairlead.adapters.sql.releases import SqlReleaseStore
    from fairlead.adapters.sql.rollouts import SqlRolloutStore
    from fairlead.adapters.sql.runs import SqlRunStore
    from fairlead.adapters.sql.streams import SqlStreamStore
    from fairlead.adapters.sql.throttle import SqlThrottle
    from fairlead.adapters.sql.waits import SqlWaitStore
    from fairlead.adapters.sql.workers import SqlWorkerStore

    stores: dict[str, Any] = {
        "runs": SqlRunStore(database, clock),
        "journal": SqlJournal(database, clock),
        "events": SqlEventLog(database, clock),
        "release_store": SqlReleaseStore(database, clock),
        "baselines": SqlBaselineStore(database, clock),
        "environments": SqlEnvironmentStore(database, clock),
        "workers": SqlWorkerStore(database, clock),
        "deployments": SqlDeploymentStore(database, clock),
        "dispatch": SqlDispatchStore(database, clock),
        "waits": SqlWaitStore(database, clock),
        "effects": SqlEffectsLedger(database, clock),
        "approvals": SqlApprovalStore(database, clock),
        "conversations": SqlConversationStore(database),
        "rollout_store": SqlRolloutStore(database, clock),
        "streams": SqlStreamStore(database, clock),
        "throttle": SqlThrottle(database, clock),
        "budgets": SqlBudgetStore(database, clock),
        "kills": SqlKillStore(database, clock),
        "documents": SqlDocumentStore(database),
        "memory": SqlMemoryStore(database, clock),
    }
    kinds = {"release_store": "releases", "rollout_store": "rollouts"}
    return {
        name: faults.store(kinds.get(name, name), redacting(store))
        for name, store in stores.items()
    }


@contextmanager
def open_mcp(settings: Settings) -> Iterator[McpClient]:
    """Open the way to MCP servers without a database; close it when the block ends."""
    from fairlead.adapters.mcp.client import LazyMcpClient

    client = LazyMcpClient(settings.folder, os.environ, hiding)
    try:
        yield client
    finally:
        client.close()


def make_tokens(settings: Settings) -> Tokens:
    """Return what verifies and signs tokens; an issuer's keys are kept as long as it is."""
    from fairlead.adapters.jose.tokens import JoseTokens

    return JoseTokens(settings.identity, SystemClock())


def _telemetry(settings: Settings) -> Telemetry:
    if settings.otlp_endpoint is None or settings.environment == DRILL:
        from fairlead.adapters.otel.null import NullTelemetry

        return NullTelemetry()
    from fairlead.adapters.otel.telemetry import otlp_telemetry

    return otlp_telemetry(settings.otlp_endpoint)
