"""Where the code of a release is executed from, and where its files come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fairlead.core.errors import FairleadError
from fairlead.core.provenance import Provenance
from fairlead.core.release import Release
from fairlead.delivery.archive import files_of
from fairlead.delivery.resolve import code_digest, read_config
from fairlead.ports.releases import ReleaseStore
from fairlead.settings import KEPT_IN, RELEASES, Settings, module_of


def materialised(settings: Settings, store: ReleaseStore, release: Release) -> Settings:
    """Return an app's settings with the folder and the module of a release; make the folder.

    How the process runs stays as the app's own folder says.

    Args:
        settings: The app's settings.
        store: Where the release's archive is.
        release: The release.

    Raises:
        ArchiveDamaged: Its archive is not what it was made from.
        CodeMismatch: It needs another Python or Fairlead than is here.
        ReleaseUnwritable: The folder cannot be made.
    """
    from fairlead.adapters.files.app import read_files
    from fairlead.adapters.files.released import materialise, tidy_up

    code = release.manifest.code_digest
    files = files_of(release, store.archive(release.archive))
    root = settings.folder / KEPT_IN / RELEASES

    def fits(made: Path) -> bool:
        try:
            return code_digest(read_files(made)) == code
        except (FairleadError, OSError):
            return False  # Something is gone, or cannot be read.

    folder = materialise(root, code, {**files.bundle, **files.code}, fits)
    tidy_up(root, settings.releases)
    # Releases of equal code share the folder, and may name another variable in it.
    return replace(settings, folder=folder, module=module_of(read_config(files)))


def read_provenance(folder: Path, released: bool, before: str) -> Provenance | None:
    """Return where an app's files come from; None when nobody knows.

    Args:
        folder: The app's folder.
        released: Whether there is a release before.
        before: The commit of the release before; empty when it is not known.
    """
    from fairlead.adapters.git.provenance import read_provenance as ask

    return ask(folder, released, before)
