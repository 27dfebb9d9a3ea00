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
from dataclasses import asdict, dataclass, replace
from typing import Any, TextIO

from pydantic import TypeAdapter

from fairlead.bootstrap import Platform
from fairlead.core.errors import GateBroken, error_from_json
from fairlead.core.identity import Principal
from fairlead.delivery.gate import CheckRun, Progress
from fairlead.settings import Settings

COMMAND = (sys.executable, "-m", "fairlead.entrypoints.gate_child")
"""What is executed in it."""

GATE_S = 900.0
"""Seconds that a gate may take."""

APP_READ = "the app was read and imported"
"""What is done before the first check."""

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


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the process of a gate said of what it does.

    Attributes:
        doing: What it did last, in a few words; empty when it never said.
        check: The check that this was a part of; empty for none.
        release: Digest of the release that it looked at; empty when it had not come so far.
        checks: The checks that had ended.
    """

    doing: str = ""
    check: str = ""
    release: str = ""
    checks: tuple[CheckRun, ...] = ()

    @classmethod
    def of(cls, said: bytes) -> Heard:
        """Return what was said, line by line; the last line may have been cut."""
        heard = cls()
        for line in said.splitlines():
            try:
                told = json.loads(line)
            except ValueError:
                break
            if "doing" in told:
                heard = replace(heard, doing=told["doing"], check=told["check"])
            elif "candidate" in told:
                heard = replace(heard, release=told["candidate"])
            elif "ended" in told:
                heard = replace(heard, checks=(*heard.checks, check_run(told["ended"])))
        return heard

    @property
    def last(self) -> str:
        """What it did last, with its check."""
        return f"check {self.check}: {self.doing}" if self.check else self.doing


class Overdue(TimeoutError):
    """A gate took longer than it may, and was ended.

    Attributes:
        heard: What it said before.
    """

    def __init__(self, timeout_s: float, heard: Heard) -> None:
        last = f"; the last that it did: {heard.last}" if heard.last else ""
        super().__init__(f"it took longer than {timeout_s:g} s, and was ended{last}")
        self.heard = heard


class Told(Progress):
    """Tells whoever waits for this process what a gate does, as lines of JSON."""

    def __init__(self, out: TextIO) -> None:
        """Begin to tell.

        Args:
            out: Where the answer is written as well.
        """
        self._out = out

    def doing(self, what: str, check: str = "") -> None:
        self._tell({"doing": what, "check": check})

    def candidate(self, release: str) -> None:
        self._tell({"candidate": release})

    def ended(self, check: CheckRun) -> None:
        self._tell({"ended": asdict(check)})

    def _tell(self, what: dict[str, Any]) -> None:
        self._out.write(json.dumps(what) + "\n")
        # At once: what comes next may never end.
        self._out.flush()


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
        Overdue: It took longer, and was ended.
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
        Overdue: It took longer, and was ended.
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
            raise Overdue(timeout_s, Heard.of(error.output or b"")) from error
        finally:
            _end(process)
    try:
        answer: dict[str, Any] = json.loads(said.splitlines()[-1])["answer"]
    except (ValueError, LookupError) as error:
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
