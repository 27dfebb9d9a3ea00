"""The event log: FL-7xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class ChainBroken(FairleadError):
    """The event log was changed after it was written."""

    code = "FL-700"
    hint = "Keep the database as evidence, and compare it with your latest backup."


class AuditBroken(FairleadError):
    """The event log is not what its signed checkpoints say."""

    code = "FL-701"
    hint = "Keep the database and the checkpoint file as evidence, and compare both with a backup."


class AuditKeyMissing(FairleadError):
    """There is no key to sign checkpoints with, or to check them by."""

    code = "FL-702"
    hint = "Make one with `fairlead audit init`, or name a public key with `--key`."


class AuditKeyExists(FairleadError):
    """A key would be overwritten, and with it the way to sign as before."""

    code = "FL-703"
    hint = "Move the private key away to make a new one; the file of public keys keeps both."


class CheckpointFileUnusable(FairleadError):
    """The checkpoint file cannot be written, or is not what was written."""

    code = "FL-704"
    hint = "Look at `audit.file`; move a file that was changed away, and a new one is made."


class ExportUnreadable(FairleadError):
    """A file is no export of the event log, or cannot be read or written."""

    code = "FL-705"
    hint = "Make one with `fairlead audit export`."
