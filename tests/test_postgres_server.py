"""The server of the tests goes when its test goes, in whatever way, and keeps what it promised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from fairlead.testing.postgres import PostgresServer

pytestmark = pytest.mark.postgresql

ROOT = Path(__file__).resolve().parents[1]
OWNER = """
from fairlead.testing.postgres import PostgresServer
server = PostgresServer(fsync=False)
server.start()
print(server.folder, server.pid, flush=True)
input()
"""


def test_a_server_does_not_outlive_the_process_that_started_it() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    folder, pid = owner.stdout.readline().split()
    assert Path(folder).is_dir()
    owner.send_signal(signal.SIGKILL)
    owner.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while Path(folder).exists() or _lives(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_committed_outlives_a_kill(own_postgres: PostgresServer) -> None:
    own_postgres.execute("CREATE TABLE kept (number INTEGER)")
    own_postgres.execute("INSERT INTO kept VALUES (4711)")
    for end in (own_postgres.kill, own_postgres.stop):
        end()
        with pytest.raises(psycopg.OperationalError):
            own_postgres.execute("SELECT 1")
        own_postgres.start()
        with psycopg.connect(own_postgres.url()) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(4711,)]
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
