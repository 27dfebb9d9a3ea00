"""What `benchmarks.analysis` tries: one history each, through the product's own code.

Where nothing but a failure changes the evidence, only failures are handed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from benchmarks import analysis_peers as peers
from benchmarks import analysis_worlds as worlds
from benchmarks.analysis_worlds import History
from fairlead.core.analysis import (
    Analysis,
    AnalysisTerms,
    Assigned,
    MetricTerms,
    Observation,
    action_for,
    admit,
    begin,
    learn,
    observe,
    verdict,
)
from fairlead.core.analysis.evidence import log_safety, no_evidence

ERRORS = MetricTerms(name="errors", p_max=0.05)
ALONE = replace(ERRORS, against="bound")
LATENCY = MetricTerms(name="latency", kind="latency")
COST = MetricTerms(name="cost", kind="cost")
SCORE = MetricTerms(name="score", kind="score")
ONE = AnalysisTerms(metrics=(ERRORS,))
THREE = AnalysisTerms(metrics=(ERRORS, LATENCY, COST))
NEEDED = -math.log(0.05)
FEW = worlds.CANARY_RUNS_OF_NUMBERS

Found: TypeAlias = float | None
"""Canary runs until a verdict; None when there was none."""
Trial: TypeAlias = Callable[[np.random.Generator], Found]


# ------------------------------------------------------------------------------------ one history


def observations(history: History, chosen: Iterable[int]) -> Iterator[Observation]:
    """The outcomes of some runs of a history, in that order."""
    places = (np.cumsum(history.canary) - 1).tolist()
    weights, canary = history.weight.tolist(), history.canary.tolist()
    results = [("good", "bad")[one] for one in history.bad.tolist()]
    if history.numbers.size:
        results = history.numbers.tolist()
    beside = {one: Assigned(arm="baseline", probability=one) for one in set(weights) - {1.0}}
    for at in chosen:
        if canary[at]:
            assigned = Assigned(arm="canary", probability=weights[at], place=places[at])
        else:
            assigned = beside[weights[at]]
        yield Observation(assigned=assigned, result=results[at])


def harm_in(
    metric: MetricTerms, history: History, needed: float = NEEDED, *, stop: bool = False
) -> Found:
    """Return after how many canary runs harm is shown; without `stop` only whether it ever is."""
    evidence = no_evidence(metric)
    chosen = np.flatnonzero(history.bad)
    if metric.ranks or metric.against == "bound":
        chosen = np.arange(history.bad.size)
    if not stop:
        shown = observe(metric, evidence, observations(history, chosen)).harm_peak >= needed
        return 0.0 if shown else None
    until = np.cumsum(history.canary)
    waiting: list[Observation] = []
    for at, one in zip(chosen, observations(history, chosen), strict=True):
        waiting.append(one)
        # The peak keeps what the runs between reached, so a look after each canary run is enough.
        if history.bad[at] or history.canary[at]:
            evidence = observe(metric, evidence, waiting)
            waiting = []
            if evidence.harm_peak >= needed:
                return float(until[at])
    return None


def harmed(metric: MetricTerms, world: worlds.World, *, stop: bool = False) -> Trial:
    """One metric, with the whole of alpha."""
    return lambda rng: harm_in(metric, world(rng), stop=stop)


def harmed_by_three(errors: worlds.World, *, stop: bool = False) -> Trial:
    """Three guardrails, each with a third of alpha; latency and cost are as they were."""
    beside = (worlds.latencies(canary_runs=FEW), worlds.costs(canary_runs=FEW))

    def trial(rng: np.random.Generator) -> Found:
        drawn = (errors(rng), *(world(rng) for world in beside)) if not stop else (errors(rng),)
        found = [
            harm_in(metric, history, -math.log(THREE.alpha_of(metric)), stop=stop)
            for metric, history in zip(THREE.metrics, drawn, strict=False)
        ]
        return min((one for one in found if one is not None), default=None)

    return trial


def harmed_by_late_words(rng: np.random.Generator) -> Found:
    """Runs were counted as good at first; the word that they were wrong comes later."""
    history, late = worlds.late_words(rng)
    good = History(
        weight=history.weight,
        canary=history.canary,
        bad=np.zeros_like(history.bad),
        numbers=history.numbers,
    )
    evidence = observe(ERRORS, no_evidence(ERRORS), observations(good, range(good.bad.size)))
    corrections = [
        Observation(assigned=one.assigned, result="bad", corrects=True)
        for one in observations(history, late)
    ]
    shown = observe(ERRORS, evidence, corrections).harm_peak >= NEEDED
    return 0.0 if shown else None


def harmed_by_tenants(*, by_key: bool) -> Trial:
    """Tenants keep their arm. By key only a tenant's first failure counts."""

    def trial(rng: np.random.Generator) -> Found:
        history, tenant = worlds.tenants(rng)
        failed = np.flatnonzero(history.bad)
        if by_key:
            counted: set[int] = set()
            first = []
            for at in failed:
                before = "bad" if int(tenant[at]) in counted else None
                if action_for(ERRORS, before, "bad") == "count":
                    first.append(at)
                    counted.add(int(tenant[at]))
            failed = np.array(first, dtype=np.int64)
        evidence = observe(ERRORS, no_evidence(ERRORS), observations(history, failed))
        return 0.0 if evidence.harm_peak >= NEEDED else None

    return trial


def promoted(rng: np.random.Generator) -> Found:
    """The whole analysis of a good candidate; a negative number when it is failed."""
    history = worlds.failures(0.01, 0.01)(rng)
    analysis: Analysis = begin(ONE)
    for given, bad in zip(history.canary, history.bad, strict=True):
        analysis, assigned = admit(analysis, "canary" if given else "baseline", worlds.WEIGHT)
        if not given and not bad:
            continue  # it changes no evidence
        ended = Observation(assigned=assigned, result="bad" if bad else "good")
        analysis = learn(ONE, analysis, "errors", [ended])
        status = verdict(ONE, analysis, elapsed_s=0.0).status
        if status != "Running":
            runs = float(analysis.canary)
            return runs if status == "Successful" else -runs
    return None


def promoted_at_bound(rng: np.random.Generator) -> Found:
    """The evidence for safety alone, where 5 % of the canary's runs are bad."""
    bad = rng.random(worlds.CANARY_RUNS) < 0.05
    evidence = observe(ERRORS, no_evidence(ERRORS), canaries(bad, range(bad.size), bad.size))
    return 0.0 if log_safety(ERRORS, evidence) >= NEEDED else None


def promoted_early(*, in_order_of_arrival: bool) -> Trial:
    """The same, where bad runs take ten times as long; looked at after every tenth word."""

    def trial(rng: np.random.Generator) -> Found:
        bad = rng.random(400) < 0.05
        ends = np.arange(bad.size) + np.where(bad, 10.0, 1.0) * rng.exponential(20.0, bad.size)
        order = np.argsort(ends)
        places = np.argsort(order) if in_order_of_arrival else np.arange(bad.size)
        evidence = no_evidence(ERRORS)
        words = list(canaries(bad, order, bad.size, places))
        for start in range(0, len(words), 10):
            evidence = observe(ERRORS, evidence, words[start : start + 10])
            if log_safety(ERRORS, evidence) >= NEEDED:
                return 0.0
        return None

    return trial


def canaries(
    bad: worlds.Bools, order: Iterable[int], runs: int, places: worlds.Ints | None = None
) -> Iterator[Observation]:
    """Outcomes of canary runs alone."""
    numbers = np.arange(runs) if places is None else places
    for at in order:
        assigned = Assigned(arm="canary", probability=worlds.WEIGHT, place=int(numbers[at]))
        yield Observation(assigned=assigned, result="bad" if bad[at] else "good")


def judged(judge: Callable[[History], int | None], world: worlds.World) -> Trial:
    """What a peer says of a world."""
    return lambda rng: judge(world(rng))


# -------------------------------------------------------------------------------------- all trials

NO_WORSE: dict[str, Trial] = {
    "healthy_99": harmed(ERRORS, worlds.failures(0.01, 0.01)),
    "healthy_90": harmed(ERRORS, worlds.failures(0.1, 0.1)),
    "provider_outage": harmed(ERRORS, worlds.failures(0.01, 0.01, outage=0.25)),
    "ramp": harmed(ERRORS, worlds.ramp(0.01, 0.01)),
    "latency_drift": harmed(LATENCY, worlds.latencies(drift=1.5)),
    "heavy_tailed_cost": harmed(COST, worlds.costs()),
    "score": harmed(SCORE, worlds.scores(0.85, 0.85, FEW)),
    "three_metrics": harmed_by_three(worlds.failures(0.01, 0.01)),
    "no_baseline_at_bound": harmed(ALONE, worlds.alone(0.05)),
    "late_words": harmed_by_late_words,
    "sticky_keys": harmed_by_tenants(by_key=True),
}
WORSE: dict[str, Trial] = {
    "99_to_95": harmed(ERRORS, worlds.failures(0.05, 0.01), stop=True),
    "99_to_97": harmed(ERRORS, worlds.failures(0.03, 0.01), stop=True),
    "90_to_80": harmed(ERRORS, worlds.failures(0.2, 0.1), stop=True),
    "99_to_50": harmed(ERRORS, worlds.failures(0.5, 0.01), stop=True),
    "ramp_99_to_95": harmed(ERRORS, worlds.ramp(0.05, 0.01), stop=True),
    "three_metrics_99_to_95": harmed_by_three(worlds.failures(0.05, 0.01), stop=True),
    "no_baseline_95_to_90": harmed(ALONE, worlds.alone(0.1), stop=True),
    "latency_25": harmed(LATENCY, worlds.latencies(1.25, canary_runs=FEW), stop=True),
    "cost_50": harmed(COST, worlds.costs(1.5, FEW), stop=True),
    "score_85_to_75": harmed(SCORE, worlds.scores(0.75, 0.85, FEW), stop=True),
}
PROMOTE: dict[str, Trial] = {
    "healthy": promoted,
    "wrong_at_bound": promoted_at_bound,
    "wrong_when_failures_are_late": promoted_early(in_order_of_arrival=False),
}
_JUDGES = {
    "argo_limit_0": (peers.rate_limit(0.05, 0), peers.rate_limit(0.15, 0)),
    "argo_limit_3": (peers.rate_limit(0.05, 3), peers.rate_limit(0.15, 3)),
    "flagger_10": (peers.rate_limit(0.01, 9), peers.rate_limit(0.1, 9)),
    "kayenta_like": (peers.kayenta_like,) * 2,
    "naive_z": (peers.naive_z,) * 2,
}
_PEER_WORLDS = {
    "healthy_99": worlds.failures(0.01, 0.01),
    "healthy_90": worlds.failures(0.1, 0.1),
    "provider_outage": worlds.failures(0.01, 0.01, outage=0.25),
    "99_to_95": worlds.failures(0.05, 0.01),
    "99_to_50": worlds.failures(0.5, 0.01),
}
PEERS: dict[str, Trial] = {
    **{
        f"{judge} {name}": judged(limits[name == "healthy_90"], world)
        for judge, limits in _JUDGES.items()
        for name, world in _PEER_WORLDS.items()
    },
    "mann_whitney latency_drift": judged(
        peers.mann_whitney, worlds.latencies(drift=1.5, canary_runs=FEW)
    ),
    "mann_whitney latency_25": judged(peers.mann_whitney, worlds.latencies(1.25, canary_runs=FEW)),
    "same_bets_on_runs sticky_keys": harmed_by_tenants(by_key=False),
    "same_bets_in_order_of_arrival wrong_when_failures_are_late": promoted_early(
        in_order_of_arrival=True
    ),
}
TRIALS: dict[str, Trial] = {
    **{f"false_rollback {name}": trial for name, trial in NO_WORSE.items()},
    **{f"detect {name}": trial for name, trial in WORSE.items()},
    **{f"promote {name}": trial for name, trial in PROMOTE.items()},
    **{f"peers {name}": trial for name, trial in PEERS.items()},
}


def play(task: tuple[str, int, int, int]) -> list[Found]:
    """Play some repetitions of one trial, which is given by name, seed, first and number."""
    name, seed, first, count = task
    # The same world has the same traffic for us and for every peer.
    world = name.rpartition(" ")[2]
    trial = TRIALS[name]
    return [trial(worlds.generator(seed, world, at)) for at in range(first, first + count)]
