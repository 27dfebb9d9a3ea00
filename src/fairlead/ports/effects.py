"""The ledger of effects: what was meant to happen outside, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from fairlead.core.calls import Call, Effect
from fairlead.core.digests import Json
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Order

EffectState: TypeAlias = Literal[
    "intended", "done", "failed", "unknown", "reconciled", "compensated"
]


@dataclass(frozen=True, kw_only=True)
class EffectRecord:
    """One effect, by its idempotency key.

    Attributes:
        key: The idempotency key, as the call has it.
        run_id: The run that intended it last.
        number: The call in that run.
        tool: The tool.
        tenant: The run's tenant.
        effect: idempotent or once.
        state: intended (in flight, or its worker died), done, failed, unknown (it may have
            happened), reconciled (it was found out that it happened), compensated (undone).
        arguments_digest: Digest of what was asked.
        arguments: What was asked.
        result: What came back; None when nothing did.
        undone: How often it was compensated.
        reason: Why it failed or is unknown; empty otherwise.
        by: Who found out; empty while nobody had to.
        intended_at: Seconds since 1970, UTC.
        finished_at: The same; None while it is only intended.
        in_flight: Whether another run, which lives, executes it at this moment.
    """

    key: str
    run_id: str
    number: int
    tool: str
    tenant: str
    effect: Effect
    state: EffectState
    arguments_digest: str
    arguments: Json
    intended_at: float
    result: Json = None
    undone: int = 0
    reason: str = ""
    by: str = ""
    finished_at: float | None = None
    in_flight: bool = False

    @property
    def handed_key(self) -> str:
        """The key that the tool gets: after an undoing the next execution is another effect."""
        return f"{self.key}~{self.undone}" if self.undone else self.key


class EffectsLedger(Protocol):
    """Keeps effects, each change with its event."""

    def find(self, call: Call) -> EffectRecord | None:
        """Return what is known of a call's effect; None when nothing is."""
        ...

    def intend(
        self,
        call: Call,
        tenant: str,
        fence: Fence,
        *,
        at: float | None = None,
        cleared: bool = False,
    ) -> tuple[EffectRecord | None, str]:
        """Record that an effect is about to happen, unless what is known forbids it.

        Args:
            call: The call.
            tenant: The run's tenant.
            fence: Under which claim.
            at: When this try began, in seconds since 1970. A try whose commit was made and not
                answered says the same time again, and so finds its own row; None is now.
            cleared: It was found out that what is in doubt did not happen.

        Returns:
            What was on record before, None for nothing, and the key that the tool gets. Nothing
            was changed when the record before is done, reconciled or in flight; or, unless it was
            cleared, when it is unknown or a `once` effect that was intended.

        Raises:
            LeaseLost: The run belongs to another claim by now.
            KeyReused: The key stands in the ledger with other arguments.
        """
        ...

    def undo(self, key: str) -> None:
        """Record that an effect was compensated."""
        ...

    def of_run(self, run_id: str) -> Sequence[EffectRecord]:
        """Return the effects that a run intended, in the order of its calls."""
        ...

    def list(
        self, *, state: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[EffectRecord]:
        """Return effects, oldest first, of one tenant or of all."""
        ...

    def resolve(self, key: str, happened: bool, result: Json, order: Order) -> EffectRecord:
        """Record what a person found out about an unknown effect, and wake the run that waits.

        Args:
            key: The effect, or a prefix that only one has.
            happened: Whether it happened.
            result: What the tool would have returned; only when it happened.
            order: Who found out, and how.

        Raises:
            UnknownEffectKey: There is no such effect.
            EffectSettled: It is not unknown.
        """
        ...
