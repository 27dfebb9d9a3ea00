"""How a release is made of an app's files: with their archive, and with where they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fairlead.bootstrap import Platform, read_provenance
from fairlead.core.archive import Archive
from fairlead.core.errors import FairleadError
from fairlead.core.provenance import Provenance
from fairlead.core.release import Manifest, Release
from fairlead.delivery.archive import archive_of
from fairlead.ports.app_files import AppFiles


@dataclass(frozen=True, kw_only=True)
class Making:
    """A release that is about to be made; what would refuse it has been looked at.

    Attributes:
        platform: The open platform.
        archive: The app's files.
        provenance: Where they come from; None when nobody knows.
    """

    platform: Platform
    archive: Archive
    provenance: Provenance | None

    @classmethod
    def of(cls, platform: Platform, files: AppFiles, stated: Provenance | None = None) -> Making:
        """Read all that a release needs beside its manifest.

        Args:
            platform: The open platform.
            files: The app's files.
            stated: What is known of where it comes from; it wins over what git says.

        Raises:
            ArchiveTooLarge: The files are too large.
            SecretInRelease: One of them holds a secret.
        """
        archive = archive_of(files, platform.settings.archive_bytes)
        return cls(platform=platform, archive=archive, provenance=_origin(platform, stated))

    def make(self, manifest: Manifest) -> tuple[Release, bool]:
        """Store the release; return it, and whether it is new."""
        return self.platform.releases.create(
            manifest, archive=self.archive, provenance=self.provenance
        )


def _origin(platform: Platform, stated: Provenance | None) -> Provenance | None:
    found = read_provenance(platform.settings.folder, *_before(platform))
    if stated is None:
        return found
    if found is None or (stated.commit and found.commit != stated.commit):
        # What git says here is about another commit than the one that is stated.
        return stated
    return replace(found, **stated.json())


def _before(platform: Platform) -> tuple[bool, str]:
    """Return whether a release is active, and the commit that it was made of."""
    try:
        active = platform.releases.current()
    except FairleadError:
        # None is, or it is damaged: then its commit is not to be trusted.
        history = platform.release_store.history(platform.settings.environment)
        return bool(history), ""
    return True, active.provenance.commit if active.provenance else ""
