"""What an operator sees of budgets, and stops with kill switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.bootstrap import Platform
from fairlead.core.access import permit_kill
from fairlead.core.amounts import Amount
from fairlead.core.budget import Budget
from fairlead.core.errors import InvalidInput, ReasonMissing
from fairlead.core.kill import WHICH_CHARS_MAX, Kill, KillScope
from fairlead.core.release import Manifest
from fairlead.operations.identity import allow, ordered, reach
from fairlead.ports.budgets import PotRecord
from fairlead.ports.runs import Order


@dataclass(frozen=True, kw_only=True)
class BudgetUse:
    """A budget of one tenant, workflow, model, app or run in its present window.

    Attributes:
        app: The app.
        name: The budget's name.
        scope: Whose use is counted together.
        value: Whose it is; `*` for a budget of which nothing was used yet.
        limit: The bound of each unit that has one: calls, tokens, nano_usd, ms.
        used: What is reserved and used.
        leased: What workers have leased and not spent; they give it back when it is needed.
        begins_at: When the window began, in seconds since 1970; None when nothing was used yet.
        ends_at: When it ends; None for a run's, which does not.
        exhausted_at: When a call was refused first in this window; None for never.
    """

    app: str
    name: str
    scope: str
    value: str
    limit: dict[str, int]
    used: Amount
    leased: Amount
    begins_at: float | None
    ends_at: float | None
    exhausted_at: float | None


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A kill switch that was pulled.

    Attributes:
        kill: The switch.
        new: Whether it was not pulled before.
        known: Whether some release has what it names; a tenant is never looked up.
    """

    kill: Kill
    new: bool
    known: bool


def list_budgets(platform: Platform, *, limit: int = 50) -> Sequence[BudgetUse]:
    """Return budgets with what is used of them, those that were used last first.

    Budgets of the active release of which nothing was used yet stand at the end.

    Args:
        platform: The open platform.
        limit: Most rows.
    """
    allow(platform, "budgets list")
    found = [_use(pot) for pot in platform.budgets.list(limit=limit)]
    history = platform.release_store.history(platform.settings.environment)
    if history:
        manifest = platform.release_store.get(history[-1].release).manifest
        there = {(use.app, use.name, use.scope) for use in found}
        found += [
            _unused(manifest.app, budget)
            for budget in manifest.budgets
            if (manifest.app, budget.name, budget.scope) not in there
        ]
    return found[:limit]


def _use(pot: PotRecord) -> BudgetUse:
    return BudgetUse(
        app=pot.app,
        name=pot.name,
        scope=pot.scope,
        value=pot.value,
        limit=pot.limit,
        used=pot.used,
        leased=pot.leased,
        begins_at=pot.begins_at,
        ends_at=pot.ends_at,
        exhausted_at=pot.exhausted_at,
    )


def _unused(app: str, budget: Budget) -> BudgetUse:
    return BudgetUse(
        app=app,
        name=budget.name,
        scope=budget.scope,
        value=budget.which,
        limit=budget.limit,
        used=Amount(),
        leased=Amount(),
        begins_at=None,
        ends_at=None,
        exhausted_at=None,
    )


def list_kills(platform: Platform) -> Sequence[Kill]:
    """Return the kill switches that are pulled, the newest first.

    Args:
        platform: The open platform.
    """
    allow(platform, "kill list")
    return platform.kills.active()


def pull_kill(platform: Platform, scope: KillScope, which: str, order: Order) -> Pulled:
    """Stop something on all workers, within a second, until it is lifted.

    Args:
        platform: The open platform.
        scope: What kind of thing is stopped.
        which: Its name; a release by its id, or how that begins.
        order: Who and why.

    Raises:
        RoleMissing: It stops runs of other tenants too, and whoever asks is no admin.
        ReasonMissing: It is not said why.
        UnknownRelease: There is no such release.
        KillsFull: Too many are pulled.
    """
    order = ordered(platform, f"kill {scope}", order)
    _permit(platform, scope, which)
    if not order.reason.strip():
        raise ReasonMissing("say why it is stopped: everybody who is refused reads it")
    which = _which(platform, scope, which)
    kill, new = platform.kills.pull(scope, which, order)
    return Pulled(kill=kill, new=new, known=_known(platform, scope, which))


def lift_kill(platform: Platform, scope: KillScope, which: str, order: Order) -> Kill:
    """Let something go on that was stopped; queued runs of it begin.

    Args:
        platform: The open platform.
        scope: What kind of thing it is.
        which: Its name; a release by its id, or how that begins.
        order: Who and why.

    Returns:
        The switch as it was.

    Raises:
        RoleMissing: It stops runs of other tenants too, and whoever asks is no admin.
        ReasonMissing: It is not said why.
        KillNotFound: It is not stopped.
    """
    order = ordered(platform, "kill lift", order)
    _permit(platform, scope, which)
    if not order.reason.strip():
        raise ReasonMissing("say why it may go on")
    return platform.kills.lift(scope, _which(platform, scope, which), order)


def _permit(platform: Platform, scope: KillScope, which: str) -> None:
    own = reach(platform)
    shared = own is not None and platform.runs.has_others(own)
    permit_kill(platform.principal, scope, which, shared=shared)


def _which(platform: Platform, scope: KillScope, which: str) -> str:
    if not which.strip() or len(which) > WHICH_CHARS_MAX or not which.isprintable():
        raise InvalidInput(f"a name has from 1 to {WHICH_CHARS_MAX} printable characters")
    return platform.release_store.get(which).digest if scope == "release" else which


def _known(platform: Platform, scope: KillScope, which: str) -> bool:
    """Whether some release has what a switch names: a mistyped name would stop nothing."""
    if scope in ("tenant", "release"):
        return True
    return any(which in _names(one.manifest, scope) for one in platform.release_store.list())


def _names(manifest: Manifest, scope: KillScope) -> set[str]:
    if scope == "app":
        return {manifest.app}
    if scope == "workflow":
        return set(manifest.workflows)
    if scope == "tool":
        return set(manifest.contracts)
    models = {name for terms in manifest.workflows.values() for name in terms.fallbacks}
    models |= {terms.model for terms in manifest.workflows.values()}
    return models | {name.removeprefix("model:") for name in manifest.rates}
