"""A process that a test starts goes when the test's process goes, in whatever way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SLEEPER = "import time\nprint('here', flush=True)\ntime.sleep(60)\n"
OWNER = """
import sys
from tests.bound import bound
process = bound([sys.argv[1]])
input()
"""


def test_a_bound_process_does_not_outlive_the_one_that_started_it(tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text(SLEEPER)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(sleeper)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"here\n"
    owner.send_signal(signal.SIGKILL)
    # The sleeper has the other end of this pipe too: it is over when both are gone.
    assert owner.communicate(timeout=30) == (b"", None)
