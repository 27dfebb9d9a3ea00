"""The database: FL-2xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class StoreReadOnly(FairleadError):
    """The database cannot be written."""

    code = "FL-200"
    hint = "Let the process write the file and its folder; PostgreSQL: name the primary server."


class StoreFull(FairleadError):
    """The disk or the database is full."""

    code = "FL-201"
    hint = "Free disk space, then start the command again; what was committed is kept."


class StoreLocked(FairleadError):
    """Another process holds the database."""

    code = "FL-202"
    hint = "Wait for the other process, or stop it; `fuser FILE` or `pg_stat_activity` names it."


class StoreCorrupt(FairleadError):
    """The database is damaged or is no database."""

    code = "FL-203"
    hint = "Restore the database from a backup; do not delete it before you have a copy."


class StoreTooNew(FairleadError):
    """The database was written by a newer Fairlead."""

    code = "FL-204"
    hint = "Upgrade Fairlead here to at least the version that wrote the database."


class StoreUnavailable(FairleadError):
    """The database cannot be opened or reached."""

    code = "FL-205"
    hint = "Check the setting `database.url`, and that its folder exists or its server answers."
