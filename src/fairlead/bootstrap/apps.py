"""An app's folder: imported, read, and resolved into a manifest."""

from __future__ import annotations

from fairlead.authoring.app import App
from fairlead.core.errors import AppImportFailed, FlagsNotInstalled
from fairlead.core.release import Manifest
from fairlead.delivery.resolve import read_config, resolve
from fairlead.ports.app_files import AppFiles
from fairlead.settings import Settings


def load_app(settings: Settings) -> App:
    """Import the app that the settings name.

    Raises:
        AppImportFailed: It does not import, or is no `App`.
    """
    from fairlead.adapters.files.app import load_object

    found = load_object(settings.folder, settings.module)
    if not isinstance(found, App):
        raise AppImportFailed(f"{settings.module} is no fairlead.App", module=settings.module)
    return found


def read_app_files(settings: Settings) -> AppFiles:
    """Read the files that a release of the app is made from."""
    from fairlead.adapters.files.app import read_files

    return read_files(settings.folder)


def resolve_app(settings: Settings) -> tuple[App, AppFiles, Manifest]:
    """Import an app, read its files, and resolve both into a manifest, as the app declares it."""
    from fairlead.adapters.openfeature.flags import installed

    app, files = load_app(settings), read_app_files(settings)
    manifest = resolve(app, files, read_config(files))
    if any(terms.flags for terms in manifest.workflows.values()) and not installed():
        raise FlagsNotInstalled(f"app {app.name} declares flags, and nothing can evaluate them")
    return app, files, manifest
