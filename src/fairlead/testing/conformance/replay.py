"""What a run was given once it is given again on every replay."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from functools import partial

import pytest

from fairlead.testing.conformance.app import SEEN
from fairlead.testing.conformance.site import Site

SEED = 20_261
ROUNDS = 5
SEEN_PER_ROUND = 6
KILLS = 4
LIFE_S_MAX = 0.4
"""A worker is killed at most so long after it began to execute the run. A round sleeps for almost
that long, so that a run outlasts all of its killed workers."""

SOAK_TIMES = 12


class ReplayConformance:
    """Time, chance, ids, steps and children give the same values, whoever executes the run."""

    def test_a_replay_gives_the_values_of_the_first_time(self, site: Site) -> None:
        """Workers are killed at random moments of a run; the seed names the moments."""
        _dice(site, SEED)

    @pytest.mark.soak
    def test_replays_give_the_values_of_the_first_time_again_and_again(self, site: Site) -> None:
        """The same many times, with another seed each time."""
        for _ in range(SOAK_TIMES):
            _dice(site, random.SystemRandom().randrange(2**32))


def _dice(site: Site, seed: int) -> None:
    """Execute a run on workers that are killed at random moments, and compare all that it saw."""
    chance = random.Random(seed)
    run_id = site.start("dice", ROUNDS)
    for _ in range(KILLS):
        worker = site.worker()
        site.until(partial(_seen_by, site, worker.pid), "the worker executes the run")
        # It is the moment that is random: nothing is waited for.
        time.sleep(chance.uniform(0.0, LIFE_S_MAX))
        worker.kill()
    site.employ()
    site.until_ended(run_id)
    site.dismiss()
    _assert_same_every_time(site, run_id, seed)


def _seen_by(site: Site, pid: int) -> bool:
    return any(line["pid"] == pid for line in site.lines(SEEN))


def _assert_same_every_time(site: Site, run_id: str, seed: int) -> None:
    answer = site.answer(run_id)
    assert len(answer) == ROUNDS * SEEN_PER_ROUND
    seen: dict[int, set[str]] = defaultdict(set)
    workers = set()
    for line in site.lines(SEEN):
        if line["run"] == run_id:
            seen[line["place"]].add(line["value"])
            workers.add(line["pid"])
    assert len(workers) > KILLS, f"seed {seed}: the run ended too early"
    # Each place had one value, in every execution of every worker: the one of the answer.
    expected = {place: {said} for place, said in enumerate(answer, 1)}
    assert seen == expected, f"seed {seed}"
    children = [run for run in site.platform.runs.list(limit=1000) if run.parent_id == run_id]
    assert len(children) == 2 * ROUNDS, f"seed {seed}"
    streamed = site.platform.streams.read(run_id, "default", 0)
    assert [item["number"] for item in streamed] == list(range(ROUNDS)), f"seed {seed}"
    assert site.platform.streams.read(run_id, "default", 2) == streamed[2:]
