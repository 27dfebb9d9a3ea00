"""What tools and guardrails may know of the run that calls them."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.identity import Principal


@dataclass(frozen=True, kw_only=True)
class Context:
    """The run behind a call.

    Attributes:
        run_id: The run.
        workflow: The run's workflow.
        release: Digest of the release that the run is pinned to.
        principal: Who asks.
        conversation: The run's conversation; empty for none.
        idempotency_key: Hand it to the outside system, so that it can tell a repeat; the same on
            every try and every recovery of this call. Empty in guardrails.
    """

    run_id: str
    workflow: str
    release: str
    principal: Principal
    conversation: str = ""
    idempotency_key: str = ""
