"""What must never happen rolls a candidate back at once, while the run that did it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import verify_events
from tests.acceptance.support.rollout_app import APP, PLAN, fleet

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

_DESK = '''
@fl.tool(effect="read", scope="notes:read")
async def send(ctx: fl.Context, text: str) -> str:
    """Send a text."""
    return text


@fl.tool(effect="once", scope="money:write", targets=["number"])
async def pay(ctx: fl.Context, number: int) -> str:
    """Pay."""
    return "paid"


def terms(*tools):
    return {
        "intent": "Do what must never happen",
        "owner": "group:default/tests",
        "input": int,
        "output": str,
        "tools": list(tools),
        "slo": fl.SLO(success=0.99, latency_p95=timedelta(seconds=500)),
    }


@fl.workflow(**terms(pay))
async def payment(run: fl.Run[str], number: int) -> str:
    """Pay once."""
    return str(await run.call(pay, number))


@fl.workflow(**terms(send))
async def work(run: fl.Run[str], number: int) -> str:
    """Do it, and go on for long."""
    DONE
    await run.sleep(timedelta(seconds=100))
    return "done"


app = fl.App("rollouts", workflows=[work, wait, payment])
'''
_DONE = {
    # Each of them pays once, and together they pay twice.
    "effect_duplicated": "await run.gather(run.child(payment, number), run.child(payment, number))",
    # A key of nobody, in two parts: a file of a release holds no key.
    "secret_leaked": 'await run.call(send, "AKIA" + "Q3EGRZTMX7WQLB2K")',
}


@pytest.mark.parametrize("breach", sorted(_DONE))
def test_a_breach_rolls_back_while_its_run_goes_on(tmp_path: Path, breach: str) -> None:
    with fleet(tmp_path / "app", plan=PLAN.replace("min_runs: 10", "min_runs: 500")) as app:
        usual, _, _ = APP.replace("VERSION", "two").partition("app = fl.App(")
        (app.folder / "app.py").write_text(usual + _DESK.replace("DONE", _DONE[breach], 1))
        candidate = app.cli.json("release", "create")["release"]
        app.up()
        rollout = app.start(app.platform.release_store.get(candidate))
        app.until(rollout, lambda one: one.weight == 0.5)
        mine = [run.id for run in app.ask(8) if run.release == candidate]
        app.until(rollout, lambda one: one.decided_at is not None)
        found = app.rollout(rollout)
        assert (found.phase, found.bad) == ("aborting", True)
        assert any(f"{breach} by run {run}" in found.reason for run in mine)
        assert all(app.platform.runs.get(run).state not in FINAL_STATES for run in mine)
        assert verify_events(app.platform).findings == ()
