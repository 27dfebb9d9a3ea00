"""What the guard adds to one tool call, beside one committed insert into SQLite.

The guard is three parts, each timed apart: the arguments are held against the contract's schema;
their labels are found and 50 rules decide; and the call is recorded by the journal's own
transaction, as the boundary does after every call: the call's row, its result, and its event at the
end of the run's hash chain. The floor is one row that Python's `sqlite3` commits to the same file,
in turn with the guard, so that both meet the same disk and the same neighbours. The database has
`synchronous=normal`, which the figures say too.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench_app import quantile
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.core.calls import Call, Done
from fairlead.core.identity import Principal
from fairlead.core.label import UNDECLARED, own_label
from fairlead.core.release import ToolContract
from fairlead.guardrails.decide import Bundle, Situation, acts_of
from fairlead.guardrails.labels import Flow
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.clock import SystemClock
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Room, RunRecord

RULES = 50
CALLS = 5000
CALLS_PER_RUN = 50
ANN = Principal(user="ann", tenant="acme")
_LINE = {
    "type": "object",
    "properties": {
        "sku": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "price": {"type": "number"},
    },
    "required": ["sku", "count", "price"],
    "additionalProperties": False,
}
PARAMETERS = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "maxLength": 64},
        "amount_eur": {"type": "number"},
        "note": {"type": "string"},
        "lines": {"type": "array", "items": _LINE, "maxItems": 100},
    },
    "required": ["order_id", "amount_eur", "lines"],
    "additionalProperties": False,
}
CONTRACT = ToolContract(
    name="tool_0",
    description="Look at a refund.",
    effect="read",
    scope="refunds:read",
    targets=("order_id",),
    payload=("note",),
    parameters=PARAMETERS,
)
CONTRACTS = {f"tool_{n}": CONTRACT for n in range(RULES // 2)}


def main() -> None:
    """Guard the calls and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="how many calls")
    calls = parser.parse_args().calls
    with TemporaryDirectory(prefix="fairlead-bench-") as folder:
        times = measure(Path(folder) / "guard.db", calls)
    figures: dict[str, Any] = {
        "calls": calls,
        "rules": RULES,
        "synchronous": "normal",
        "p50_us": _us(times["guard"], 0.5),
        "p99_us": _us(times["guard"], 0.99),
        "floor_us": _us(times["floor"], 0.5),
        "floor_p99_us": _us(times["floor"], 0.99),
        "schema_us": _us(times["schema"], 0.5),
        "decide_us": _us(times["decide"], 0.5),
        "row_us": _us(times["row"], 0.5),
        "ratio_p50": round(quantile(times["guard"], 0.5) / quantile(times["floor"], 0.5), 1),
        "ratio_p99": round(quantile(times["guard"], 0.99) / quantile(times["floor"], 0.99), 1),
    }
    for name, meaning in (
        ("schema_us", "the arguments fit the contract"),
        ("decide_us", f"labels, and {RULES} rules decide"),
        ("row_us", "row, result and event are committed"),
        ("floor_us", "one row is committed by sqlite3 alone"),
        ("p50_us", "the guard, half of the calls"),
        ("p99_us", "the guard, 99 of 100 calls"),
    ):
        print(f"{figures[name]:>8} us  {meaning}")
    print(json.dumps(figures))


def measure(path: Path, calls: int) -> dict[str, list[float]]:
    """Guard calls one after another; return the seconds of each part of each call."""
    database = Database(f"sqlite:///{path}", synchronous="normal")
    clock = SystemClock()
    runs, journal = SqlRunStore(database, clock), SqlJournal(database, clock)
    bundle = Bundle(contracts=CONTRACTS, authorizer=compile_policies(_policies()), digest="d" * 64)
    check = SchemaCheck(PARAMETERS)
    flow = Flow(whole=own_label(ANN)).received(
        {"mail": "Order 1234567 came broken.", "from": "eve"}, {"": UNDECLARED}
    )
    situation = Situation(workflow="refund", seen=flow.whole, tools=frozenset(("read_mail",)))
    floor = _floor(path)
    times: dict[str, list[float]] = {
        name: [] for name in ("guard", "schema", "decide", "row", "floor")
    }
    for place, call in enumerate(_calls(runs, calls + 100)):
        moments = [time.perf_counter()]
        if check.finding(call.arguments) is not None:
            raise SystemExit("the arguments do not fit")
        moments.append(time.perf_counter())
        (act,) = acts_of(call)
        labels = flow.labels_of(act.arguments)
        decision = bundle.decide("call", ANN, act, labels=labels, context=situation)
        moments.append(time.perf_counter())
        if decision.effect != "allow":
            raise SystemExit(f"it was not allowed: {decision}")
        verdict = CallVerdict(
            effect=decision.effect, rules=decision.reasons, policy=decision.policy
        )
        now = clock.now()
        execution = Execution(started_at=now, finished_at=now, attempts=1, claim=1)
        result = Done(value={"order": place, "paid": True}, labels={"": UNDECLARED})
        before = time.perf_counter()
        journal.finish(call, result, execution, verdict)
        after = time.perf_counter()
        floor_s = floor(place)
        if place >= 100:  # the first ones load and warm what a worker has warm
            times["schema"].append(moments[1] - moments[0])
            times["decide"].append(moments[2] - moments[1])
            times["row"].append(after - before)
            times["guard"].append(moments[2] - moments[0] + after - before)
            times["floor"].append(floor_s)
    database.close()
    return times


def _policies() -> dict[str, str]:
    rules = []
    for number in range(RULES // 2):
        rules.append(
            f'@id("small-{number}") permit (principal in Tenant::"acme", '
            f'action == Action::"call", resource == Tool::"tool_{number}") when {{ '
            'decimal(context.arguments.amount_eur).lessThanOrEqual(decimal("50.0")) };'
        )
        rules.append(
            f'@id("own-{number}") forbid (principal, action == Action::"call", '
            f'resource == Tool::"tool_{number}") when {{ context.egress && '
            'context.targets.integrity == "untrusted" };'
        )
    return {"policies/bench.cedar": "\n".join(rules)}


def _calls(runs: SqlRunStore, calls: int) -> Iterator[Call]:
    for place in range(calls):
        run_id, number = f"run{place // CALLS_PER_RUN:05d}", place % CALLS_PER_RUN + 1
        if number == 1:
            runs.admit(_run(run_id), room=Room())
        yield Call(
            run_id=run_id,
            number=number,
            kind="tool",
            name=f"tool_{place % (RULES // 2)}",
            arguments={
                "order_id": f"{place:07d}",
                "amount_eur": 12.5,
                "note": "It came broken.",
                "lines": [{"sku": f"s{n}", "count": n + 1, "price": 1.25} for n in range(10)],
            },
            effect="read",
            lineage=run_id,
        )


def _run(run_id: str) -> RunRecord:
    return RunRecord(
        id=run_id,
        workflow="refund",
        release="r" * 64,
        code_digest="c" * 64,
        principal=ANN,
        purpose="user",
        state="queued",
        input={"question": run_id},
        created_at=time.time(),
    )


def _floor(path: Path) -> Callable[[int], float]:
    """Return what commits one row of a call's size, and says how many seconds it took."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA synchronous=normal")
    # The journal's own connection brings the log into the file; this one would do its work.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE bench_floor (id INTEGER PRIMARY KEY, data TEXT)")
    data = "x" * 300

    def insert(place: int) -> float:
        before = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO bench_floor VALUES (?, ?)", (place, data))
        connection.execute("COMMIT")
        return time.perf_counter() - before

    return insert


def _us(seconds: list[float], share: float) -> float:
    return round(quantile(seconds, share) * 1e6, 1)


if __name__ == "__main__":
    main()
