"""Commands for tests that run them hundreds of times: loaded once, forked each time.

Most of what a short command takes is the time to load its libraries. Here a process loads them
once and forks for each command, so that each is a process of its own, as ever: with its own
arguments, folder, environment and files, and with its own end. What was started stands for it:
it forwards signals, and takes the command and all that it started with it when it is killed. Only
its id is another one. Whoever needs that, or whose start is what is tested, is started without
this.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
END_S_MAX = 30
FAIRLEAD = "fairlead"
GATE = "fairlead.entrypoints.gate_child"
SAYS_PID = "FORKED_SAYS_PID"
"""Names the open file to which a client writes the id of the process that was forked for it."""


@cache
def forked(module: str = FAIRLEAD) -> Path:
    """Return a command that starts at once; what forks it ends with this process.

    Args:
        module: What is executed, as by `python -m`; by default the `fairlead` command.
    """
    return command_of(_server(), module)


def command_of(folder: Path, module: str) -> Path:
    """Write a command that asks a server, and return it.

    Args:
        folder: The server's folder.
        module: What is executed.
    """
    # A folder for each, so that a search path has no other command of ours in it.
    place = folder / module
    place.mkdir(exist_ok=True)
    command = place / "fairlead"
    text = (HERE / "client.py").read_text(encoding="utf-8")
    # Isolated and without site: it starts in 15 ms.
    command.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
    command.chmod(0o755)
    return command


class Started(subprocess.Popen[str]):
    """A module that is executed by a process of its own, forked; it ends with this process.

    Attributes:
        forked_pid: The process that executes it; `pid` is that of what stands for it.
    """

    def __init__(self, module: str, arguments: Sequence[str], **options: Any) -> None:
        """Start it.

        Args:
            module: What is executed, as by `python -m`.
            arguments: Its arguments.
            options: What `subprocess.Popen` takes.
        """
        reader, writer = os.pipe()
        environment = {**options.pop("env", os.environ), SAYS_PID: str(writer)}
        command = [forked(module), *arguments]
        super().__init__(command, env=environment, pass_fds=(writer,), text=True, **options)
        os.close(writer)
        with os.fdopen(reader, "rb") as said:
            self.forked_pid = int.from_bytes(said.read(8), "big")


@cache
def _server() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forked.server", str(folder / "socket")],
        cwd=HERE.parents[1],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )

    def end() -> None:
        # The end of its standard input is the server's end.
        server.communicate(timeout=END_S_MAX)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return folder
