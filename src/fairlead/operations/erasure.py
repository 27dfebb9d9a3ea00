"""Erases what is remembered for certain, and looks whether it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.bootstrap import Platform
from fairlead.core.digests import Json
from fairlead.core.erasure import (
    LEFT_MAX,
    VALUE_CHARS_MAX,
    VALUE_CHARS_MIN,
    VALUES_MAX,
    Erasure,
    Target,
    Trace,
)
from fairlead.core.errors import ErasedValueInvalid, ErasureUnknown, InvalidInput, UnknownRelease
from fairlead.core.event import Fact
from fairlead.operations.identity import allow, chosen_tenant, operator, ordered, reach
from fairlead.ports.runs import Order

_AGAIN = "again after a restore"


@dataclass(frozen=True, kw_only=True)
class ErasureReport:
    """What a look for what was erased found.

    Attributes:
        erasure: Id of the erasure.
        ended: Whether the erasure itself has come to its end.
        checks: What was looked at, with whether it held; None where no value was given.
        traces: Where a value still stands, the first of them.
        found: How many such places there are.
    """

    erasure: str
    ended: bool
    checks: dict[str, bool | None]
    traces: tuple[Trace, ...]
    found: int

    @property
    def clean(self) -> bool:
        """Whether nothing was found of what could be looked at."""
        return self.ended and not self.found and False not in self.checks.values()


def erase(
    platform: Platform, target: Target, order: Order, *, tenant: str | None = None
) -> Erasure:
    """Erase items with all that was derived from them, wherever it stands.

    Args:
        platform: The open platform.
        target: What is to be erased.
        order: Who and why.
        tenant: Whose items they are, in the active release's app; None for the principal's own.

    Returns:
        The erasure: at its end, or at the stage `runs` while a run lives that got one of the items;
        workers go on with it.

    Raises:
        NothingToErase: Nothing fits, or an id is unknown; nothing was begun.
        ErasedValueInvalid: A value is too short or too long; nothing was begun.
        ErasureTooLarge: Too much fits; nothing was begun.
        StoreLocked: Somebody holds the database; go on with `resume_erasure`.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "memory erase", order)
    whose = chosen_tenant(platform, tenant)
    _check(target.values)
    if not (target.ids or target.subject or target.source or target.values):
        raise InvalidInput("name what is to be erased: ids, a subject, a source, or values")
    erasing = platform.erasing
    begun = erasing.store.begin(whose, _app(platform), target, order)
    return erasing.carry_out(begun.id)


def resume_erasure(platform: Platform, erasure_id: str) -> Erasure:
    """Go on with an erasure whose process died, or that waits for a run.

    Args:
        platform: The open platform.
        erasure_id: The erasure; one that has ended stays as it is.

    Raises:
        ErasureUnknown: There is none of this id.
        ErasureHeld: Another process is at it.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "memory erase")
    return platform.erasing.carry_out(_reached(platform, erasure_id).id)


def verify_erasure(
    platform: Platform, erasure_id: str, values: Sequence[str] = ()
) -> ErasureReport:
    """Look whether what was erased is gone; the log notes that somebody looked.

    Without values the items, what was derived from them and the tombstones are looked at. Values
    are searched in all rows and in the raw bytes of files, and fed again, which must be refused.

    Args:
        platform: The open platform.
        erasure_id: The erasure.
        values: What must stand nowhere, such as the texts that were erased; nothing keeps them.

    Raises:
        ErasureUnknown: There is none of this id.
        ErasedValueInvalid: A value is too short or too long.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "memory verify")
    _check(values)
    erasing = platform.erasing
    erasure = _reached(platform, erasure_id)
    found = erasing.look(erasure, values)
    report = ErasureReport(
        erasure=erasure.id,
        ended=erasure.ended,
        checks=found.checks,
        traces=found.traces[:LEFT_MAX],
        found=len(found.traces),
    )
    data: dict[str, Json] = {
        "erasure": erasure.id,
        "by": operator(platform),
        "values": erasing.store.evidence(values),
        "checks": dict(report.checks),
        "traces": [str(one) for one in report.traces],
        "clean": report.clean,
    }
    erasing.store.note(Fact(chain=f"memory:{erasure.tenant}", type="memory.verified", data=data))
    return report


def hide_erased(platform: Platform) -> list[str]:
    """Hide what the ledger says was erased and the database does not know of; tombstones stand.

    Call it while a backup is restored, before anything else uses the database: the rest may follow.

    Args:
        platform: The open platform; its database may be a part of a transaction.

    Returns:
        What was done, a sentence for each erasure; nothing when the database knows them all.

    Raises:
        LedgerUnusable: The ledger cannot be read.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "memory erase")
    erasing = platform.erasing
    done = []
    for noted in erasing.ledger.all():
        order = Order(by=noted.by, reason=f"{noted.reason} ({_AGAIN})")
        try:
            erasing.store.get(noted.id)
        except ErasureUnknown:
            back = len(erasing.store.restore(replace(noted, reason=order.reason), order))
            done.append(
                f"erasure {noted.id} was unknown: its tombstones stand again, and {back} items "
                "were there again"
            )
    return done


def reapply(platform: Platform) -> list[str]:
    """Erase once more what the ledger says was erased and the database does not know of.

    Call it when an older backup was restored; `hide_erased` comes before that.

    Args:
        platform: The open platform.

    Returns:
        What was done, a sentence for each erasure; nothing when the database knows them all.

    Raises:
        LedgerUnusable: The ledger cannot be read.
        RoleMissing: The principal's roles do not allow it.
    """
    done, erasing = hide_erased(platform), platform.erasing
    for noted in erasing.ledger.all():
        if erasing.store.get(noted.id).ended:
            continue
        erasure = erasing.carry_out(noted.id)
        end = "has ended" if erasure.ended else f"waits at stage {erasure.stage}"
        done.append(f"erasure {noted.id} was gone on with, and {end}")
    return done


def _app(platform: Platform) -> str:
    """Return the app that remembers: the active release's, or what fairlead.toml names."""
    try:
        return platform.releases.current().manifest.app
    except UnknownRelease:
        table = platform.settings.config.get("app")
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and name:
            return name
        raise


def _check(values: Sequence[str]) -> None:
    if len(values) > VALUES_MAX:
        raise ErasedValueInvalid(f"{len(values)} values were named, and {VALUES_MAX} are the most")
    for place, value in enumerate(values, start=1):
        # No message says it: messages are logged.
        if len(value.strip()) < VALUE_CHARS_MIN:
            raise ErasedValueInvalid(f"value {place} has fewer than {VALUE_CHARS_MIN} characters")
        if len(value) > VALUE_CHARS_MAX:
            raise ErasedValueInvalid(f"value {place} has more than {VALUE_CHARS_MAX} characters")


def _reached(platform: Platform, erasure_id: str) -> Erasure:
    """Return an erasure, when whoever acts on the platform may see it."""
    erasure = platform.erasing.store.get(erasure_id)
    if reach(platform) not in (None, erasure.tenant):
        raise ErasureUnknown(f"there is no erasure {erasure_id}", erasure=erasure_id)
    return erasure
