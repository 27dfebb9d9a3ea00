"""Admission: a request becomes a run, pinned to the release that is active now."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.core.bounds import ARGUMENTS, excess
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    InvalidInput,
    KillSwitchPulled,
    RouteClosed,
    RunTimedOut,
    TokenMissing,
    UnknownRelease,
    UnknownWorkflow,
)
from fairlead.core.identity import Principal
from fairlead.core.kill import Target, kills_of, stopping
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Release
from fairlead.core.routing import Assignment, Routes, assign
from fairlead.guardrails.content import SECRETS, redacted
from fairlead.guardrails.shapes import require
from fairlead.ports.clock import Clock
from fairlead.ports.kills import KillStore
from fairlead.ports.runs import Room, RunRecord, RunStore

INPUT_BYTES_MAX = 1_000_000
"""Largest input of a run, as JSON text."""

DERIVED = "derive:"
"""How the start keys of runs begin that follow another one; nobody else uses them."""

ROUTES_TRIED = 20
"""So often a run's release is drawn anew when the routes change while it is admitted."""

NAME_CHARS_MAX = 200
"""Longest name of a tenant, a user, a conversation or a start."""


def moved(run: RunRecord) -> str | None:
    """Return the run that goes on in place of one that was moved; None for any other run."""
    left = run.outcome if run.state == "cancelled" else None
    found = left.get("moved_to") if isinstance(left, dict) else None
    return found if isinstance(found, str) else None


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """How a run is started.

    Attributes:
        purpose: `user` for real traffic, `gate` for a gate's evaluation.
        key: The caller's key: a second start of the workflow under it, for the same tenant, gives
            the same run; None for none.
        priority: Within the tenant higher ones go first, from -100 to 100.
        conversation: The conversation that it belongs to, as the tenant names it: it reads what
            was said there, and begins when all earlier turns have ended; None for none.
    """

    purpose: str = "user"
    key: str | None = None
    priority: int = 0
    conversation: str | None = None

    def __post_init__(self) -> None:
        if not -100 <= self.priority <= 100:
            raise InvalidInput(f"priority must be from -100 to 100, not {self.priority}")
        if self.key is not None:
            _named("a start key", self.key)
            if self.key.startswith(DERIVED):
                raise InvalidInput(
                    f"no start key begins with {DERIVED}: such runs start by themselves"
                )
        if self.conversation is not None:
            _named("a conversation's id", self.conversation)


def _named(what: str, name: str) -> None:
    """Refuse a name that no database keeps as it is, or that nobody can read."""
    odd = any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name)
    if odd or not name.strip() or len(name) > NAME_CHARS_MAX:
        raise InvalidInput(f"{what} has from 1 to {NAME_CHARS_MAX} printable characters")


DEFAULTS = StartOptions()


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Accepts requests.

    Attributes:
        runs: Where runs are kept; a run that is queued there waits for a worker.
        clock: Time and ids.
        kills: What operators stopped: nothing of it begins.
        room: How much is accepted.
        verified: Whether whoever asks must be named by a verified token.
        routes: Tells where new runs start; None where nobody decides that.
        release: Reads a release by its digest.
        environment: Where runs are admitted whose release nobody drew; None when nobody says.
    """

    runs: RunStore
    clock: Clock
    kills: KillStore
    room: Room = field(default_factory=Room)
    verified: bool = False
    routes: Callable[[], Routes | None] = lambda: None
    release: Callable[[str], Release] | None = None
    environment: str | None = None

    def route(
        self, principal: Principal, conversation: str | None = None
    ) -> tuple[Release, Assignment]:
        """Draw the release of a new run.

        Args:
            principal: Who asks.
            conversation: The conversation that it belongs to; None for none.

        Raises:
            UnknownRelease: No release is active.
        """
        routes = self.routes()
        if routes is None or self.release is None:
            raise UnknownRelease("no release is active in this environment")
        assignment = assign(routes, principal, conversation, self.clock.chance())
        return self.release(assignment.release), assignment

    def start_routed(
        self,
        workflow: str,
        input: Json,
        *,
        principal: Principal,
        options: StartOptions = DEFAULTS,
    ) -> RunRecord:
        """Accept a request on the release that is drawn for it; see `start`.

        The draw and the admission are one: when the routes change between them, it is drawn anew.

        Raises:
            UnknownRelease: No release is active.
            RouteClosed: The routes changed again and again.
        """
        for _ in range(ROUTES_TRIED):
            release, assignment = self.route(principal, options.conversation)
            try:
                return self.start(
                    release,
                    workflow,
                    input,
                    principal=principal,
                    options=options,
                    assignment=assignment,
                )
            except RouteClosed:
                continue
        raise RouteClosed(f"the routes changed {ROUTES_TRIED} times while a run was admitted")

    def start(
        self,
        release: Release,
        workflow: str,
        input: Json,
        *,
        principal: Principal,
        options: StartOptions = DEFAULTS,
        assignment: Assignment | None = None,
    ) -> RunRecord:
        """Accept a request: it is recorded and queued, or nothing is.

        Args:
            release: What the run is pinned to, for its whole life.
            workflow: The workflow's name.
            input: The input as JSON.
            principal: Who asks.
            options: What it is for, and when it goes.
            assignment: How it came to the release; None when nobody drew it.

        Returns:
            The run; the one that is there when the start key has one already.

        Raises:
            RouteClosed: New runs do not start there any more, or with another probability.
            TokenMissing: No token says who asks, and one is required.
            UnknownWorkflow: The release has no such workflow.
            KillSwitchPulled: An operator stopped the app, the workflow, the release or the tenant.
            InvalidInput: The input does not fit the workflow's schema, or is too large.
            QueueFull: Too many runs wait for a worker.
            ConversationBusy: Too many turns of the conversation wait.
            ConversationForeign: The conversation belongs to another user.
            StartKeyReused: The start key belongs to a run with another input, or of another
                conversation.
        """
        if self.verified and not principal.verified:
            raise TokenMissing("no token says who asks, and `identity.required` is set")
        _named("a tenant's name", principal.tenant)
        _named("a user's name", principal.user)
        terms = release.manifest.workflows.get(workflow)
        if terms is None:
            names = ", ".join(release.manifest.workflows) or "none"
            raise UnknownWorkflow(
                f"release {release.id} has no workflow {workflow!r}; it has: {names}",
                workflow=workflow,
            )
        self._refuse_stopped(release, workflow, principal)
        found = excess(input, ARGUMENTS)
        if found is not None:
            raise InvalidInput(f"the input has {found}, which is the limit")
        try:
            size = len(canonical_json(input))
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the input is not JSON: {error}") from error
        if size > INPUT_BYTES_MAX:
            raise InvalidInput(f"the input is larger than {INPUT_BYTES_MAX} characters")
        # First, so that no message quotes what is taken out; and what is recorded fits the schema.
        input = redacted(input, (*SECRETS, *terms.redacts))[0]
        require(terms.input_schema, input, InvalidInput, f"the input of {workflow}")
        code = release.manifest.code_digest
        run = RunRecord(
            id=self.clock.id(),
            workflow=workflow,
            release=release.digest,
            code_digest=code,
            principal=principal,
            purpose=options.purpose,
            state="queued",
            input=input,
            created_at=self.clock.now(),
            queue=terms.queue,
            priority=options.priority,
            start_key=options.key,
            conversation=options.conversation,
            environment=self.environment if assignment is None else assignment.environment,
            assignment=assignment,
        )
        return self.runs.admit(run, room=self.room)

    def _refuse_stopped(self, release: Release, workflow: str, principal: Principal) -> None:
        target = Target(
            app=release.manifest.app,
            workflow=workflow,
            release=release.digest,
            tenant=principal.tenant,
        )
        # Read anew: a start is no hot path, and the operator sees at once that nothing begins.
        kill = stopping(kills_of(self.kills.active()), target)
        if kill is not None:
            raise KillSwitchPulled(kill.text, **{kill.scope: kill.which})

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
            moved_to = moved(run)
            if moved_to is not None:
                run_id = moved_to
                continue
            if run.state in FINAL_STATES:
                return run
            if time.monotonic() > until:
                raise RunTimedOut(
                    f"run {run_id} is still {run.state} after {timeout_s:g} s", run=run_id
                )
            await self.clock.pause(0.02)
