"""How often an analysis is wrong, and after how many canary runs it is right.

Simulated traffic, seeded, through the product's own code. Runs arrive one by one, 10 % of them on
the canary, up to 1,000 canary runs; the evidence is looked at after each of them. The figures:

- `false_rollback`: the share of repetitions in which a candidate that is no worse is failed; beside
  it `false_rollback_upper`, the upper end of its 95 % confidence interval (Wilson).
- `detect`: the share in which a worse one is failed, and the canary runs until then; one that is
  not failed counts with all its runs. One guardrail has the whole of alpha, except in the rows of
  three metrics, where each has a third.
- `promote`: with `p_max` 0.05. `wrong_at_bound`: the share that is promoted with 5 % bad runs, as
  if harm were never found; `wrong_when_failures_are_late`: the same when bad runs take ten times as
  long; `expected_runs`: what the product expects before the first run.
- `peers`: what others do with the same traffic; see `benchmarks.analysis_peers`.
- `missed`: promises that were not kept, judged from 2,000 repetitions on; if any, the exit status
  is 1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.analysis_trials import FEW, ONE, TRIALS, Found, play
from benchmarks.analysis_worlds import CANARY_RUNS
from fairlead.core.analysis import begin, expected

REPETITIONS = 2000
SEED = 20_260
MORE = {"promote wrong_at_bound": 5}
"""The share at the bound lies near to what is promised, so more repetitions tell them apart."""
SLICE = 100
Z_95 = 1.96

Figures = dict[str, Any]


def main() -> None:
    """Play all trials and print the figures; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="of each trial")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    begun = time.monotonic()
    found = _played(options.repetitions, options.seed, options.processes)
    figures: Figures = {
        "repetitions": options.repetitions,
        "seed": options.seed,
        "false_rollback": {name: _share(one) for name, one in _of("false_rollback", found)},
        "false_rollback_upper": {name: _upper(one) for name, one in _of("false_rollback", found)},
        "detect": {
            name: _detected(one, FEW if name in _NUMBERS else CANARY_RUNS)
            for name, one in _of("detect", found)
        },
        "promote": _promoted(dict(_of("promote", found))),
        "peers": _peers(found),
    }
    figures["missed"] = _missed(figures) if options.repetitions >= REPETITIONS else []
    figures["seconds"] = round(time.monotonic() - begun, 1)
    print("\n" + "\n".join(_table(figures)))
    print(json.dumps(figures))
    sys.exit(bool(figures["missed"]))


_NUMBERS = ("latency_25", "cost_50", "score_85_to_75")


def _played(repetitions: int, seed: int, processes: int) -> dict[str, list[Found]]:
    tasks = [
        (name, seed, first, min(SLICE, count - first))
        for name in TRIALS
        for count in [repetitions * MORE.get(name, 1)]
        for first in range(0, count, SLICE)
    ]
    found: dict[str, list[Found]] = {name: [] for name in TRIALS}
    with ProcessPoolExecutor(processes) as pool:
        for task, results in zip(tasks, pool.map(play, tasks), strict=True):
            name = task[0]
            found[name] += results
            if len(found[name]) == repetitions * MORE.get(name, 1):
                print(f"{name}: {_share(found[name])}", flush=True)
    return found


def _of(kind: str, found: dict[str, list[Found]]) -> Iterator[tuple[str, list[Found]]]:
    for name, results in found.items():
        if name.startswith(f"{kind} "):
            yield name.removeprefix(f"{kind} "), results


def _share(results: list[Found]) -> float:
    return round(sum(one is not None for one in results) / len(results), 4)


def _upper(results: list[Found]) -> float:
    """Return the upper end of Wilson's interval for the share."""
    count, whole = sum(one is not None for one in results), len(results)
    share, square = count / whole, Z_95 * Z_95 / whole
    spread = Z_95 * math.sqrt(share * (1 - share) / whole + square / whole / 4)
    return round((share + square / 2 + spread) / (1 + square), 4)


def _detected(results: list[Found], within: int) -> Figures:
    runs = [within if one is None else one for one in results]
    return {"power": _share(results), "within": within, **_spread(runs)}


def _spread(runs: list[float]) -> Figures:
    return {
        "median": float(np.median(runs)),
        "mean": round(float(np.mean(runs)), 1),
        "p90": round(float(np.quantile(runs, 0.9)), 1),
    }


def _promoted(found: dict[str, list[Found]]) -> Figures:
    healthy = found["healthy"]
    good = [one for one in healthy if one is not None and one > 0]
    before = expected(ONE, begin(ONE), runs_per_hour=1.0, weight=0.1)
    return {
        "wrong_at_bound": _share(found["wrong_at_bound"]),
        "wrong_at_bound_upper": _upper(found["wrong_at_bound"]),
        "wrong_at_bound_repetitions": len(found["wrong_at_bound"]),
        "wrong_when_failures_are_late": _share(found["wrong_when_failures_are_late"]),
        "healthy": round(len(good) / len(healthy), 4),
        "healthy_failed": round(
            sum(one is not None and one < 0 for one in healthy) / len(healthy), 4
        ),
        **_spread(good or [0.0]),
        "expected_runs": before.runs_likely,
        "expected_runs_least": before.runs_least,
    }


def _peers(found: dict[str, list[Found]]) -> Figures:
    said: Figures = {}
    for name, results in _of("peers", found):
        judge, _, world = name.partition(" ")
        runs = [one for one in results if one is not None]
        median = float(np.median(runs)) if any(runs) else None
        said.setdefault(judge, {})[world] = {"rolled_back": _share(results), "median": median}
    return said


def _missed(figures: Figures) -> list[str]:
    detect, promote = figures["detect"], figures["promote"]
    kept = {
        **{
            f"false_rollback {name}": one <= 0.05 for name, one in figures["false_rollback"].items()
        },
        **{
            f"false_rollback_upper {name}": one <= 0.06
            for name, one in figures["false_rollback_upper"].items()
        },
        "99_to_95 power": detect["99_to_95"]["power"] >= 0.99,
        "99_to_95 median": detect["99_to_95"]["median"] <= 100,
        "99_to_95 mean": detect["99_to_95"]["mean"] <= 125,
        "99_to_50 median": detect["99_to_50"]["median"] <= 10,
        **{f"{name} power": detect[name]["power"] >= 0.95 for name in _NUMBERS},
        "promote wrong_at_bound": promote["wrong_at_bound"] <= 0.05,
        "promote wrong_when_failures_are_late": promote["wrong_when_failures_are_late"] <= 0.05,
        "promote healthy": promote["healthy"] >= 0.97,
        "promote median": promote["median"] <= 130,
    }
    return [name for name, one in kept.items() if not one]


def _table(figures: Figures) -> Iterator[str]:
    yield "| no worse | failed | at most, 95 % |\n|---|---|---|"
    for name, rate in figures["false_rollback"].items():
        yield f"| {_said(name)} | {rate:.3f} | {figures['false_rollback_upper'][name]:.3f} |"
    yield "\n| worse | failed | canary runs, median | mean | 9 of 10 |\n|---|---|---|---|---|"
    for name, one in figures["detect"].items():
        yield (
            f"| {_said(name)} | {one['power']:.3f} | {one['median']:.0f} | {one['mean']:.0f} |"
            f" {one['p90']:.0f} |"
        )
    yield "\n| promotion | figure |\n|---|---|"
    for name, figure in figures["promote"].items():
        yield f"| {_said(name)} | {figure:g} |"
    worlds = ("healthy_99", "healthy_90", "provider_outage", "99_to_95", "99_to_50")
    yield f"\n| failed by | {' | '.join(map(_said, worlds))} |\n|---|---|---|---|---|---|"
    for judge, said in figures["peers"].items():
        if "healthy_99" in said:
            cells = [_cell(said[world]) for world in worlds]
            yield f"| {_said(judge)} | {' | '.join(cells)} |"
    for judge, said in figures["peers"].items():
        if "healthy_99" not in said:
            for world, one in said.items():
                yield f"\n{_said(judge)}, {_said(world)}: {_cell(one)}"


def _cell(one: Figures) -> str:
    return f"{one['rolled_back']:.3f}" + (f" / {one['median']:.0f}" if one["median"] else "")


def _said(name: str) -> str:
    return name.replace("_", " ")


if __name__ == "__main__":
    main()
