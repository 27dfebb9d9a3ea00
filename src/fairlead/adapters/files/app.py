"""Reads an app's folder: its files for a release, its module for a worker."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fairlead.adapters.files.importing import import_from, spec_of
from fairlead.core.errors import (
    AppImportFailed,
    CodeMismatch,
    InvalidBaseline,
    InvalidConfig,
    InvalidInput,
)
from fairlead.ports.app_files import AppFiles
from fairlead.settings import APP_FILE, KEPT_IN, RELEASES

_LOCKS = ("requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_BUNDLE = (
    ("prompts", ".md"),
    ("policies", ".cedar"),
    ("guardrails", ".yaml"),
    ("intents", ".toml"),
    ("evals", ".yaml"),
    ("flags", ".json"),
    ("tools", ".yaml"),
    ("tools", ".lock.json"),
)
_PATTERN = re.compile(r"[^/\\\x00].*")
_RELEASED = (KEPT_IN, RELEASES)
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def read_files(folder: Path) -> AppFiles:
    """Read what a release of an app is made from.

    Args:
        folder: The app's folder.

    Raises:
        InvalidConfig: A bundle file is not UTF-8, or `app.files` names none that is there.
    """
    code = dict(_files(folder, ".py"))
    for name in _LOCKS:
        if (folder / name).is_file():
            code[name] = _normal(folder / name)
    bundle = {APP_FILE: _normal(folder / APP_FILE)}
    shadow = _shadow(bundle[APP_FILE])
    for name, ending in (*_BUNDLE, *(((shadow, ".cedar"),) if shadow else ())):
        for path, data in _files(folder / name, ending):
            bundle[f"{name}/{path}"] = data
    _check_text(bundle)
    for path in _read_by_code(folder, bundle[APP_FILE]):
        # A process has one copy of what its code reads, so it is a part of the code. It stays as it
        # is, byte for byte, unless it is a part of the release already.
        if path not in code and path != APP_FILE:
            code[path] = bundle.get(path) or (folder / path).read_bytes()
    return AppFiles(code=code, bundle=bundle)


def read_baseline(folder: Path) -> AppFiles:
    """Read the folder of a baseline: `baseline.toml` and its policies.

    Args:
        folder: The platform team's folder.

    Raises:
        InvalidBaseline: It holds no `baseline.toml`.
        InvalidConfig: A file is not UTF-8.
    """
    path = folder / "baseline.toml"
    if not path.is_file():
        raise InvalidBaseline(f"there is no baseline.toml in {folder}", folder=str(folder))
    bundle = {path.name: _normal(path)}
    for name, data in _files(folder / "policies", ".cedar"):
        bundle[f"policies/{name}"] = data
    _check_text(bundle)
    return AppFiles(code={}, bundle=bundle)


def read_policies(paths: Sequence[Path]) -> dict[str, str]:
    """Read policies from files and folders; texts by path.

    Raises:
        InvalidInput: There is no policy.
        InvalidConfig: A file is not UTF-8.
    """
    found: dict[str, bytes] = {}
    for path in paths:
        if path.is_dir():
            found |= {f"{path.name}/{name}": data for name, data in _files(path, ".cedar")}
        elif path.is_file():
            found[path.name] = _normal(path)
        else:
            raise InvalidInput(f"there is no file and no folder {path}")
    if not found:
        raise InvalidInput(f"there is no policy in {', '.join(map(str, paths))}")
    _check_text(found)
    return {name: data.decode() for name, data in found.items()}


def _check_text(files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise InvalidConfig(f"{path} is not UTF-8", file=path) from error


def _shadow(config: bytes) -> str:
    """Return the folder of the policies that are only tried; empty for none.

    What is wrong with the file is said by whoever reads all of it.
    """
    try:
        table = tomllib.loads(config.decode()).get("policy", {})
        name = table.get("shadow", "") if isinstance(table, dict) else ""
    except ValueError:
        return ""
    taken = {folder for folder, _ in _BUNDLE} - {"policies"}
    fits = isinstance(name, str) and _FOLDER.fullmatch(name) and name not in taken
    return name if fits else ""


def _read_by_code(folder: Path, config: bytes) -> Iterator[str]:
    """Yield the paths of the files that `app.files` names.

    Raises:
        InvalidConfig: It is no list of patterns, or one of them fits no file.
    """
    try:
        app = tomllib.loads(config.decode()).get("app", {})
    except ValueError:
        return  # What is wrong with the file is said by whoever reads all of it.
    patterns = app.get("files", []) if isinstance(app, dict) else []
    if not isinstance(patterns, list):
        raise InvalidConfig("app.files must be a list of patterns", key="app.files")
    for pattern in patterns:
        if (
            not isinstance(pattern, str)
            or not _PATTERN.fullmatch(pattern)
            or ".." in pattern.split("/")
        ):
            raise InvalidConfig(
                f"app.files: {pattern!r} is no pattern of paths below the app's folder",
                key="app.files",
            )
        found = sorted(
            path.relative_to(folder)
            for path in folder.glob(pattern)
            if path.is_file() and not _hidden(path.relative_to(folder))
        )
        if not found:
            raise InvalidConfig(
                f"app.files: no file in the app's folder fits {pattern!r}", key="app.files"
            )
        yield from (path.as_posix() for path in found)


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
    _refuse_mixture(folder, reference)
    import_from(folder)
    spec = spec_of(f"fairlead_app_{path.stem}", path)
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


_loaded: set[Path] = set()
"""Folders from which this process has loaded code: modules that were imported stay."""


def _refuse_mixture(folder: Path, reference: str) -> None:
    """Refuse the code of two releases in one process: they would import each other's modules."""
    released = {path for path in _loaded | {folder} if path.parent.parts[-2:] == _RELEASED}
    others = sorted(_loaded - {folder})
    if released and others:
        more = f" and {len(others) - 1} more folders" if others[1:] else ""
        raise CodeMismatch(
            f"this process has loaded code from {others[0]}{more}, and cannot "
            f"load that of {folder} beside it: start `fairlead worker --release ID`",
            module=reference,
        )
    _loaded.add(folder)


def _files(folder: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob(f"*{ending}")):
        relative = path.relative_to(folder)
        if path.is_file() and not _hidden(relative):
            yield relative.as_posix(), _normal(path)


def _hidden(relative: Path) -> bool:
    """Whether a path is none of the app's own: kept by a tool, or made by Python."""
    return any(part.startswith((".", "__pycache__")) for part in relative.parts)


def _normal(path: Path) -> bytes:
    """A file's bytes with plain newlines: a checkout with others has the same digest."""
    return path.read_bytes().replace(b"\r\n", b"\n")
