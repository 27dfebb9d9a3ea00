"""Reads and compiles policies that stand in no app's folder yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.ports.app_files import AppFiles
from fairlead.ports.authorizer import Authorizer


def read_baseline_files(folder: Path) -> AppFiles:
    """Read the folder of a baseline.

    Raises:
        InvalidBaseline: It holds no `baseline.toml`.
    """
    from fairlead.adapters.files.app import read_baseline

    return read_baseline(folder)


def read_policy_files(paths: Sequence[Path]) -> dict[str, str]:
    """Read policies from files and folders; texts by path.

    Raises:
        InvalidInput: There is no policy.
    """
    from fairlead.adapters.files.app import read_policies

    return read_policies(paths)


def compile_texts(policies: Mapping[str, str]) -> Authorizer:
    """Compile policy texts by path.

    Raises:
        InvalidConfig: A text is no valid policy.
    """
    from fairlead.adapters.cedar.authorizer import compile_policies

    return compile_policies(policies)
