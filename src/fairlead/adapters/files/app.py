"""Reads an app's folder: its files for a release, its module for a worker."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from fairlead.core.errors import AppImportFailed, InvalidConfig
from fairlead.ports.app_files import AppFiles
from fairlead.settings import APP_FILE

_LOCKS = ("requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_BUNDLE = (
    ("prompts", ".md"),
    ("policies", ".cedar"),
    ("intents", ".toml"),
    ("evals", ".yaml"),
    ("tools", ".yaml"),
    ("tools", ".lock.json"),
)


def read_files(folder: Path) -> AppFiles:
    """Read what a release of an app is made from.

    Args:
        folder: The app's folder.

    Raises:
        InvalidConfig: A bundle file is not UTF-8.
    """
    code = dict(_files(folder, ".py"))
    for name in _LOCKS:
        if (folder / name).is_file():
            code[name] = _normal(folder / name)
    bundle = {APP_FILE: _normal(folder / APP_FILE)}
    for name, ending in _BUNDLE:
        for path, data in _files(folder / name, ending):
            bundle[f"{name}/{path}"] = data
    for path, data in bundle.items():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise InvalidConfig(f"{path} is not UTF-8", file=path) from error
    return AppFiles(code=code, bundle=bundle)


def load_object(folder: Path, reference: str) -> object:
    """Import an app's module and return the object that holds the app.

    Args:
        folder: The app's folder; its modules can import each other.
        reference: `file.py:variable`.

    Raises:
        AppImportFailed: The file is not there, does not import, or has no such variable.
    """
    name, _, variable = reference.partition(":")
    path = folder / name
    if not variable or not path.is_file():
        raise AppImportFailed(f"there is no {reference!r} in {folder}", module=reference)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(f"fairlead_app_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise AppImportFailed(f"{path} is no Python file", module=reference)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a module that exits would end the command as well
        raise AppImportFailed(
            f"{path} does not import: {type(error).__name__}: {error}", module=reference
        ) from error
    try:
        found: object = getattr(module, variable)
    except AttributeError as error:
        raise AppImportFailed(f"{path} has no variable {variable!r}", module=reference) from error
    return found


def _files(folder: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob(f"*{ending}")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
        if path.is_file() and not hidden:
            yield relative.as_posix(), _normal(path)


def _normal(path: Path) -> bytes:
    """A file's bytes with plain newlines: a checkout with others has the same digest."""
    return path.read_bytes().replace(b"\r\n", b"\n")
