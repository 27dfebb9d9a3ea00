"""Workers die by SIGKILL at the worst points of a call."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fairlead.operations import resolve_effect
from fairlead.testing.conformance.site import ANN, Execution, Site
from fairlead.testing.faults import Fault, Kill
from fairlead.testing.faults.plan import Moment

TOOLS = ("look", "put", "pay", "charge")
"""One tool of each effect class: read, idempotent, once, and once with a probe."""


class CallConformance:
    """What a killed worker leaves of a call, for each effect class.

    Each test has four runs, which call one tool each, between two calls that are none of its
    matter. Four workers execute one run each; the second call kills all of them.
    """

    def test_invariant_01_a_call_on_record_is_not_executed_again(self, site: Site) -> None:
        """Killed after the outcome row and before the engine's own record of the step."""
        runs, plan = _killed_at(site, "recorded")
        site.until_ended(*runs.values())
        for tool, run_id in runs.items():
            assert site.did(run_id) == [f"look:a-{tool}", f"{tool}:b", "put:c"], tool
            assert site.answer(run_id) == [f"a-{tool}", "b", "c"]
            assert site.types(run_id)["call.finished"] == 3
        assert len(site.fired(plan)) == len(TOOLS)

    def test_invariant_02_an_effect_without_an_outcome_is_not_repeated_blind(
        self, site: Site
    ) -> None:
        """Killed after the effect and before its outcome row."""
        runs, plan = _killed_at(site, "after")
        _assert_each_by_its_effect(site, runs)
        assert len(site.fired(plan)) == len(TOOLS)

    def test_invariant_02_an_effect_in_a_body_is_not_repeated_blind(self, site: Site) -> None:
        """Killed from outside, inside the tool's own body, which has just had its effect."""
        site.hold("b")
        runs = _start(site)
        workers = [site.worker(concurrency=1) for _ in runs]
        site.until(lambda: len(_executions_of_b(site)) == len(TOOLS), "every body is at work")
        assert {one.pid for one in _executions_of_b(site)} == {worker.pid for worker in workers}
        for worker in workers:
            worker.kill()
        site.release("b")
        site.employ()
        _assert_each_by_its_effect(site, runs)

    def test_invariant_02_an_intent_alone_counts_as_maybe_happened(self, site: Site) -> None:
        """Killed after the intent row and before the body: nothing happened, and nobody knows."""
        runs, plan = _killed_at(site, "before")
        _assert_unknown(site, runs["pay"])
        site.until_ended(*(run_id for tool, run_id in runs.items() if tool != "pay"))
        assert "pay:b" not in site.did(runs["pay"])
        resolve_effect(site.platform, f"{runs['pay']}:2", False, ANN)
        site.until_ended(runs["pay"])
        for tool, run_id in runs.items():
            assert site.did(run_id) == [f"look:a-{tool}", f"{tool}:b", "put:c"], tool
            assert site.run(run_id).state == "succeeded", tool
        assert len(site.fired(plan)) == len(TOOLS)


def _start(site: Site) -> dict[str, str]:
    """Start a run for each tool; return them by their tool."""
    steps = {tool: [f"look:a-{tool}", f"{tool}:b", "put:c"] for tool in TOOLS}
    return {tool: site.start("series", steps[tool]) for tool in TOOLS}


def _killed_at(site: Site, moment: Moment) -> tuple[dict[str, str], Path]:
    """Start the runs on workers that die at a moment of their second call, and on others after."""
    runs = _start(site)
    deaths = [
        Fault(
            boundary="tool",
            name=tool,
            moment=moment,
            call=2,
            counted="run",
            run=run_id,
            action=Kill(),
        )
        for tool, run_id in runs.items()
    ]
    plan = site.plan(*deaths)
    # One run each: no run is in flight when its worker dies of another one.
    site.employ(len(TOOLS), plan=plan, concurrency=1)
    return runs, plan


def _executions_of_b(site: Site) -> list[Execution]:
    return [one for one in site.executions() if one.item == "b"]


def _assert_each_by_its_effect(site: Site, runs: dict[str, str]) -> None:
    """The second call of each run had its effect, and nobody recorded an outcome."""
    _assert_unknown(site, runs["pay"])
    site.until_ended(*(run_id for tool, run_id in runs.items() if tool != "pay"))
    assert site.did(runs["pay"]) == ["look:a-pay", "pay:b"]
    resolve_effect(site.platform, f"{runs['pay']}:2", True, ANN, result="b")
    site.until_ended(runs["pay"])
    for tool, run_id in runs.items():
        times = 2 if tool in ("look", "put") else 1
        assert Counter(site.did(run_id)) == {f"look:a-{tool}": 1, f"{tool}:b": times, "put:c": 1}
        assert site.answer(run_id) == [f"a-{tool}", "b", "c"], tool
        keys = {one.key for one in site.executions(run_id)}
        assert keys == {f"{run_id}:{number}" for number in (1, 2, 3)}, tool
    (effect,) = (one for one in site.platform.effects.of_run(runs["charge"]) if one.number == 2)
    assert effect.state == "reconciled"


def _assert_unknown(site: Site, run_id: str) -> None:
    """A run waits for somebody to find out about its second call."""

    def unknown() -> bool:
        return site.run(run_id).state == "waiting" and site.calls(run_id).get(2) == "unknown"

    site.until(unknown, "the once effect is unknown, and its run waits")
