"""Backup and restore of the store: FL-220 to FL-229."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class BackupUnwritable(FairleadError):
    """A backup cannot be written there; nothing of it is left behind."""

    code = "FL-220"
    hint = "Name a file in a folder that you may write, on a disk with room for twice the store."


class BackupExists(FairleadError):
    """A backup would overwrite a file."""

    code = "FL-221"
    hint = "Choose another name, or overwrite it with `--force`."


class BackupUnreadable(FairleadError):
    """A backup's file is not there, or cannot be read."""

    code = "FL-222"
    hint = "Check the path and the file's rights."


class BackupDamaged(FairleadError):
    """A backup is not what was written: it was cut off or changed. Nothing was touched."""

    code = "FL-223"
    hint = (
        "Use another copy of it, or an older backup; `--drill` tries one without touching a store."
    )


class BackupForeign(FairleadError):
    """A file is no backup of Fairlead. Nothing was touched."""

    code = "FL-224"
    hint = "Name a file that `fairlead backup` wrote."


class BackupTooNew(FairleadError):
    """A backup was written by another version, which this one cannot read. Nothing was touched."""

    code = "FL-225"
    hint = "Restore it with the version of Fairlead that the message names, then upgrade."


class BackupOtherKind(FairleadError):
    """A backup is of another kind of database. Nothing was touched."""

    code = "FL-226"
    hint = "Name a database of that kind in `database.url`; a backup does not change kinds."


class StoreOccupied(FairleadError):
    """The store that is to be restored holds something, or workers use it. It was not touched."""

    code = "FL-227"
    hint = (
        "Stop the workers and make a backup of it; `--replace` then puts the restored one in place."
    )


class RestoreUnsound(FairleadError):
    """A restored store does not hold what it should, so it was not put in place."""

    code = "FL-228"
    hint = "Use another backup; `--unsound` takes this one as it is, and the event says so."


class ScratchUnavailable(FairleadError):
    """There is no place to restore a backup into before it counts."""

    code = "FL-229"
    hint = "Make room on the disk; on PostgreSQL let the user create databases."
