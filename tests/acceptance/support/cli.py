"""The `fairlead` command as a user types it, and an app that is made once and then copied."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.bound import bound
from tests.forked import FAIRLEAD, Started, forked

COMMAND = str(Path(sys.executable).parent / "fairlead")
SECONDS_MAX = 60

# A tool that takes its time, so that a signal can come in the middle of a run.
_QUICK = '    return " ".join(_spelled(word) for word in text.split())\n'
_SLOW = '    await asyncio.sleep(float(os.environ.get("SLOW", "0")))\n'


class Cli:
    """Runs commands on one app.

    Attributes:
        folder: The app's folder.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        mine = ("FAIRLEAD_", "OTEL_", "OPENAI_")
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
        self._environment |= {"NO_COLOR": "1", "FAIRLEAD_APP": str(folder), **environment}
        self._environment.pop("COLUMNS", None)

    def with_environment(self, **environment: str) -> Cli:
        """Return the same with more variables."""
        made = Cli(self.folder)
        made._environment = {**self._environment, **environment}
        return made

    def __call__(
        self, *arguments: str, status: int | None = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit status must be the one that is expected.

        What is done to its process before it starts is not done to one that is forked elsewhere;
        nor does another search path change what that one has loaded.
        """
        prepared = "preexec_fn" in options or "PYTHONPATH" in self._environment
        ended = subprocess.run(
            [COMMAND if prepared else forked(), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            **options,
        )
        if status is not None:
            said = f"{arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
            assert ended.returncode == status, said
        return ended

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with --json; stdout must be one document."""
        return json.loads(self(*arguments, "--json", status=status).stdout)

    def refuses(self, code: str, *arguments: str, status: int = 2, **options: Any) -> str:
        """Run a command that must end with one error; return what stderr says."""
        ended = self(*arguments, status=status, **options)
        assert "Traceback" not in ended.stderr, ended.stderr
        lines = ended.stderr.splitlines()
        assert len(lines) == 2, ended.stderr
        assert lines[0].startswith(f"{code}  "), ended.stderr
        assert lines[1].strip(), ended.stderr
        return ended.stderr

    def start(
        self, *arguments: str, stdout: Any = subprocess.PIPE, stderr: Any = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start a command, and return while it runs."""
        return bound([COMMAND, *arguments], env=self._environment, stdout=stdout, stderr=stderr)

    def ask(self) -> str:
        """Queue a run that nobody executes yet; return its id."""
        return self("run", "answer", "How many days of PTO?", "--detach").stdout.strip()

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        """A worker process that is ready; what is left of it is killed at the block's end."""
        command = ["worker", "--concurrency", "2"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process: subprocess.Popen[str]
        if "PYTHONPATH" in self._environment:
            process = self.start(*command)
            pid = process.pid
        else:
            process = started = Started(FAIRLEAD, command, env=self._environment, **pipes)
            pid = started.forked_pid
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("worker "), line
            assert "ready: code " in line
            assert f"concurrency 2, pid {pid}" in line
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=SECONDS_MAX)

    def until(self, run: str, state: str) -> None:
        """Wait until a run is in a state."""
        # Not with a command, because each takes a second to start.
        database = sqlite3.connect(self.folder / ".fairlead" / "fairlead.db", timeout=30)
        query = "SELECT state FROM runs WHERE id = ?"
        with closing(database):
            deadline = time.monotonic() + 30
            while (found := database.execute(query, (run,)).fetchone()[0]) != state:
                assert time.monotonic() < deadline, found
                time.sleep(0.05)


def ready_app(target: Path) -> Cli:
    """Return a copy of an app with documents and an active release."""
    shutil.copytree(_built(), target)
    return Cli(target)


@cache
def _built() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fairlead-cli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cli = Cli(folder / "handbook", FAIRLEAD_DATABASE_SYNCHRONOUS="normal")
    cli("init", str(cli.folder))
    module = cli.folder / "app.py"
    text = module.read_text(encoding="utf-8")
    assert _QUICK in text
    text = text.replace(_QUICK, _SLOW + _QUICK)
    module.write_text(text.replace("from data", "import asyncio\nimport os\nfrom data", 1))
    cli("ingest")
    cli("release", "activate", cli.json("check")["release"])
    return cli.folder
