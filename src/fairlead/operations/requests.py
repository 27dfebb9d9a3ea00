"""Requests and the workers that answer them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from fairlead.bootstrap import Platform, load_app, make_orphan, materialised, read_app_files
from fairlead.core.digests import Json
from fairlead.core.errors import ArchiveDamaged, CodeMismatch, InvalidConfig
from fairlead.core.grounding import GroundedSource
from fairlead.core.guarding import Check
from fairlead.core.identity import Principal
from fairlead.core.outcome import Outcome
from fairlead.core.release import Release
from fairlead.delivery.resolve import code_digest
from fairlead.operations.identity import asking
from fairlead.ports.runs import RunRecord
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.admission import StartOptions
from fairlead.runtime.orphan import Orphan
from fairlead.runtime.staying import Staying
from fairlead.runtime.supervisor import Supervisor
from fairlead.runtime.worker import Worker


@dataclass(frozen=True, kw_only=True)
class PolicyContext:
    """For whom, and by which workflow, a request is answered.

    Attributes:
        platform: The open platform.
        workflow: The workflow's name.
        principal: Who asks.
        timeout_s: Most seconds to wait for the answer.
        conversation: The conversation that the request goes on with; None for none.
    """

    platform: Platform
    workflow: str
    principal: Principal = field(default_factory=Principal)
    timeout_s: float = 60.0
    conversation: str | None = None


def make_worker(platform: Platform, release: str | None = None) -> Worker:
    """Prepare a worker for the app's code as it stands in its folder, or for a release's code.

    Args:
        platform: The open platform.
        release: A release whose code it must be: from the release's archive, or from the app's
            folder when it stands there and there is no archive; None for whatever code is in the
            folder.

    Raises:
        ArchiveDamaged: The release's archive is not what it was made from.
        CodeMismatch: The code is not here and there is no archive; or it needs another Python or
            Fairlead; or this process has loaded other code already.
        ReleaseUnwritable: The release's files cannot be put into a folder.
        UnknownRelease: There is no such release.
    """
    if release is None:
        return platform.worker(load_app(platform.settings), read_app_files(platform.settings))
    wanted = platform.release_store.get(release)
    if not wanted.archive:
        if is_here(platform, wanted):
            return make_worker(platform)
        raise CodeMismatch(
            f"release {wanted.id} was made from other code than stands in the app's folder, and "
            "it has no archive",
            release=wanted.digest,
        )
    # Also when the same code stands in the folder: there somebody may edit it while this works, and
    # what is read or imported late would be of another release.
    make = partial(materialised, platform.settings, platform.release_store, wanted)
    try:
        there = make()
    except ArchiveDamaged:
        if not is_here(platform, wanted):
            raise
        # The same code, from where it is whole.
        return make_worker(platform)
    # Its programs are a part of its files, like its modules.
    platform.mcp.start_in(there.folder)
    worker = platform.worker(load_app(there), read_app_files(there))
    worker.companions += (Staying(folder=there.folder, again=make),)
    return worker


def is_here(platform: Platform, release: Release) -> bool:
    """Return whether a release's code stands in the app's folder.

    Args:
        platform: The open platform.
        release: The release.
    """
    try:
        return release.manifest.code_digest == code_digest(read_app_files(platform.settings))
    except InvalidConfig:
        return False  # Such as where only a `fairlead.toml` is.


def make_supervisor(platform: Platform, say: Callable[[str], None] = lambda _: None) -> Supervisor:
    """Return what keeps a worker process on this machine for each code that has work.

    Args:
        platform: The open platform.
        say: Is told, in a line, what happens.
    """
    return platform.supervisor(say)


@contextmanager
def orphaned(platform: Platform, parent: int | None) -> Iterator[Orphan | None]:
    """Look, inside the block, after the process that started this worker's.

    Args:
        platform: The open platform.
        parent: That process; None when nobody's end is this worker's concern.
    """
    if parent is None:
        yield None
        return
    orphan = make_orphan(platform, parent)
    orphan.start()
    try:
        yield orphan
    finally:
        orphan.stop()


@contextmanager
def working(platform: Platform, release: Release) -> Iterator[None]:
    """Make sure that a worker lives for a release: use one that runs, else be one for a while.

    Args:
        platform: The open platform.
        release: The release whose runs must be executed.

    Raises:
        CodeMismatch: No worker runs, and the release's code cannot be executed in this process.
    """
    living = platform.workers.living(platform.settings.lease_s)
    code = release.manifest.code_digest
    if any(worker.code_digest == code and not _is_gone(worker) for worker in living):
        yield
        return
    # For one request the folder will do, and this process may have loaded its code already.
    worker = make_worker(platform, None if is_here(platform, release) else release.digest)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def _is_gone(worker: WorkerRecord) -> bool:
    """Whether a worker of this machine died while its lease still runs."""
    if worker.host != socket.gethostname():
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


async def route_request(query: Json, policy_ctx: PolicyContext) -> Outcome[Json]:
    """Answer a request by a durable run of the active release.

    Args:
        query: The workflow's input as JSON: a question, for a workflow that takes text.
        policy_ctx: For whom, and by which workflow.

    Returns:
        The outcome with `answer`, `checks` and `grounded_sources`.

    Raises:
        FairleadError: The request was not admitted, or did not end in time.
    """
    platform = policy_ctx.platform
    principal = asking(platform, policy_ctx.principal)
    release, _ = platform.admission.route(principal, policy_ctx.conversation)
    with working(platform, release):
        run = platform.admission.start_routed(
            policy_ctx.workflow,
            query,
            principal=principal,
            options=StartOptions(conversation=policy_ctx.conversation),
        )
        ended = await platform.admission.wait(run.id, policy_ctx.timeout_s)
    return outcome_of_run(ended)


def outcome_of_run(run: RunRecord) -> Outcome[Json]:
    """Return the outcome of a run that has ended.

    Args:
        run: The run as it is on record.

    Raises:
        ValueError: It has not ended.
    """
    if (
        run.state == "queued"
        or run.state == "running"
        or run.state == "waiting"
        or run.state == "paused"
    ):
        raise ValueError(f"run {run.id} is {run.state}")
    data = run.outcome or {"answer": None, "checks": [], "grounded_sources": [], "code": ""}
    return Outcome(
        state=run.state,
        answer=data["answer"],
        checks=tuple(Check(**check) for check in data["checks"]),
        grounded_sources=tuple(GroundedSource(**source) for source in data["grounded_sources"]),
        reason=run.reason,
        code=data["code"],
    )
