"""Worker processes that die where a plan says so; one follows another until every run has ended.

Started with the app's folder: it loads the libraries once and forks one worker after the other, so
that each worker is a process of its own with its own id and lease. `kills.json` in that folder
names for each run the point at which its worker kills itself, and how often.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.core.calls import Call, Refused, Result
from fairlead.core.context import Context
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import load_settings, make_worker, open_platform
from fairlead.ports.boundary import Driven, current_call
from fairlead.runtime import interceptors
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import RunScope, Services, Tally

STAY = "stay"
"""While a file of this name is in the app's folder, a worker stays when every run has ended."""

WORKERS_MAX = 40
"""More deaths than any plan asks for: a plan that does not end is a failure."""


class Plan:
    """Where to die."""

    def __init__(self, folder: Path) -> None:
        path = folder / "kills.json"
        self._kills: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        self._folder = folder

    def die(self, run_id: str, point: str) -> None:
        """Kill this process when the plan says so, as often as the plan says.

        A plan that ends in `*stop` only stops it: it goes on when it gets SIGCONT.
        """
        wanted, _, times = self._kills.get(run_id, "").partition("*")
        stop = times == "stop"
        if wanted != point:
            return
        deaths = self._folder / f"deaths-{run_id}"
        count = len(deaths.read_text()) if deaths.exists() else 0
        if count < (1 if stop else int(times or 1)):
            deaths.write_text("x" * (count + 1))
            if stop:
                (self._folder / "stopped").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP if stop else signal.SIGKILL)


def instrument(folder: Path) -> None:
    """Put the kill points in, and have every body leave a line in the ledger."""
    sys.path.insert(0, str(folder))
    from outside import note  # type: ignore[import-not-found]

    plan = Plan(folder)
    _around_calls(plan)
    _around_stores(plan)
    search = SqlDocumentStore.search

    def noted_search(self: SqlDocumentStore, query: Any) -> Any:
        note("retrieval", _calling(), top_k=query.top_k)
        return search(self, query)

    SqlDocumentStore.search = noted_search  # type: ignore[method-assign]
    make_model = generator.make_model
    generator.make_model = lambda name: (  # type: ignore[assignment]
        recorder(note) if name == "test:recorder" else make_model(name)
    )


def recorder(note: Callable[..., None]) -> Any:
    """Return a model that writes down its instructions: first it calls two tools, then it answers.

    Args:
        note: Appends a line to the ledger.
    """
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        note("model", _calling(), instructions=info.instructions)
        turns = sum(isinstance(message, ModelResponse) for message in messages)
        if turns or not info.function_tools:
            return ModelResponse(parts=[TextPart("done")])
        asked = [
            ToolCallPart(tool_name=name, args={"item": "agent"}, tool_call_id=name)
            for name in ("look", "pay")
        ]
        return ModelResponse(parts=asked)

    return FunctionModel(respond, model_name="recorder")


def _calling() -> Context:
    context = current_call.get()
    assert context is not None, "a body was executed outside of a call"
    return context


def _around_calls(plan: Plan) -> None:
    drive = interceptors.drive

    def between(scope: RunScope, call: Call, _: Tally) -> Refused | None:
        plan.die(call.run_id, f"between:{call.number}")
        return None

    async def recorded(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
        ended = await inner(attempt, services)
        plan.die(attempt.call.run_id, f"recorded:{attempt.call.number}")
        return ended

    async def driven(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
        ended = await inner(attempt, services)
        plan.die(attempt.call.run_id, f"driven:{attempt.call.number}")
        return ended

    async def dying_drive(attempt: Attempt, services: Services) -> tuple[Result, int]:
        call, body = attempt.call, attempt.driver
        plan.die(call.run_id, f"intended:{call.number}")

        async def dying(context: Context) -> Driven:
            value = await body(context)
            plan.die(call.run_id, f"body:{call.number}")
            return value

        return await drive(replace(attempt, driver=dying), services)

    interceptors.BEFORE = (*interceptors.BEFORE, between)
    record, *rest = interceptors.INSIDE
    interceptors.INSIDE = (recorded, record, driven, *rest)
    interceptors.drive = dying_drive  # type: ignore[assignment]


def _around_stores(plan: Plan) -> None:
    def wrap(name: str) -> None:
        method = getattr(SqlRunStore, name)

        def dying(self: SqlRunStore, run_id: str, *rest: Any) -> Any:
            plan.die(run_id, f"{name}:before")
            found = method(self, run_id, *rest)
            plan.die(run_id, f"{name}:after")
            return found

        setattr(SqlRunStore, name, dying)

    wrap("begin")
    wrap("finish")


def work(folder: Path) -> None:
    """Be a worker until every run has ended and nobody wants it to stay."""
    with open_platform(load_settings(folder)) as platform:
        worker = make_worker(platform)
        worker.start()
        while (folder / STAY).exists() or any(
            run.state not in FINAL_STATES for run in platform.runs.list(limit=1000)
        ):
            time.sleep(0.05)
        worker.stop()


def main(folder: Path, workers: int = WORKERS_MAX) -> int:
    """Start one worker after another until one ends by itself.

    Args:
        folder: The app's folder.
        workers: Most workers to start.

    Returns:
        0 when a worker ended by itself, 1 when every one was killed or one failed.
    """
    instrument(folder)
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(folder)
                code = 0
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        (folder / f"dead-{child}").touch()
    return 1


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
