"""Where a release comes from: what a version control system says of the folder it was made in."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fairlead.core.digests import Json


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a release comes from; it is no part of what the release is.

    Attributes:
        commit: Name of the commit; empty when nobody knows.
        author: The name of its author, without an address.
        committed_at: When it was made, in seconds since 1970, UTC.
        dirty: Whether the folder had changes that no commit has.
        first_commit_at: When the first commit was made that the release before did not have, in
            seconds since 1970, UTC: from here on the change waits for its users.
    """

    commit: str = ""
    author: str = ""
    committed_at: float | None = None
    dirty: bool | None = None
    first_commit_at: float | None = None

    def json(self) -> dict[str, Json]:
        """Return what is known, by name."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value not in (None, "")}
