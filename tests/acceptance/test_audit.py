"""The audit from outside: workers make checkpoints, and the command line checks and exports."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.operations import init_audit, verify_audit
from fairlead.testing import Collector
from tests.acceptance.support.cli import Cli, ready_app
from tests.acceptance.support.evidence import write_audited_app
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", concurrency=2, write=write_audited_app, url=url) as made,
    ):
        yield made


def covered(stage: Scene) -> bool:
    """Whether checkpoints have every event."""
    report = verify_audit(stage.platform)
    assert report.findings == ()
    return report.covered == report.events


def test_a_worker_makes_checkpoints_while_it_lives(stage: Scene) -> None:
    """Nobody else makes one after the first, and this worker does not stop."""
    init_audit(stage.platform)
    (stage.folder / "stay").touch()
    stage.spawn("1")
    run = stage.start("buy", "book")
    wait_for(lambda: stage.run(run).state == "succeeded")
    wait_for(lambda: covered(stage))
    (worker,) = stage.platform.workers.living(60.0)
    os.kill(worker.pid, signal.SIGKILL)


def test_a_worker_that_stops_leaves_nothing_uncovered(stage: Scene) -> None:
    stage.edit("fairlead.toml", "every_s = 0.3", "every_s = 1000")
    init_audit(stage.platform)
    stage.start("buy", "book")
    assert stage.play() == 0
    report = verify_audit(stage.platform)
    assert (report.findings, report.covered) == ((), report.events)
    assert report.checkpoints == report.copied == 2


def test_what_holds_holds_while_workers_write(stage: Scene) -> None:
    init_audit(stage.platform)
    runs = [stage.start("double", number) for number in range(12)]
    workers = [stage.spawn("1"), stage.spawn("1")]
    looks = 0
    while any(stage.run(run).state != "succeeded" for run in runs):
        assert verify_audit(stage.platform).findings == ()
        looks += 1
    assert looks > 3
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    assert covered(stage)


def test_a_worker_that_was_told_to_make_none_makes_none(stage: Scene) -> None:
    stage.edit("fairlead.toml", "every_s = 0.3", "every_s = 0")
    init_audit(stage.platform)
    stage.start("buy", "book")
    stage.play()
    assert verify_audit(stage.platform).checkpoints == 1


def test_without_a_key_workers_work_as_before(stage: Scene) -> None:
    stage.start("buy", "book")
    assert stage.play() == 0
    assert stage.platform.audit.newest() is None
    assert not stage.platform.settings.audit_file.exists()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = ready_app(tmp_path_factory.mktemp("audit") / "app")
    cli("audit", "init")
    cli("run", "answer", "How many days of PTO?")
    return cli


def test_the_command_line_signs_verifies_and_exports(ready: Cli, tmp_path: Path) -> None:
    ready("audit", "checkpoint")
    assert "every chain holds" in ready("audit", "verify").stdout
    report = ready.json("audit", "verify")
    assert (report["found"], report["covered"]) == (0, report["events"])
    assert ready.json("audit", "checkpoint") == []
    ready.refuses("FL-703", "audit", "init")
    out = tmp_path / "export.jsonl"
    run = ready.json("runs", "list")[0]["id"]
    ready("audit", "export", "--run", run, "--from", "2026-01-01", "--out", str(out))
    ready.refuses("FL-705", "audit", "export", "--out", str(out))
    # Whoever has the export and the public key needs nothing else.
    key = ready.folder / ".fairlead" / "audit.key.pub"
    alone = Cli(tmp_path / "nowhere")
    assert alone.json("audit", "verify", "--export", str(out), "--key", str(key))["found"] == 0
    out.write_text(out.read_text().replace("succeeded", "denied"))
    ended = alone("audit", "verify", "--export", str(out), "--key", str(key), status=1)
    assert ended.stderr.startswith("FL-701  ")
    alone("audit", "verify", "--export", str(out), status=2)


@pytest.mark.soak
def test_the_command_line_says_what_does_not_hold_and_ends_with_one(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    cli.refuses("FL-702", "audit", "verify")
    cli.refuses("FL-702", "audit", "checkpoint")
    cli("audit", "init")
    file = cli.folder / ".fairlead" / "checkpoints.jsonl"
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:1]))
    ended = cli("audit", "verify", status=1)
    assert ended.stdout == "the file has no checkpoint 1\n"
    assert ended.stderr.startswith("FL-701  the file has no checkpoint 1\n")
    report = cli.json("audit", "verify", status=1)
    assert report["findings"][0]["checkpoint"] == report["found"] == 1
    cli("audit", "verify", "--file", str(copy))
    cli.refuses("FL-702", "audit", "verify", "--key", str(tmp_path / "none"))


@pytest.mark.soak
def test_the_gate_leaves_the_evidence_alone(tmp_path: Path) -> None:
    """Its own runs are on a scratch database, and nobody signs them."""
    cli = ready_app(tmp_path / "app")
    cli("audit", "init")
    file = cli.folder / ".fairlead" / "checkpoints.jsonl"
    file.unlink()
    cli("check")
    assert not file.exists()
    cli("audit", "checkpoint")
    assert cli.json("audit", "verify")["found"] == 0


def test_a_checkpoint_reaches_a_collector(tmp_path: Path) -> None:
    with Collector() as collector:
        cli = ready_app(tmp_path / "app").with_environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
        cli("audit", "init")
        spans = [span for span in collector.spans() if span.name.startswith("checkpoint ")]
    (line,) = (cli.folder / ".fairlead" / "checkpoints.jsonl").read_text().splitlines()[1:]
    (span,) = spans
    sent = {item.key: item.value for item in span.attributes}
    assert sent["fairlead.checkpoint.number"].int_value == 1
    signature = json.loads(line)["signature"]
    assert sent["fairlead.checkpoint.signature"].string_value == signature
