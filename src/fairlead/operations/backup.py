"""Backs the whole store up, puts a backup in its place, and drills that on the side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fairlead.bootstrap import (
    Platform,
    backup_files,
    open_platform,
    restore_place,
    restored_platform,
    snapshot_of,
)
from fairlead.core.access import permit
from fairlead.core.backup import Manifest
from fairlead.core.digests import Json
from fairlead.core.errors import BackupOtherKind, BackupUnwritable, RestoreUnsound, StoreOccupied
from fairlead.core.event import Fact
from fairlead.core.identity import Principal
from fairlead.operations.audit import verify_events
from fairlead.operations.erasure import hide_erased, reapply
from fairlead.operations.identity import acting, allow, operator
from fairlead.ports.backup import PartSource, Standing, StoreRestore, Written
from fairlead.settings import Settings

CHAIN = "store"
"""The chain of what happens to the store as a whole."""

FOLDER = Path(".fairlead") / "backups"
"""Where a backup goes that is given no name, from the app's folder."""

NAMED_MAX = 5
"""Findings that an error and an event name; all of them are counted."""

AfterRestore = Callable[[Platform], Sequence[str]]
"""Is called with a restored store before that counts, and returns a line for each thing it did.

What it raises stops the restore: nothing is put in place. It may be called again for the same
backup, and in a drill, so it must not matter how often. The platform's stores work, and all that
they write is in place together with the restored store; its queue does not.
"""


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """How a store is restored.

    Attributes:
        replace: Put it in the place of a store that holds runs or has workers.
        unsound: Put it in place although the verification found something.
        after_restore: What else is done to the restored store before it is put in place, in
            order; what was erased since the backup is erased again before that.
    """

    replace: bool = False
    unsound: bool = False
    after_restore: Sequence[AfterRestore] = ()


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A store that was restored, or tried in a scratch place.

    Attributes:
        file: The backup.
        digest: SHA-256 of the whole file.
        manifest: What the backup is.
        payloads: Payloads that were held against their digests.
        events: Events that were held against their chains.
        alive: Runs that had not ended when the backup was made: the next worker goes on with them.
        findings: What does not hold; empty unless it was put in place all the same.
        after: What was done to it before it was put in place.
        unchecked: Why it could not be looked whether something is back that was erased since the
            backup was made, and what to do; empty when it was looked.
        aside: Where the store is kept that stood there; None when nothing is.
        place: Where it stands now; None after a drill.
    """

    file: Path
    digest: str
    manifest: Manifest
    payloads: int
    events: int
    alive: int
    findings: tuple[str, ...]
    after: tuple[str, ...]
    aside: str | None
    place: str | None
    unchecked: str = ""


def back_up_store(platform: Platform, file: Path | None = None, *, force: bool = False) -> Written:
    """Write the whole store, as it is at one moment, into one file; workers go on meanwhile.

    Args:
        platform: The open platform.
        file: The file to make; None for one named by the time in `.fairlead/backups`.
        force: Overwrite a file that is there.

    Raises:
        RoleMissing: The principal is no admin.
        BackupExists: There is a file.
        BackupUnwritable: It cannot be written; nothing of it is left.
    """
    allow(platform, "backup")
    now = platform.clock.now()
    if file is None:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        file = platform.settings.folder / FOLDER / f"{stamp}.zip"
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"{file.parent} cannot be made: {error.strerror}"
            raise BackupUnwritable(message, file=str(file)) from error
    with backup_files().write(file, force=force) as sink:
        content = snapshot_of(platform).save(sink, sink.folder)
        written = sink.seal(content, fairlead=version("fairlead"), made_at=now)
    data = {**_named(written.digest, written.manifest), "bytes": written.bytes}
    platform.events.append(
        [Fact(chain=CHAIN, type="store.backed_up", data={**data, "by": operator(platform)})]
    )
    return written


def restore_store(
    settings: Settings,
    file: Path,
    options: RestoreOptions | None = None,
    *,
    by: Principal | None = None,
) -> Restored:
    """Put what a backup holds in the place of an app's store, all of it or nothing.

    Args:
        settings: The app's settings; they name the store.
        file: The backup.
        options: How.
        by: Who does it; None for the user of this machine.

    Raises:
        RoleMissing: They are no admin.
        StoreOccupied: The store there holds something, and `replace` was not said.
        RestoreUnsound: What was restored does not hold; nothing was put in place.
        FairleadError: The backup cannot be used: FL-222 to FL-226.
    """
    permit(by, "restore", required=settings.identity.required)
    options = options or RestoreOptions()
    place = restore_place(settings)
    with backup_files().read(file) as source:
        _of_kind(source, place)
        standing = place.standing(settings.lease_s)
        if not options.replace:
            _refuse_occupied(standing, place.where)
        done = _Restoring(settings=settings, source=source, file=file, by=by).into(place, options)
    with open_platform(settings) as opened:
        # What is erased again leaves the files too, which no transaction does.
        return replace(done, after=(*done.after, *reapply(acting(opened, by))))


def drill_store(
    platform: Platform, file: Path, after_restore: Sequence[AfterRestore] = ()
) -> Restored:
    """Restore a backup into a scratch place, verify everything, remove it, and record that.

    Args:
        platform: The open platform; its store is not touched, but for the event.
        file: The backup.
        after_restore: What is done to the restored store, as `restore_store` would.

    Raises:
        RoleMissing: The principal is no admin.
        RestoreUnsound: What was restored does not hold; that is recorded too.
        ScratchUnavailable: There is no scratch place.
        FairleadError: The backup cannot be used: FL-222 to FL-226.
    """
    allow(platform, "restore")
    settings, place = platform.settings, restore_place(platform.settings)
    with backup_files().read(file) as source, ExitStack() as stack:
        _of_kind(source, place)
        folder = Path()
        if place.scratch is not None:
            folder = stack.enter_context(backup_files().scratch(place.scratch))
        scratch = stack.enter_context(place.scratch_place(folder))
        restoring = _Restoring(settings=settings, source=source, file=file, by=platform.principal)
        data = {**_named(source.digest, source.manifest), "by": operator(platform)}
        try:
            done = restoring.into(scratch, RestoreOptions(after_restore=after_restore))
        except RestoreUnsound as error:
            data |= {"sound": False, "findings": [error.message]}
            platform.events.append([Fact(chain=CHAIN, type="store.drilled", data=data)])
            raise
    platform.events.append([Fact(chain=CHAIN, type="store.drilled", data={**data, "sound": True})])
    return replace(done, place=None)


@dataclass(frozen=True, kw_only=True)
class _Restoring:
    """A backup that is restored, wherever to."""

    settings: Settings
    source: PartSource
    file: Path
    by: Principal | None

    def into(self, place: StoreRestore[Any], options: RestoreOptions) -> Restored:
        with ExitStack() as stack:
            folder = Path()
            if place.scratch is not None:
                folder = stack.enter_context(backup_files().scratch(place.scratch))
            staged = stack.enter_context(place.staged(self.source, folder))
            opened = stack.enter_context(restored_platform(self.settings, staged.database))
            platform = acting(opened, self.by)
            # First of all: what was erased since the backup was made must not come back with it.
            acts = (hide_erased, *options.after_restore)
            after = tuple(line for act in acts for line in act(platform))
            log = verify_events(platform)
            findings = (*staged.unsound(), *log.findings)
            if findings and not options.unsound:
                raise RestoreUnsound(_counted(findings))
            unchecked = _unchecked(platform)
            self._record(platform, after, findings, unchecked)
            return Restored(
                file=self.file,
                digest=self.source.digest,
                manifest=self.source.manifest,
                payloads=self.source.manifest.content.tables.get("blobs", 0),
                events=log.events,
                alive=staged.standing(self.settings.lease_s).alive,
                findings=findings,
                after=after,
                aside=staged.aside,
                place=place.where,
                unchecked=unchecked,
            )

    def _record(
        self,
        platform: Platform,
        after: Sequence[str],
        findings: Sequence[str],
        unchecked: str,
    ) -> None:
        data = {**_named(self.source.digest, self.source.manifest), "by": operator(platform)}
        if after:
            data |= {"changes": len(after), "after": list(after[:NAMED_MAX])}
        if unchecked:
            data["erasures_unchecked"] = True
        if findings:
            data |= {"found": len(findings), "findings": list(findings[:NAMED_MAX])}
        platform.events.append([Fact(chain=CHAIN, type="store.restored", data=data)])


def _unchecked(platform: Platform) -> str:
    """Return why it cannot be known what was erased since a backup; empty when it can."""
    ledger = platform.erasing.ledger
    if ledger.there():
        return ""
    return (
        f"there is no ledger of erasures here ({ledger.where}), so what was erased after this "
        "backup was made may be back. If something was: copy that file from the machine that "
        "erased it, and restore once more; if that machine is lost, erase it again"
    )


def _of_kind(source: PartSource, place: StoreRestore[Any]) -> None:
    kind = source.manifest.content.kind
    if kind != place.kind:
        message = f"the backup is of a store on {kind}, and {place.where} is on {place.kind}"
        raise BackupOtherKind(message, database=place.where)


def _refuse_occupied(standing: Standing, where: str) -> None:
    if not standing.readable:
        raise StoreOccupied(f"{where} is there and is no database", database=where)
    held = {
        "runs": standing.runs,
        "not ended": standing.alive,
        "events": standing.events,
        "living workers": standing.workers,
    }
    said = [f"{what}: {count}" for what, count in held.items() if count]
    if said:
        raise StoreOccupied(f"the store {where} is in use ({', '.join(said)})", database=where)


def _named(digest: str, manifest: Manifest) -> dict[str, Json]:
    """Return what every event on a backup says of it."""
    content = manifest.content
    return {
        "backup": digest,
        "made_at": manifest.made_at,
        "schema": content.schema,
        "rows": content.rows,
        "events": content.heads.events,
        "heads": content.heads.digest,
    }


def _counted(findings: Sequence[str]) -> str:
    more = len(findings) - NAMED_MAX
    said = "; ".join(findings[:NAMED_MAX])
    return f"the restored store does not hold: {said}" + (f"; and {more} more" if more > 0 else "")
