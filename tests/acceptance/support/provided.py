"""An app whose models stand behind real HTTP, with a worker process that executes its runs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.operations import (
    Platform,
    Release,
    RunRecord,
    StartOptions,
    create_release,
    load_settings,
    open_platform,
)
from fairlead.testing import ProviderServer
from tests.acceptance.support.cli import Cli

TOO_LONG_S = 40.0
PRIMARY = "openai:gpt-5"
FALLBACK = "openai-chat:gpt-5-mini"

_TOML = """\
[app]
name = "provided"

[database]
synchronous = "normal"

[worker]
lease_s = 2
drain_s = 1
concurrency = 4

# The tests share one database, and a provider that fails is what most of them are about.
[breaker]
failures = 10000
calls = 10000

[workflow.plain.limits]
attempts = 3
call_timeout_s = 1.0

[workflow.backed.limits]
attempts = 2
call_timeout_s = 1.0

[workflow.alone]
fallbacks = []

[workflow.alone.limits]
attempts = 2

[workflow.small.limits]
context_tokens = 200

[workflow.ready.limits]
attempts = 2

[workflow.streamed.limits]
attempts = 2
call_timeout_s = 1.0

[workflow.named.limits]
attempts = 2
call_timeout_s = 1.0
"""

_APP = '''\
"""Workflows that differ in how their model is named, and in what it must answer."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessEventStream
from pydantic_ai.models.openai import OpenAIResponsesModel

import fairlead as fl

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
TERMS = {"intent": "Answer", "owner": "group:default/tests", "input": str, "slo": SLO}


@dataclass
class Verdict:
    score: int
    why: str


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(ctx: fl.Context, item: str) -> str:
    """Look at an item."""
    return f"{item} is there"


@fl.workflow(**TERMS, output=str, model="openai:gpt-5", tools=[look])
async def plain(run: fl.Run[str], item: str) -> str:
    """One answer in words."""
    return (await run.answer(item)).unwrap()


@fl.workflow(**TERMS, output=str, model="openai:gpt-5")
async def twice(run: fl.Run[str], item: str) -> str:
    """Two answers."""
    await run.answer(item)
    return (await run.answer(item)).unwrap()


@fl.workflow(**TERMS, output=Verdict, model="openai:gpt-5", tools=[look])
async def shaped(run: fl.Run[Verdict], item: str) -> Verdict:
    """One answer with a form."""
    return (await run.answer(item)).unwrap()


@fl.workflow(
    **TERMS, output=str, model="openai:gpt-5", fallbacks=["openai-chat:gpt-5-mini"]
)
async def backed(run: fl.Run[str], item: str) -> str:
    """A model with a fallback."""
    return (await run.answer(item)).unwrap()


@fl.workflow(
    **TERMS, output=str, model="openai:gpt-5", fallbacks=["openai-chat:gpt-5-mini"]
)
async def alone(run: fl.Run[str], item: str) -> str:
    """Its file takes the fallback of the code away."""
    return (await run.answer(item)).unwrap()


@fl.workflow(**TERMS, output=str, model="openai:gpt-5", tools=[look])
async def small(run: fl.Run[str], item: str) -> str:
    """A model that may read little."""
    return (await run.answer(item)).unwrap()


@fl.workflow(**TERMS, output=str, model=Agent(OpenAIResponsesModel("gpt-5"), name="ready"))
async def ready(run: fl.Run[str], item: str) -> str:
    """An agent with a model of its own."""
    return (await run.answer(item)).unwrap()


@fl.workflow(**TERMS, output=str, model=Agent("openai-chat:gpt-5", name="named"))
async def named(run: fl.Run[str], item: str) -> str:
    """An agent that names its model."""
    return (await run.answer(item)).unwrap()


async def heard(ctx: object, events: object) -> None:
    """Listen to the events of a stream."""
    async for _ in events:
        pass


@fl.workflow(
    **TERMS,
    output=str,
    model=Agent("openai-chat:gpt-5", name="streamed", capabilities=[ProcessEventStream(heard)]),
)
async def streamed(run: fl.Run[str], item: str) -> str:
    """An agent that listens to its model's stream."""
    return (await run.answer(item)).unwrap()


app = fl.App(
    "provided", workflows=[plain, twice, shaped, backed, alone, small, ready, named, streamed]
)
'''


@dataclass(frozen=True, kw_only=True)
class Provided:
    """The app, its provider and its worker.

    Attributes:
        server: The provider.
        platform: The open platform of this process, which executes nothing itself.
        release: The release that runs start on.
    """

    server: ProviderServer
    platform: Platform
    release: Release

    def run(
        self, workflow: str, item: str = "item", *, conversation: str | None = None
    ) -> RunRecord:
        """Execute a run by the worker, to its end."""
        admission, options = self.platform.admission, StartOptions(conversation=conversation)
        run = admission.start(self.release, workflow, item, principal=Principal(), options=options)
        return asyncio.run(admission.wait(run.id, TOO_LONG_S))

    def rested(self) -> None:
        """Forget that anybody was asked too often: one test's storm slows no other test down."""
        with self.platform.engine_connections.begin() as connection:
            connection.execute(sa.text("DELETE FROM buckets"))

    def calls(self, run: RunRecord) -> list[tuple[str, str, int]]:
        """Return name, state and tries of each call of a run, in order."""
        return [(c.name, c.state, c.attempts) for c in self.platform.journal.of_run(run.id)]

    def events(self, run: RunRecord, type: str) -> list[dict[str, Any]]:
        """Return the data of a run's events of one type."""
        found = self.platform.events.list(chain=f"run:{run.id}", limit=1000)
        return [event.data for event in found if event.type == type]

    def steps(self, run: RunRecord) -> Sequence[str]:
        """Return the names of a run's journaled steps, as the engine recorded them."""
        query = sa.text(
            "SELECT function_name FROM operation_outputs WHERE workflow_uuid = :run"
            " ORDER BY function_id"
        )
        with self.platform.engine_connections.connect() as connection:
            return [row[0] for row in connection.execute(query, {"run": run.id})]


@contextmanager
def provided(folder: Path) -> Iterator[Provided]:
    """Start the provider, release the app, and start its worker as a user would.

    Args:
        folder: Where the app is made.
    """
    (folder / "policies").mkdir(parents=True)
    (folder / "fairlead.toml").write_text(_TOML)
    (folder / "app.py").write_text(_APP)
    (folder / "policies" / "all.cedar").write_text(
        '@id("all")\npermit (principal, action, resource);\n'
    )
    with ProviderServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        with open_platform(load_settings(folder)) as platform:
            release, _ = create_release(platform)
            worker = Cli(folder, **server.environment).start("worker")
            try:
                yield Provided(server=server, platform=platform, release=release)
            finally:
                _stop(worker)


def _stop(worker: subprocess.Popen[str]) -> None:
    worker.terminate()
    try:
        worker.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()
        raise
