"""The process of a gate ends when it is told to, wherever it is."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import os, signal
from fairlead.entrypoints.gate_child import end_on_sigterm

class Late:
    def __del__(self):
        {what}

end_on_sigterm()
try:
    Late()
    signal.pause()
    os._exit(5)
finally:
    print("in good order", flush=True)
"""


def ended(what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(what=what)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_swallows_the_end_does_not_outlive_it() -> None:
    """A finaliser lets no exception through: the order came, and nobody would have followed it."""
    found = ended("os.kill(os.getpid(), signal.SIGTERM)")
    assert (found.returncode, found.stdout, found.stderr) == (1, "in good order\n", "")


def test_another_error_there_is_told_as_ever() -> None:
    found = ended("signal.alarm(1); 1 / 0")
    assert found.returncode == -signal.SIGALRM
    assert "ZeroDivisionError" in found.stderr
