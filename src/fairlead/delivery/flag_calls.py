"""Compares the flags that an app declares with those that its code asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fairlead.core.nearest import unknown_name
from fairlead.core.release import Manifest
from fairlead.ports.app_files import AppFiles
from fairlead.settings import APP_FILE

_METHODS = ("flag", "flag_details")


def undeclared_flags(manifest: Manifest, files: AppFiles) -> list[str]:
    """Find the flags that code asks for by a literal key and that no file declares.

    Args:
        manifest: The candidate's manifest.
        files: The app's files.
    """
    declared = {key for terms in manifest.workflows.values() for key in terms.flags}
    return [
        f"{path}:{line} asks for flag {key!r}, which is not declared in fairlead.toml or flags/"
        for path, line, asked in _asked(files)
        if (key := _text(asked)) is not None and key not in declared
    ]


def unasked_flags(files: AppFiles, config: Mapping[str, Any]) -> list[str]:
    """Find the flags under `[workflow.NAME.flags]` that no code asks for.

    Where code computes a key that it asks for, nobody knows which one that is, and it may be any.

    Args:
        files: The app's files.
        config: All of `fairlead.toml`.
    """
    given, keys = _given(files), set[str]()
    for _, _, asked in _asked(files):
        name = getattr(asked, "id", getattr(asked, "attr", ""))
        for key in given.get(name, {_text(asked)}):
            if key is None:
                return []
            keys.add(key)
    return [
        f"{APP_FILE}: workflow.{workflow}.flags has {key!r}, which no code asks for; "
        f"{unknown_name(key, keys)}"
        for workflow, table in config.get("workflow", {}).items()
        for key in table.get("flags", {})
        if key not in keys
    ]


def _asked(files: AppFiles) -> Iterator[tuple[str, int, ast.expr]]:
    """Yield where code asks for a flag, and by which key."""
    for path, tree in _trees(files):
        for node in ast.walk(tree):
            # Awaited, so that a method of the same name of something else is not meant.
            call = node.value if isinstance(node, ast.Await) else None
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in _METHODS
            ):
                named = [one.value for one in call.keywords if one.arg == "key"]
                for key in [*call.args, *named][:1]:
                    yield path, call.lineno, key


def _given(files: AppFiles) -> dict[str, set[str | None]]:
    """Return what each name of the code may stand for: texts, and None for anything else."""
    found: dict[str, set[str | None]] = {}
    for _, tree in _trees(files):
        texts: dict[int, str | None] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                texts |= {id(target): _text(node.value) for target in node.targets}
            elif isinstance(node, ast.AnnAssign):
                texts[id(node.target)] = _text(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = node.id if isinstance(node, ast.Name) else node.attr
                found.setdefault(name, set()).add(texts.get(id(node)))
            elif isinstance(node, ast.arg):
                found.setdefault(node.arg, set()).add(None)
    return found


def _trees(files: AppFiles) -> Iterator[tuple[str, ast.Module]]:
    for path, data in files.code.items():
        if path.endswith(".py"):
            # What is broken is no part of the app that was imported.
            with suppress(SyntaxError, ValueError):
                yield path, ast.parse(data)


def _text(node: ast.expr | None) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None
