"""Imports an app's modules from their source, and never from what Python compiled of it before.

A digest is made from the source. Python takes a compiled module for that of a source whose size and
second of change are the same: files unpacked with a fixed date, or written twice within a second,
would run under the digest of one text and do what another one said.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType

_INSTALLED = {"site-packages", "dist-packages"}
_folders: set[Path] = set()


class SourceLoader(SourceFileLoader):
    """Loads a module from its source; compiled modules are not read, nor written."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source of a module."""
        path = self.get_filename(fullname)
        compiled: CodeType = self.source_to_code(self.get_data(path), path)
        return compiled


def spec_of(name: str, path: Path) -> ModuleSpec | None:
    """How a file is imported as a module of a name; None when it is no Python file."""
    if path.suffix not in SOURCE_SUFFIXES:
        return None
    return importlib.util.spec_from_file_location(name, path, loader=SourceLoader(name, str(path)))


def import_from(folder: Path) -> None:
    """Let the modules of a folder be imported by name, by this process, from their source.

    Args:
        folder: An app's folder. What a package manager installed below it is left to Python.
    """
    if _finder not in sys.path_hooks:
        sys.path_hooks.insert(0, _finder)
    _folders.add(folder.absolute())
    for known in [path for path in sys.path_importer_cache if _is_apps(path)]:
        del sys.path_importer_cache[known]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _finder(path: str) -> FileFinder:
    """Find the modules of one folder; what is none of an app's is left to the next hook."""
    if not _is_apps(path):
        raise ImportError(path=path)
    return FileFinder(
        path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, SOURCE_SUFFIXES)
    )


def _is_apps(path: str) -> bool:
    folder = Path(path).absolute()
    return folder.is_dir() and any(
        folder.is_relative_to(app) and not _INSTALLED & set(folder.relative_to(app).parts)
        for app in _folders
    )
