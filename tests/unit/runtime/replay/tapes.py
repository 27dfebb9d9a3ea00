"""A recording by hand, and calls that a replay asks for."""

from __future__ import annotations

from typing import Any

from fairlead.core.calls import Call, CallKind, Done, Effect, Result, Usage, result_state
from fairlead.core.identity import Principal
from fairlead.ports.journal import CallRecord
from fairlead.ports.recordings import Recording
from fairlead.ports.runs import RunRecord


def call(
    kind: CallKind = "tool",
    name: str = "look",
    arguments: Any = None,
    *,
    number: int = 1,
    effect: Effect = "read",
) -> Call:
    return Call(
        run_id="r1",
        number=number,
        kind=kind,
        name=name,
        arguments=arguments or {},
        effect=effect,
        lineage="r1",
    )


def taped(asked: Call, result: Result | None = None) -> CallRecord:
    ended = Done(value="recorded") if result is None else result
    return CallRecord(
        key=asked.key,
        run_id="r1",
        number=asked.number,
        kind=asked.kind,
        name=asked.name,
        effect=asked.effect,
        state=result_state(ended),
        arguments_digest=asked.arguments_digest,
        result=ended,
        attempts=1,
        usage=ended.usage if isinstance(ended, Done) else Usage(),
        started_at=100.0 + asked.number,
        finished_at=100.5 + asked.number,
    )


def recording(*calls: CallRecord, **more: Any) -> Recording:
    run = RunRecord(
        id="r1",
        workflow="w",
        release="a" * 64,
        code_digest="c",
        principal=Principal(),
        purpose="user",
        state="succeeded",
        input=None,
        created_at=99.0,
        started_at=100.0,
    )
    return Recording(run=run, calls=calls, **more)
