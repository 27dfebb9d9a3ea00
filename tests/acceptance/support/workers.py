"""Worker processes that a fault plan breaks; one follows another until every run has ended.

Started with the app's folder: it loads the libraries once and forks one worker after the other, so
that each worker is a process of its own with its own id and lease. `faults.json` in that folder is
the plan; what has fired is counted over all of them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.core.context import Context
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import RunRecord, load_settings, make_worker, open_platform
from fairlead.ports.boundary import current_call
from fairlead.testing.faults import Injector

STAY = "stay"
"""While a file of this name is in the app's folder, a worker stays when every run has ended."""

PLAN = "faults.json"
"""The fault plan, in the app's folder."""

PERSON_S = 4.0
"""A run that waits longer waits for a person."""

WORKERS_MAX = 40
"""More deaths than any plan asks for: a plan that does not end is a failure."""


def instrument(folder: Path) -> None:
    """Have every body leave a line in the ledger."""
    sys.path.insert(0, str(folder))
    from outside import note  # type: ignore[import-not-found]

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


def goes_on(run: RunRecord) -> bool:
    """Whether a run will do something by itself; one that waits for a person will not."""
    if run.state == "waiting":
        return run.wake_at is not None and run.wake_at < time.time() + PERSON_S
    return run.state != "paused" and run.state not in FINAL_STATES


def work(folder: Path) -> None:
    """Be a worker until every run has ended and nobody wants it to stay."""
    faults = Injector.of_file(folder / PLAN)
    with open_platform(load_settings(folder), faults=faults) as platform:
        worker = make_worker(platform)
        worker.start()
        while (folder / STAY).exists() or any(map(goes_on, platform.runs.list(limit=1000))):
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
