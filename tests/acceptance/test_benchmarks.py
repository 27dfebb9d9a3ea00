"""Each benchmark does its work on small data and prints its keys as its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.acceptance


def test_bench_answers(tmp_path: Path) -> None:
    facts = {
        "Harbour": ["The harbour of Vell was built in 1902.", " It holds forty ships."],
        "Lighthouse": ["The lighthouse of Vell is painted red.", " Its keeper is Ada Holm."],
        "Market": ["The market opens on Tuesdays.", " Fish is sold there."],
    }
    context = {"title": list(facts), "sentences": list(facts.values())}
    questions = [
        {
            "question": "When was the harbour of Vell built?",
            "context": context,
            "supporting_facts": {"title": ["Harbour"], "sent_id": [0]},
        },
        {
            "question": "Which colour is the lighthouse of Vell painted?",
            "context": context,
            "supporting_facts": {"title": ["Lighthouse"], "sent_id": [0]},
        },
    ]
    (tmp_path / "hotpot-dev.json").write_text(json.dumps(questions), encoding="utf-8")
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
