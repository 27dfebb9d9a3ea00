"""One rate for all: processes that share a database stay below it together, in a storm as well."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.core.breaker import BreakerTerms
from fairlead.core.rates import Bucket, Rate, take
from fairlead.operations import create_release, load_settings, make_worker, open_platform
from tests.acceptance.support.scene import ROOT

pytestmark = pytest.mark.acceptance

PROCESSES, TOKENS = 3, 40
RATE = Rate(10, per_s=0.4)
RUNS, CALLS = 50, 4
ADMITTED = Rate(30, per_s=1.0)
REQUESTS_PER_TOKEN_MAX = 1.2


def test_three_processes_on_one_database_never_exceed_their_rate(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    Database(f"sqlite:///{path}", synchronous="normal").close()
    command = [sys.executable, "-m", "tests.acceptance.support.taker", str(path), str(TOKENS)]
    command += [str(RATE.calls), str(RATE.per_s)]
    takers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    output = [taker.communicate(timeout=60) for taker in takers]
    assert [errors for _, errors in output] == [b""] * PROCESSES
    each = [json.loads(text) for text, _ in output]
    let = sorted(at for times in each for at in times)
    assert len(let) == PROCESSES * TOKENS
    for first, start in enumerate(let):
        for last in range(first, len(let)):
            bound = RATE.calls * (1 + (let[last] - start) / RATE.per_s)
            assert last - first + 1 <= bound + 1e-3
    # They were there at the same time, and the rate was used.
    assert max(times[0] for times in each) < min(times[-1] for times in each)
    assert let[-1] - let[0] < 3 * RATE.spacing_s * len(let)


def test_workers_of_two_processes_have_one_throttle(tmp_path: Path) -> None:
    """As each of them is put together: what one takes, and what it sees fail, the other knows."""
    write(tmp_path, "http://127.0.0.1:1/", 1)
    settings = load_settings(tmp_path)
    terms = BreakerTerms(failures=1)
    with open_platform(settings) as one, open_platform(settings) as other:
        first, second = (make_worker(each).runner.services.throttle for each in (one, other))
        assert first.take("tool:x", Rate(1, per_s=60.0), most_s=99.0).granted
        assert not second.take("tool:x", Rate(1, per_s=60.0), most_s=99.0).granted
        permit = first.allow("tool:x", terms)
        first.record("tool:x", terms, permit=permit, ended="failure")
        assert not second.allow("tool:x", terms).allowed
        events = other.events.list(chain="breaker:tool:x")
        assert [event.type for event in events] == ["breaker.opened"]


class Provider(ThreadingHTTPServer):
    """A server that admits a rate and answers everything beyond it with a 429.

    Attributes:
        requests: How many came.
        admitted: How many were answered.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = self.admitted = 0
        self._bucket, self._turn = Bucket(), threading.Lock()

    def admit(self) -> bool:
        """Return whether a request is within the rate."""
        with self._turn:
            self._bucket, place = take(self._bucket, ADMITTED, time.time(), most_s=0.0)
            self.requests += 1
            self.admitted += place.granted
            return place.granted


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        good = self.server.admit()
        self.send_response(200 if good else 429)
        if not good:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on loopback, for the time of the block."""
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


APP = '''\
"""Runs that ask one provider, all at the same time."""

import asyncio
import urllib.error
import urllib.request
from datetime import timedelta

import fairlead as fl


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status


@fl.tool(effect="read", scope="provider:read", rate=fl.Rate(1, per_s=3600.0))
async def ask(_: fl.Context, number: int) -> int:
    """Ask the provider."""
    try:
        return await asyncio.to_thread(get, f"URL?{number}")
    except urllib.error.HTTPError as error:
        if error.code != 429:
            raise
        after_s = float(error.headers["Retry-After"])
        raise fl.Throttled("429", retry_after_s=after_s) from error


@fl.workflow(
    intent="Ask the provider some times",
    owner="group:default/tests",
    input=int,
    output=str,
    tools=[ask],
    limits=fl.Limits(wall_time=timedelta(seconds=90), attempts=6),
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=60)),
)
async def asking(run: fl.Run[str], calls: int) -> str:
    """Ask."""
    for number in range(calls):
        await run.call(ask, number)
    return "answered"


app = fl.App("storm", workflows=[asking])
'''

# The file's rate wins over the decorator's, which would let one call through in an hour.
TOML = """\
[app]
name = "storm"

[database]
synchronous = "normal"

[worker]
concurrency = 25
drain_s = 2
lease_s = 20

[rates.ask]
calls = CALLS
per_s = 1.0
"""


def write(folder: Path, url: str, calls: int) -> None:
    """Write the app with a declared rate."""
    files = {
        "app.py": APP.replace("URL", url),
        "fairlead.toml": TOML.replace("CALLS", str(calls)),
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@contextmanager
def workers(folder: Path, count: int) -> Iterator[None]:
    """Worker processes, for the time of the block."""
    command = [str(Path(sys.executable).with_name("fairlead")), "worker", "--app", str(folder)]
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for worker in started:
            os.killpg(worker.pid, signal.SIGTERM)
        for worker in started:
            assert worker.wait(timeout=30) == 0


@pytest.mark.parametrize(
    "factor",
    [
        pytest.param(1, id="as declared"),
        pytest.param(2, id="half of what is declared", marks=pytest.mark.soak),
    ],
)
def test_a_storm_of_50_runs_on_two_workers_wastes_few_requests(tmp_path: Path, factor: int) -> None:
    with provider() as server:
        write(tmp_path, f"http://127.0.0.1:{server.server_port}/", ADMITTED.calls * factor)
        with open_platform(load_settings(tmp_path)) as platform:
            release, _ = create_release(platform)
            with workers(tmp_path, 2):
                # Both are there before the storm, else the first one may have it for itself.
                deadline = time.monotonic() + 60
                while len(platform.workers.living(20.0)) < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                runs = [
                    platform.admission.start(release, "asking", CALLS, principal=Principal()).id
                    for _ in range(RUNS)
                ]
                ended = [asyncio.run(platform.admission.wait(run, 90.0)) for run in runs]
            assert [run.state for run in ended] == ["succeeded"] * RUNS
            executed_by = {
                event.data["worker"]
                for run in runs
                for event in platform.events.list(chain=f"run:{run}")
                if event.type == "run.started"
            }
    assert len(executed_by) == 2
    assert server.admitted == RUNS * CALLS
    assert server.requests / server.admitted <= REQUESTS_PER_TOKEN_MAX
