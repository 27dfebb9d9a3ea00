"""Archives of releases: FL-900 to FL-909."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class ArchiveDamaged(FairleadError):
    """The archive of a release is not what the release was made from; nothing was executed."""

    code = "FL-900"
    hint = (
        "Restore it from a backup, or start the worker in a folder that holds the release's code."
    )


class ArchiveTooLarge(FairleadError):
    """An app's files are too large, or named so that no archive holds them; nothing is stored."""

    code = "FL-901"
    hint = "Name fewer files in app.files, or raise database.archive_bytes in fairlead.toml."


class ReleaseUnwritable(FairleadError):
    """The files of a release cannot be put below the app's folder; nothing was executed."""

    code = "FL-902"
    hint = "Let the worker write to .fairlead/releases in the app's folder, and look at its disk."
