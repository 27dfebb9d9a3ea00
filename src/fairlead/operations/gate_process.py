"""Lets a gate look at a release or an app in a process of its own, ended when it takes too long.

A guardrail that searches for ever, or an import that waits, is stopped by nothing within its own
process: not by a thread, and not by a signal that Python handles.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from fairlead.bootstrap import Platform
from fairlead.core.errors import GateBroken, error_from_json
from fairlead.core.identity import Principal
from fairlead.delivery.gate import CheckRun
from fairlead.settings import Settings

COMMAND = (sys.executable, "-m", "fairlead.entrypoints.gate_child")
"""What is executed in it."""

GATE_S = 900.0
"""Seconds that a gate may take."""

GRACE_S = 10.0
"""Seconds in which a gate that took too long may end what it started."""


@dataclass(frozen=True, kw_only=True)
class GateTask:
    """What the process of a gate is told.

    Attributes:
        settings: The app's settings, with the environment to which the release is to go.
        principal: Who lets the gate run; None without a token.
        gate: The gate.
        release: Digest of the release; empty for the app as it stands in its folder.
        timeout_s: Seconds that it may take.
        mutate: Whether the app's guardrail tests are tried with small mistakes.
    """

    settings: Settings
    principal: Principal | None
    gate: str
    release: str
    timeout_s: float
    mutate: bool = False


TASK = TypeAdapter(GateTask)
"""As text, for a pipe: it may hold a password, and is written nowhere else."""


def measured_apart(platform: Platform, name: str, release: str, timeout_s: float) -> CheckRun:
    """Return what a gate finds, looked at in a process of its own.

    Args:
        platform: The open platform, in the environment to which the release is to go.
        name: The gate.
        release: Digest of the release.
        timeout_s: Seconds that it may take.

    Raises:
        TimeoutError: It took longer, and was ended.
        GateBroken: Its process ended without a word.
        FairleadError: The gate could not be decided.
    """
    task = GateTask(
        settings=platform.settings,
        principal=platform.principal,
        gate=name,
        release=release,
        timeout_s=timeout_s,
    )
    return check_run(told_apart(task))


def check_run(answer: dict[str, Any]) -> CheckRun:
    """Return a check as a process wrote it."""
    return CheckRun(**{**answer, "findings": tuple(answer["findings"])})


def told_apart(task: GateTask) -> dict[str, Any]:
    """Return what a process of its own says to a task.

    Args:
        task: The task.

    Raises:
        TimeoutError: It took longer, and was ended.
        GateBroken: Its process ended without a word.
        FairleadError: The gate could not be decided.
    """
    timeout_s = task.timeout_s
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Whatever it starts is in its group, and ends with it.
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(TASK.dump_json(task), timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it took longer than {timeout_s:g} s, and was ended") from error
        finally:
            _end(process)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        status = process.returncode
        message = f"the process of gate {task.gate} ended with status {status}"
        raise GateBroken(message, release=task.release) from error
    if "error" in answer:
        raise error_from_json(answer["error"])
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all of its group; at once when it does not do so by itself."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
