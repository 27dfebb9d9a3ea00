"""The composition root: the only room that names adapters."""

from fairlead.bootstrap.gate import make_gate
from fairlead.bootstrap.platform import (
    Platform,
    load_app,
    open_mcp,
    open_platform,
    read_app_files,
    resolve_app,
)

__all__ = [
    "Platform",
    "load_app",
    "make_gate",
    "open_mcp",
    "open_platform",
    "read_app_files",
    "resolve_app",
]
