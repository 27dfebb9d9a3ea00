"""The composition root: the only room that names adapters."""

from fairlead.bootstrap.gate import make_gate
from fairlead.bootstrap.platform import (
    Platform,
    load_app,
    open_platform,
    read_app_files,
    resolve_app,
)
from fairlead.bootstrap.policies import compile_texts, read_baseline_files, read_policy_files

__all__ = [
    "Platform",
    "compile_texts",
    "load_app",
    "make_gate",
    "open_platform",
    "read_app_files",
    "read_baseline_files",
    "read_policy_files",
    "resolve_app",
]
