"""A signal where Python can raise nothing, and where a library logs what passes through it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.acceptance

IN_A_FINALIZER = """
import os, signal
from fairlead.entrypoints.cli.interruption import INTERRUPTION

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

INTERRUPTION.install()
Dropped()
print("went on")
"""
LOGGED_ON_ITS_WAY = """
import logging
from fairlead.entrypoints.cli.interruption import Interrupted
from fairlead.entrypoints.cli.workplace import quieten

quieten()
for error in (Interrupted(), OSError("no room")):
    try:
        raise error
    except BaseException:
        logging.getLogger("pool").exception("Exception closing a connection")
"""


def test_a_signal_in_a_finalizer_ends_the_process() -> None:
    ended = _python(IN_A_FINALIZER)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_a_library_that_logs_an_interruption_is_not_heard() -> None:
    said = _python(LOGGED_ON_ITS_WAY).stderr
    assert said.count("Traceback") == 1
    assert "no room" in said


def _python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
