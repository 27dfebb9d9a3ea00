"""The `fairlead` command for tests that run it hundreds of times: loaded once, forked each time.

Most of what a short command takes is the time to load its libraries. Here a process loads them
once and forks for each command, so that each is a process of its own, as ever: with its own
arguments, folder, environment and files, and with its own end. Whoever is to be killed, or whose
start is what is tested, is started without this.
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


@cache
def forked_fairlead() -> Path:
    """Return a `fairlead` that starts at once; what forks it ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    command = folder / "fairlead"
    client = (HERE / "client.py").read_text(encoding="utf-8")
    # Isolated and without site: it starts in 15 ms.
    command.write_text(f"#!{sys.executable} -IS\n{client}", encoding="utf-8")
    command.chmod(0o755)
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
    return command
