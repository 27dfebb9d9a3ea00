"""The process in which a gate looks at a release or an app; see `operations/gate_process.py`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from fairlead.bootstrap import Platform, open_platform
from fairlead.core.errors import FairleadError
from fairlead.operations.checking import check_here
from fairlead.operations.gate_process import GRACE_S, TASK, GateTask, Told
from fairlead.operations.gates import measures
from fairlead.operations.identity import acting

AGAIN_S = 0.05


def main() -> None:
    """Look at one release, or at the app, as stdin says, and write what was found to stdout."""
    # Whatever else is written here, by the app or its libraries, goes to stderr.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    end_on_sigterm()
    task = TASK.validate_json(sys.stdin.buffer.read())
    # By the system itself, should nobody be left who waits.
    signal.alarm(int(task.timeout_s + 2 * GRACE_S))
    try:
        with open_platform(task.settings) as opened:
            platform = acting(opened, task.principal)
            told = Told(out)
            look = _measured if task.release else _checked
            answer = look(platform, task, told)
    except FairleadError as error:
        answer = {"error": error.to_json()}
    out.write(json.dumps({"answer": answer}) + "\n")
    out.flush()


def end_on_sigterm() -> None:
    """Let SIGTERM end this process in good order, and without a word."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.unraisablehook = _swallowed


def _swallowed(lost: sys.UnraisableHookArgs) -> None:
    """End again, when the end came where Python lets nothing through, as in a finaliser."""
    if isinstance(lost.exc_value, SystemExit):
        # Not at once: nothing is let through here, either.
        threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM)).start()
    else:
        sys.__unraisablehook__(lost)


def _measured(platform: Platform, task: GateTask, told: Told) -> dict[str, Any]:
    release = platform.release_store.get(task.release)
    return asdict(measures(platform, told)[task.gate](release, task.settings.environment))


def _checked(platform: Platform, task: GateTask, told: Told) -> dict[str, Any]:
    report = check_here(platform, mutate=task.mutate, progress=told)
    checks = [asdict(one) for one in report.checks]
    return {"release": report.release.digest, "checks": checks}


if __name__ == "__main__":
    main()
