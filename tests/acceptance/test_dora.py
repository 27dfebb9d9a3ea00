"""Invariant 9 for delivery: its metrics are folded from the log that the product itself writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli
from tests.acceptance.support.drilled import release, write

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def test_invariant_09_delivery_metrics_are_right_while_nothing_can_be_exported(
    tmp_path: Path,
) -> None:
    (tmp_path / "app").mkdir()
    nobody = "http://127.0.0.1:9"
    cli = Cli(tmp_path / "app", TRACE=str(tmp_path / "trace"), OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    write(cli.folder, "one")
    found = cli.json("dora")
    assert found["deployments_per_week"] is found["change_fail_rate"]["value"] is None
    first = release(cli, "one")
    assert cli("run", "pay_order", "o1")
    # The same code, so that the one worker of a command is enough.
    write(cli.folder, "one", more="[workflow.pay_order.limits]\nsteps = 40\n")
    second = cli.json("release", "create")["release"]
    cli("rollout", "start", second, "--override", "a test")
    cli("rollout", "promote", "--override", "a test")
    for _ in range(20):
        # One in twenty stays behind on the release before.
        run = cli.json("run", "pay_order", "o2")
        if run["release"] == second:
            break
    cli("feedback", run["run"], "bad")
    cli("rollback", "--reason", "it was wrong")

    found = cli.json("dora", "--days", "1")
    told = [(one["release"], one["end"], one["caught"]) for one in found["deployments"]]
    assert told == [(first, "", None), (second, "failed", "after_promote")]
    assert found["deployments"][1]["app"] == "payer"
    assert found["change_fail_rate"] == {"value": 0.5, "count": 1, "of": 2}
    assert found["change_fail_rate_escaped"]["count"] == 1
    assert found["harmed_runs"] == {"canary": 0, "after_promote": 1}
    assert found["change_lead_time"]["n"] == 2
    assert found["change_lead_time"]["from"] == {"release": 2}
    for name in ("recovery_new_traffic_safe", "recovery_all_runs_safe"):
        assert found[name]["n"] == 1
        assert found[name]["median_s"] > 0.0
    assert found["deployments_per_week"] == 14.0
    [standing] = found["rollback_readiness"]
    assert (standing["release"], standing["readiness"]) == (first, "nothing before")

    write(cli.folder, "one", more="[workflow.pay_order.limits]\nsteps = 41\n")
    third = cli.json("release", "create")["release"]
    cli("rollout", "start", third, "--fix", "--override", "a test")
    [said] = [
        one["data"]
        for one in cli.json("events", "list")
        if one["type"] == "rollout.started" and one["data"]["candidate"] == third
    ]
    assert said["terms"]["fix"]

    assert cli.json("dora", "--env", "elsewhere")["deployments"] == []
    assert cli.json("dora", "--of", "another")["deployments"] == []
    shown = cli("dora").stdout
    assert "change fail rate" in shown
    assert "50.0%" in shown
    assert "no commit is known" in shown
