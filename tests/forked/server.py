"""Loads the libraries of the `fairlead` command once, and forks for each command."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import fairlead
from fairlead.entrypoints.cli import main
from fairlead.operations import gate_process
from tests.databases import make_template, new_files_copied
from tests.forked import FAIRLEAD, GATE, command_of

POLL_S = 0.005

LOADED_LATE = (
    "alembic.command",
    "cedarpy",
    "dbos",
    "fairlead.testing.faults",
    "jsonschema_rs",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk.metrics",
    "opentelemetry.sdk.trace",
    "pydantic_ai",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
)
"""What commands load where they need it."""

LEFT_OUT = (
    "fairlead.adapters.mcp",
    "fairlead.adapters.sql.migrations.",
    "fairlead.templates",
    "fairlead.testing",
)


def load() -> None:
    """Load what commands load, so that each of them finds it there."""
    for module in pkgutil.walk_packages(fairlead.__path__, "fairlead."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    for name in LOADED_LATE:
        importlib.import_module(name)


def make_file(template: Path) -> None:
    """Make a database in a process of its own: of the engine's threads none may be left here."""
    pid = os.fork()
    if not pid:
        try:
            make_template(f"sqlite:///{template}")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def run(asked: dict[str, Any]) -> int:
    """Be what was asked for; return its status."""
    sys.argv = [asked["module"], *asked["arguments"]]
    try:
        if asked["module"] == FAIRLEAD:
            return main()
        # As in an interpreter that was started with it: nothing has imported it before.
        sys.modules.pop(asked["module"], None)
        runpy.run_module(asked["module"], run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        return 1
    return 0


def end(status: int) -> None:
    """End the process as an interpreter does, and spare it the taking down of all libraries."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


class Server:
    """Forks commands for its clients.

    Attributes:
        listener: Where clients come.
        clients: The client of each command that runs.
    """

    def __init__(self, address: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(64)
        self.clients: dict[int, socket.socket] = {}

    def serve(self) -> dict[str, Any] | None:
        """Fork until standard input ends; return what is asked in a forked process, else None."""
        while True:
            waiting: list[Any] = [0, self.listener, *self.clients.values()]
            ready, _, _ = select.select(waiting, [], [], POLL_S if self.clients else None)
            if 0 in ready and not os.read(0, 1):
                for pid in list(self.clients):
                    self._signal(pid, signal.SIGKILL)
                return None
            for pid, client in list(self.clients.items()):
                if client in ready:
                    # A client that is gone takes its command with it.
                    number = b""
                    with suppress(ConnectionError):
                        number = client.recv(1)
                    self._signal(pid, number[0] if number else signal.SIGKILL)
            if self.listener in ready:
                asked = self._fork()
                if asked is not None:
                    return asked
            self._reap()

    def _fork(self) -> dict[str, Any] | None:
        client, _ = self.listener.accept()
        size, files, _, _ = socket.recv_fds(client, 8, 3)
        data = b""
        while len(data) < int.from_bytes(size, "big"):
            data += client.recv(65_536)
        pid = os.fork()
        if pid:
            for file in files:
                os.close(file)
            self.clients[pid] = client
            with suppress(OSError):
                client.sendall(pid.to_bytes(8, "big"))
            return None
        for other in (self.listener, client, *self.clients.values()):
            other.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        asked: dict[str, Any] = json.loads(data)
        os.setpgrp()
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        return asked

    def _reap(self) -> None:
        for pid in list(self.clients):
            ended, raw = os.waitpid(pid, os.WNOHANG)
            if ended:
                client = self.clients.pop(pid)
                status = os.waitstatus_to_exitcode(raw)
                with suppress(OSError):
                    client.send(status.to_bytes(2, "big", signed=True))
                client.close()

    def _signal(self, pid: int, number: int) -> None:
        # What it started does not outlive it, and otherwise hears nothing from here.
        send = os.killpg if number == signal.SIGKILL else os.kill
        with suppress(ProcessLookupError):
            send(pid, number)


if __name__ == "__main__":
    load()
    folder = Path(sys.argv[1]).parent
    # A gate of a command that was forked is forked as well.
    gate_process.COMMAND = (str(command_of(folder, GATE)),)
    make_file(folder / "template.db")
    with new_files_copied(folder / "template.db"):
        # What is loaded stays: no collection of a child looks at it, and so copies none of it.
        gc.freeze()
        asked = Server(sys.argv[1]).serve()
        if asked is not None:
            end(run(asked))
