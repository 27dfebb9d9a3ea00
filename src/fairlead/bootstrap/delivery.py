"""What ships releases: the verbs of rollouts, who carries them on, and who keeps workers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fairlead.delivery.controller import Controller, Pace
from fairlead.delivery.release import Releases
from fairlead.delivery.rollouts import Rollouts
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import DeploymentStore, RolloutStore
from fairlead.ports.workers import WorkerStore
from fairlead.runtime.control import Control
from fairlead.runtime.orphan import Orphan
from fairlead.runtime.supervisor import Supervisor, Upkeep
from fairlead.settings import DRILL, Settings

if TYPE_CHECKING:
    from fairlead.adapters.sql.database import Database


class Parts(Protocol):
    """What of an open platform is used here; see `Platform`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def database(self) -> Database: ...

    @property
    def rollout_store(self) -> RolloutStore: ...

    @property
    def deployments(self) -> DeploymentStore: ...

    @property
    def workers(self) -> WorkerStore: ...

    @property
    def releases(self) -> Releases: ...

    @property
    def control(self) -> Control: ...


def make_rollouts(platform: Parts) -> Rollouts:
    """Return the verbs of an environment's rollouts.

    Args:
        platform: The open platform.
    """
    return Rollouts(
        store=platform.rollout_store,
        releases=platform.releases,
        clock=platform.clock,
        environment=platform.settings.environment,
    )


def make_controller(platform: Parts) -> Controller:
    """Return what carries rollouts on, for as long as it is started.

    Args:
        platform: The open platform.
    """
    settings = platform.settings
    return Controller(
        rollouts=make_rollouts(platform),
        deployments=platform.deployments,
        control=platform.control,
        pace=Pace(
            tick_s=settings.tick_s,
            lease_s=settings.lease_s,
            stranded_after_s=settings.stranded_after_s,
            retire_after_s=settings.retire_after_s,
        ),
        by=f"controller {socket.gethostname()}:{os.getpid()}",
        others_time=platform.database.clock,
    )


def make_supervisor(platform: Parts, say: Callable[[str], None]) -> Supervisor:
    """Return what keeps worker processes on this machine.

    Args:
        platform: The open platform.
        say: Is told, in a line, what happens.
    """
    from fairlead.adapters.process.spawner import ChildSpawner

    settings = platform.settings
    return Supervisor(
        deployments=platform.deployments,
        workers=platform.workers,
        spawner=ChildSpawner(settings.folder, {"FAIRLEAD_DATABASE_URL": settings.database_url}),
        clock=platform.clock,
        upkeep=_upkeep(settings),
        say=say,
    )


def make_orphan(platform: Parts, parent: int) -> Orphan:
    """Return what ends this worker's process when its parent is gone.

    Args:
        platform: The open platform.
        parent: The process that started this one.
    """
    settings = platform.settings
    return Orphan(
        parent=parent,
        # Nothing outside is touched in a drill, and nobody is left whom its runs would serve.
        bound=settings.environment == DRILL,
        deployments=platform.deployments,
        clock=platform.clock,
        upkeep=_upkeep(settings),
    )


def _upkeep(settings: Settings) -> Upkeep:
    """Return how processes are kept, by a supervisor and by a worker that has lost it."""
    return Upkeep(
        environment=settings.environment,
        host=socket.gethostname(),
        lease_s=settings.lease_s,
        keep_s=settings.keep_workers_s,
        stop_s=settings.drain_s + 20.0,
        most=settings.workers_max,
    )
