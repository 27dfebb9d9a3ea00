"""What a user handed in: FL-0xx and FL-1xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class AppFileMissing(FairleadError):
    """There is no `fairlead.toml` here."""

    code = "FL-001"
    hint = "Run this in an app's folder, name it with --app, or begin with `fairlead init DIR`."


class AppImportFailed(FairleadError):
    """The app's module does not import, or holds no `App`."""

    code = "FL-002"
    hint = "Fix the import error that is shown; `module` in fairlead.toml names `file:variable`."


class UnknownWorkflow(FairleadError):
    """No workflow of that name is in the app or the release."""

    code = "FL-003"
    hint = "Use one of the names that the message lists."


class InvalidInput(FairleadError):
    """A run's input does not fit the workflow's schema."""

    code = "FL-004"
    hint = "Correct the fields that the message names; nothing was started."


class InvalidConfig(FairleadError):
    """A value in `fairlead.toml`, an intent page or the environment is not understood."""

    code = "FL-005"
    hint = "Correct the key that the message names; docs/reference/settings.md lists all of them."


class InvalidDeclaration(FairleadError):
    """A decorator was given something that it cannot declare."""

    code = "FL-006"
    hint = "Correct the declaration in the app's code."


class TargetExists(FairleadError):
    """`fairlead init` would overwrite files."""

    code = "FL-007"
    hint = "Choose a folder that does not exist or is empty."


class TargetUnwritable(FairleadError):
    """`fairlead init` cannot write there."""

    code = "FL-008"
    hint = "Choose a folder in which you may write, on a disk that is not full."


class DocumentEmpty(FairleadError):
    """A document holds no text."""

    code = "FL-110"
    hint = "Remove the file, or put text in it."


class DocumentBinary(FairleadError):
    """A file with a text ending holds binary data."""

    code = "FL-111"
    hint = "Remove the file from the folder, or convert it to text."


class DocumentEncoding(FairleadError):
    """A document is not UTF-8."""

    code = "FL-112"
    hint = "Convert the file to UTF-8."


class DocumentTooLarge(FairleadError):
    """A document is larger than the limit."""

    code = "FL-113"
    hint = "Split the file; the limit is the setting `ingest.max_bytes`."


class DocumentOutside(FairleadError):
    """A link leads out of the folder that is ingested."""

    code = "FL-114"
    hint = "Copy the file into the folder, or remove the link."


class DocumentUnreadable(FairleadError):
    """A file cannot be read."""

    code = "FL-115"
    hint = "Check the file's rights, where a link leads, and that the file is whole."


class DocumentUnsupported(FairleadError):
    """A file's kind needs an extra that is not installed."""

    code = "FL-116"
    hint = "Install the extra that the message names, such as fairlead[pdf]."


class CollectionMissing(FairleadError):
    """The folder to ingest, or the collection to read, is not there."""

    code = "FL-117"
    hint = "Correct the path, or run `fairlead ingest` for the collection."
