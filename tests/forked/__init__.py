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
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
END_S_MAX = 30
FAIRLEAD = "fairlead"


@cache
def forked(module: str = FAIRLEAD) -> Path:
    """Return a command that starts at once; what forks it ends with this process.

    Args:
        module: What is executed, as by `python -m`; by default the `fairlead` command.
    """
    # A folder for each, so that a search path has no other command of ours in it.
    folder = _server() / module
    folder.mkdir()
    command = folder / "fairlead"
    client = (HERE / "client.py").read_text(encoding="utf-8")
    # Isolated and without site: it starts in 15 ms.
    command.write_text(f"#!{sys.executable} -IS\n{client}", encoding="utf-8")
    command.chmod(0o755)
    return command


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
