"""Invariant 10: a secret reaches neither the journal, nor an export, nor a log, nor a page.

Secrets are planted wherever a value can come from, a real worker executes what leaks them, and then
all that was kept, sent and said is searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import load_settings, open_platform
from fairlead.testing import Collector
from tests.acceptance.support.canary import AWS, CANARIES, GITHUB, HANDLE, NAMED, TEXT, make
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.scene import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def leaks(where: str, data: str | bytes) -> list[str]:
    """Return which canaries are in some data."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    # As it is, and as JSON or a repr inside of JSON would quote it.
    return [f"{canary} in {where}" for canary in CANARIES if canary in text]


def everything_in(url: str) -> Iterator[tuple[str, str | bytes]]:
    """Yield every value of every table of a PostgreSQL database, the engine's included."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        tables = connection.execute(
            sa.text(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_type = 'BASE TABLE' "
                "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            )
        ).all()
        for schema, name in tables:
            for row in connection.execute(sa.text(f'SELECT * FROM "{schema}"."{name}"')):
                for value in row:
                    kept = bytes(value) if isinstance(value, bytes | memoryview) else str(value)
                    yield f"{schema}.{name}", kept
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database; empty for the app's own file."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def listings(run: str, broken: str, asked: str) -> list[tuple[str, ...]]:
    """Return the commands that show what is on record."""
    return [
        ("runs", "list"),
        ("runs", "show", run),
        ("runs", "show", broken),
        ("runs", "show", asked),
        ("approvals", "list"),
        ("effects", "list"),
        ("events", "list"),
        ("events", "verify"),
        ("conversations", "list"),
        ("conversations", "show", "talk"),
        ("release", "list"),
    ]


def live(url: str, tmp_path: Path) -> tuple[list[tuple[str, str]], list[bytes], list[str]]:
    """Let the app leak; return what was said, what was exported, and how the runs ended."""
    make(tmp_path)
    said: list[tuple[str, str]] = []
    with Collector() as collector:
        environment = {
            "CANARY_TEXT": TEXT,
            "CANARY_HANDLE": HANDLE,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "NO_PROXY": "127.0.0.1",
        }
        if url:
            environment["FAIRLEAD_DATABASE_URL"] = url
        cli = Cli(tmp_path, **environment)

        def do(*arguments: str, status: int | None = 0) -> str:
            ended = cli(*arguments, status=status)
            said.append((" ".join(arguments[:2]), ended.stdout + ended.stderr))
            return ended.stdout

        do("ingest")
        release = json.loads(do("release", "create", "--json"))["release"]
        do("release", "activate", release, "--override", f"a try {AWS}")
        run = do("run", "leak", TEXT, "--detach", "--conversation", "talk").strip()
        broken = do("run", "breaks", f"password: {NAMED}", "--detach").strip()
        asked = do(
            "run", "answer", f"What is the access to the store? {GITHUB}", "--detach"
        ).strip()
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            # Into files: at this level it says more than a pipe holds.
            worker = cli.start("worker", stdout=out, stderr=err)
        try:
            with open_platform(load_settings(tmp_path, environment)) as platform:

                def state(one: str) -> str:
                    return platform.runs.get(one).state

                wait_for(lambda: state(run) == "waiting")
                do("runs", "send", run, "word", json.dumps(TEXT))
                wait_for(lambda: len(platform.approvals.list()) == 1)
                [open_one] = json.loads(do("approvals", "list", "--json"))
                do("approvals", "deny", open_one["id"], "--reason", TEXT)
                for one in (run, broken, asked):
                    wait_for(lambda one=one: state(one) in FINAL_STATES)
                states = {one: state(one) for one in (run, broken, asked)}
        finally:
            worker.terminate()
            worker.wait(timeout=60)
        said += [(f"worker {name}", (tmp_path / name).read_text()) for name in ("out", "err")]
        for listing in listings(run, broken, asked):
            do(*listing, "--json")
        do("runs", "stream", run)
        do("runs", "show", run)
        exported = [body for bodies in collector.bodies.values() for body in bodies]
    return said, exported, [states[one] for one in (run, broken, asked)]


def test_invariant_10_a_canary_is_nowhere(url: str, tmp_path: Path) -> None:
    said, exported, states = live(url, tmp_path)
    assert states[:2] == ["succeeded", "failed"], said
    assert states[2] in ("succeeded", "escalated")
    shown = dict(said)["runs show"]
    for kind in ("aws-key", "github-token", "named-secret", "CANARY_HANDLE"):
        assert f"[redacted:{kind}]" in shown, shown

    found = [leak for where, text in said for leak in leaks(where, text)]
    found += [leak for body in exported for leak in leaks("export", body)]
    files = [path for path in (tmp_path / ".fairlead").rglob("*") if path.is_file()]
    for path in files:
        found += leaks(path.name, path.read_bytes())
    kept = 0
    if url:
        for where, value in everything_in(url):
            kept += 1
            found += leaks(where, value)
    assert not found
    assert exported
    assert files or kept > 100
    assert "sqlalchemy.engine" in dict(said)["worker err"]
