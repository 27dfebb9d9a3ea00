"""Bounds the life of a process that a test starts by that of the test's own process.

A run of pytest that is killed closes nothing. Here what it started reads from a pipe whose other
end nobody else has: when that end goes, in whatever way, the process ends.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any


def bound(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """Start a process that does not outlive this one.

    Args:
        command: A Python script with its arguments, or `-m`, a module and its arguments.
        options: What `subprocess.Popen` takes.
    """
    end = _pipe()[0]
    return subprocess.Popen(
        [sys.executable, __file__, str(end), *command], pass_fds=(end,), text=True, **options
    )


@cache
def _pipe() -> tuple[int, int]:
    return os.pipe()


def _watch(end: int) -> None:
    os.read(end, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _main(end: int, command: list[str]) -> None:
    os.set_inheritable(end, False)
    threading.Thread(target=_watch, args=(end,), daemon=True).start()
    # As the interpreter does: the first place to look in is the script's folder, or our own.
    if command[0] == "-m":
        sys.argv = command[1:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        sys.path[0] = str(Path(command[0]).parent)
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
