"""Each benchmark does its work on small data and prints its keys as its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.acceptance


VELL = {
    "Harbour": ["The harbour of Vell was built in 1902.", " It holds forty ships."],
    "Lighthouse": ["The lighthouse of Vell is painted red.", " Its keeper is Ada Holm."],
    "Market": ["The market opens on Tuesdays.", " Fish is sold there."],
}
CONTEXT = {"title": list(VELL), "sentences": list(VELL.values())}
HOTPOT = [
    {
        "question": "When was the harbour of Vell built?",
        "context": CONTEXT,
        "supporting_facts": {"title": ["Harbour"], "sent_id": [0]},
    },
    {
        "question": "Which colour is the lighthouse of Vell painted?",
        "context": CONTEXT,
        "supporting_facts": {"title": ["Lighthouse"], "sent_id": [0]},
    },
]


def test_bench_answers(tmp_path: Path) -> None:
    (tmp_path / "hotpot-dev.json").write_text(json.dumps(HOTPOT), encoding="utf-8")
    done = run("benchmarks.answers", FAIRLEAD_BENCH_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["questions"] == 2
    assert figures["supporting_recall_at_5"] == 1.0
    assert figures["citations_verbatim"] == 1.0
    assert figures["abstained"] == 0
    assert figures["p50_ms"] > 0 and figures["p95_ms"] >= figures["p50_ms"]


def test_bench_answers_without_data(tmp_path: Path) -> None:
    done = run("benchmarks.answers", FAIRLEAD_BENCH_DATA=str(tmp_path))
    assert done.returncode != 0
    assert "FAIRLEAD_BENCH_DATA" in done.stderr


def test_bench_analysis() -> None:
    done = run("benchmarks.analysis", "--repetitions", "20")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert max(figures["false_rollback"].values()) <= 0.2
    for scenario in ("healthy_99", "healthy_90", "provider_outage", "ramp", "latency_drift"):
        assert figures["false_rollback_upper"][scenario] > figures["false_rollback"][scenario]
    assert figures["detect"]["99_to_50"]["power"] == 1.0
    assert 0 < figures["detect"]["99_to_50"]["median"] < 20
    assert figures["promote"]["healthy"] > 0.8 and figures["missed"] == []
    # What is rolled back by fixed thresholds there is nobody's fault: the provider was out.
    outage = {judge: said.get("provider_outage") for judge, said in figures["peers"].items()}
    assert outage["argo_limit_3"]["rolled_back"] == 1.0


@pytest.mark.postgresql
def test_bench_memory(tmp_path: Path) -> None:
    (tmp_path / "locomo-dev.json").write_text(
        json.dumps([conversation(name) for name in ("conv-26", "conv-1")]), encoding="utf-8"
    )
    (tmp_path / "hotpot-dev.json").write_text(json.dumps(HOTPOT), encoding="utf-8")
    done = run("benchmarks.memory", "--small", FAIRLEAD_BENCH_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    ones = ("r5", "r10", "r10_lexical", "r10_untuned")
    assert [figures[f"locomo_{key}"] for key in ones] == [1.0] * 4
    assert figures["hotpot_r10"] == 1.0
    assert 0 < figures["locomo_ndcg10"] <= 1
    assert (figures["questions"], figures["adversarial"]) == (6, 2)
    for sizes in (figures["scale"]["sqlite"], figures["scale"]["postgresql"]):
        of_size = sizes["1000"]
        assert of_size["p99_ms"] >= of_size["p50_ms"] > 0
        assert of_size["filtered_recall"] == 1.0
        assert of_size["writes_per_s"] > 0
        assert sizes["bulk_writes_per_s"] > 0
    assert (figures["cross_tenant"], figures["cross_tenant_queries"]) == (0, 240)
    for kind in ("sqlite", "postgresql"):
        assert figures[f"retracted_{kind}"] == 510
        assert figures[f"retraction_s_{kind}"] >= 0


def test_bench_memory_without_data(tmp_path: Path) -> None:
    done = run("benchmarks.memory", "recall", FAIRLEAD_BENCH_DATA=str(tmp_path))
    assert done.returncode != 0
    assert "FAIRLEAD_BENCH_DATA" in done.stderr


def conversation(name: str) -> dict[str, Any]:
    """Return two turns, a question about one of them, and one that nothing answers."""
    asked = "When does the ferry to Vell leave?"
    return {
        "sample_id": name,
        "conversation": {
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                {"dia_id": "D1:1", "speaker": "Ada", "text": "The ferry to Vell leaves at noon."},
                {"dia_id": "D1:2", "speaker": "Bo", "text": "My garden has seven pear trees."},
            ],
        },
        "qa": [
            {"question": asked, "evidence": ["D1:1"], "category": 1},
            {"question": "Who paints lighthouses?", "evidence": ["D1:2"], "category": 5},
        ],
    }


@pytest.mark.soak
def test_bench_effects() -> None:
    done = run("benchmarks.effects", "--kills", "4", "--seed", "3")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kills"] >= 4
    assert figures["effects"] > 0
    zero = ("duplicates_once", "lost", "lost_approvals", "recorded_calls_reexecuted")
    assert [figures[key] for key in (*zero, "log_findings")] == [0] * 5


def test_bench_guard() -> None:
    done = run("benchmarks.guard", "--calls", "200")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["calls"], figures["rules"], figures["synchronous"]) == (200, 50, "normal")
    assert figures["p99_us"] >= figures["p50_us"] > figures["floor_us"] > 0
    assert all(figures[part] > 0 for part in ("schema_us", "decide_us", "row_us", "ratio_p50"))


def test_bench_replay() -> None:
    done = run("benchmarks.replay", "--runs", "6", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["runs"], figures["replays"], figures["effects_executed"]) == (6, 12, 0)
    assert (figures["aa_same"], figures["candidate_same"]) == (1.0, 1.0)
    assert figures["replays_per_s"] > 0


@pytest.mark.soak
@pytest.mark.postgresql
def test_bench_failover() -> None:
    done = run("benchmarks.failover", "--trials", "1", "--runs", "8", "--ms", "800")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["p95_s"] > 0
    assert (figures["recorded_calls_reexecuted"], figures["runs_lost"]) == (0, 0)


@pytest.mark.soak
@pytest.mark.postgresql
def test_bench_budget() -> None:
    done = run("benchmarks.budget", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["admitted"], figures["reached"], figures["rounds"]) == (10, 10, 2)
    assert (figures["refused_rightly"], figures["events"]) == (80, 2)


def run(module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_bench_rollback() -> None:
    done = run(
        "benchmarks.rollback", "--only", "sqlite", "--rate", "10", "--warm", "2", "--after", "3"
    )
    assert done.returncode == 0, done.stderr
    for figures in json.loads(done.stdout.splitlines()[-1]).values():
        none = ("runs_lost", "runs_reversioned", "effects_duplicated")
        assert [figures[key] for key in none] == [0, 0, 0]
        assert 0 < figures["verdict_runs"] < figures["runs"]
        assert figures["new_traffic_safe_s"] <= 1.0
        assert figures["in_flight_safe_s"] >= 0.0
