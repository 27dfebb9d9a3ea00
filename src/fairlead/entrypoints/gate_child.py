"""The process in which one gate looks at one release; see `operations/gate_process.py`."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict

from fairlead.bootstrap import open_platform
from fairlead.core.errors import FairleadError
from fairlead.operations.gate_process import GRACE_S, TASK
from fairlead.operations.gates import measures
from fairlead.operations.identity import acting


def main() -> None:
    """Look at one release as stdin says, and write what was found to stdout."""
    # Whatever else is written here, by the app or its libraries, goes to stderr.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    task = TASK.validate_json(sys.stdin.buffer.read())
    # By the system itself, should nobody be left who waits.
    signal.alarm(int(task.timeout_s + 2 * GRACE_S))
    try:
        with open_platform(task.settings) as opened:
            platform = acting(opened, task.principal)
            release = platform.release_store.get(task.release)
            found = measures(platform)[task.gate](release, task.settings.environment)
            answer = asdict(found)
    except FairleadError as error:
        answer = {"error": error.to_json()}
    json.dump(answer, out)
    out.flush()


if __name__ == "__main__":
    main()
