"""What is remembered: FL-800 to FL-829."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class MemoryInvalid(FairleadError):
    """What is to be remembered or asked cannot be; nothing of it was written."""

    code = "FL-800"
    hint = "Correct what the message names; nothing of this write was kept."


class MemoryMissing(FairleadError):
    """There is no such item for whoever asks."""

    code = "FL-801"
    hint = "Check the id and the tenant; `fairlead memory search` lists what is there."


class MemoryRefused(FairleadError):
    """The rules of admission do not let it become memory."""

    code = "FL-802"
    hint = (
        "Read `[[memory.admit]]` in fairlead.toml; a person may add it with `fairlead memory add`."
    )


class MemorySchemaOutOfRange(FairleadError):
    """Memory was written by a version of its schema that this release does not read."""

    code = "FL-803"
    hint = "Use a release that reads this version; `memory.reads` in fairlead.toml says which."


class VectorsUnavailable(FairleadError):
    """Vectors cannot be searched here."""

    code = "FL-804"
    hint = "Install what the message names, or set `memory.embedder` to none."


class MemoryUndeclared(FairleadError):
    """A workflow uses memory that it does not declare."""

    code = "FL-805"
    hint = "Declare it: `memory=Memory(remember=Remember(kinds=[...]))`, and make a release."


class MemoryKeyTaken(FairleadError):
    """Something else was written under the key of a write; nothing of this write was kept."""

    code = "FL-806"
    hint = (
        "Give what is said for the first time a key of its own. To correct the item that the "
        "message names, supersede it: `fairlead memory supersede ID TEXT`."
    )

    @classmethod
    def of(cls, key: str, item: str) -> MemoryKeyTaken:
        """Return the error of one key.

        Args:
            key: The key.
            item: Id of the item that was written under it.
        """
        said = key if len(key) <= 100 else f"{key[:100]}..."
        return cls(
            f"key {said!r} is that of item {item}, which says otherwise", key=said, item=item
        )


class MemoryFileInvalid(FairleadError):
    """A file that is to be imported cannot be read, or one of its lines is no item."""

    code = "FL-820"
    hint = (
        "Correct the line and import the file again: what is there already is merged. "
        "`docs/howto/operate-memory.md` says what a line holds."
    )


class MemoryExportFailed(FairleadError):
    """Items cannot be written to a file."""

    code = "FL-821"
    hint = "Choose another file, or write over it with --force."


class MemoryAppUnknown(FairleadError):
    """Nothing says which app's memory is meant."""

    code = "FL-822"
    hint = "Activate a release, or name the app in fairlead.toml: `[app]`, `name`."
