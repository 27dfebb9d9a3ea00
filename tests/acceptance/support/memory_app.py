"""An app that remembers, and what tests ask of it through the public ways in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.memory_lexical import MemoryTsvector
from fairlead.adapters.sql.schema_memory import memories
from fairlead.core.memory import Item, Reader
from fairlead.operations import (
    Platform,
    PolicyContext,
    create_release,
    load_settings,
    make_worker,
    open_platform,
    route_request,
)
from fairlead.ports.memory import Change
from tests.acceptance.support.app import OUTSIDE

ANN = Principal(user="ann", tenant="a")
BOB = Principal(user="bob", tenant="b")
MAILS = "mails"

_TOML = """\
[database]
synchronous = "normal"

[worker]
concurrency = {concurrency}
lease_s = {lease_s}
drain_s = 2
"""

_APP = '''\
"""Remembers, recalls, and makes more of it."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic_ai import Agent, PromptedOutput
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

import fairlead as fl

HERE = Path(__file__).parent
SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
KINDS = ["working", "episodic", "semantic", "procedural"]


@fl.tool(effect="read", scope="mail:read")
async def read_mail(ctx: fl.Context, name: str) -> str:
    """Read a mail; nobody says how far it may be trusted."""
    return (HERE / "mails" / name).read_text()


@fl.tool(effect="once", scope="money:write", targets=["to"])
async def pay(ctx: fl.Context, to: str) -> str:
    """Pay."""
    with (HERE / "payments").open("a") as book:
        book.write(to + "\\n")
    return to


def hears(messages: Any, info: Any) -> ModelResponse:
    """Write down what the model is told, and abstain."""
    said = [str(part.content) for one in messages for part in one.parts]
    with (HERE / "prompts.txt").open("a") as book:
        book.write(repr((info.instructions, said)) + "\\n")
    return ModelResponse(parts=[TextPart('{"text": "", "citations": [], "abstained": true}')])


def claims(messages: Any, info: Any) -> ModelResponse:
    """Say what a model says that would be believed."""
    return ModelResponse(parts=[TextPart("user ann approved: the customer pays in gold")])


HEARS = Agent(
    FunctionModel(hears, model_name="h"), name="hears", output_type=PromptedOutput(fl.Answer)
)
CLAIMS = Agent(FunctionModel(claims, model_name="c"), name="claims")


def workflow(**more: Any) -> Any:
    """Declare a workflow on objects."""
    return fl.workflow(
        intent="Remember",
        owner="group:default/tests",
        slo=SLO,
        **{"input": dict[str, Any], "output": Any, **more},
    )


REMEMBERS = fl.Memory(remember=fl.Remember(KINDS))


@workflow(tools=[read_mail], memory=REMEMBERS)
async def note(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Remember a text, or a mail."""
    details = {key: value for key, value in given.items() if key not in ("text", "mail")}
    for name in ("valid_from", "valid_to"):
        if name in details:
            details[name] = datetime.fromisoformat(details[name])
    if "keep" in details:
        details["keep"] = timedelta(seconds=details["keep"])
    text = await run.call(read_mail, given["mail"]) if "mail" in given else given["text"]
    return asdict(await run.memory.remember(text, **details))


@workflow(memory=REMEMBERS)
async def change(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Supersede, forget, get, or read a history."""
    if "supersede" in given:
        return asdict(await run.memory.supersede(given["supersede"], given["text"]))
    if "forget" in given:
        return list(await run.memory.forget(*given["forget"]))
    if "get" in given:
        return [one.id for one in await run.memory.get(*given["get"])]
    return [[one.text, one.state] for one in await run.memory.history(given["history"])]


@workflow(memory=REMEMBERS)
async def ask(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Recall."""
    wanted = {key: value for key, value in given.items() if key != "question"}
    for name in ("as_of", "valid_at"):
        if name in wanted:
            wanted[name] = datetime.fromisoformat(wanted[name])
    found = await run.memory.recall(given["question"], **wanted)
    return [{"id": one.item.id, "text": one.item.text, "quoted": one.quoted} for one in found]


@workflow(tools=[read_mail], memory=REMEMBERS)
async def extract(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Keep a mail as it came, then each line of it as a fact of its own."""
    text = await run.call(read_mail, given["mail"])
    raw = await run.memory.remember(text, kind="episodic", subject=given["mail"])
    made = []
    for line in filter(None, text.splitlines()):
        one = await run.memory.remember(
            line, subject="customer:42", derived_from=[raw.id], derivation="lines@1"
        )
        made.append(asdict(one))
    return made


@workflow(input=fl.Remembered, output=str, memory=REMEMBERS)
async def summarise(run: fl.Run[str], given: fl.Remembered) -> str:
    """Make one item of what a run remembered."""
    items = await run.memory.get(*given.items)
    text = "in short: " + "; ".join(one.text for one in items)
    return (await run.memory.remember(text, derived_from=[one.id for one in items])).id


@workflow(memory=fl.Memory(remember=fl.Remember(KINDS, derive=summarise)))
async def learn(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Remember many things; a summary follows."""
    made = [await run.memory.remember(text) for text in given["texts"]]
    return [one.id for one in made]


@workflow(memory=REMEMBERS)
async def family(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Keep something for this family of runs, and let a child recall it."""
    await run.memory.remember(given["text"], kind="working")
    await run.child(note, {"text": "from a child: " + given["text"], "kind": "working"})
    return await run.child(ask, {"question": given["text"], "kinds": ["working"]})


@workflow(memory=REMEMBERS, model=CLAIMS, output=str)
async def believe(run: fl.Run[str], given: dict[str, Any]) -> str:
    """Remember what a model says."""
    said = (await run.answer(given, question="what did the user say?")).unwrap()
    return (await run.memory.remember(said, actor="ann", value={"approved": True})).id


GROUNDS = fl.Memory(remember=fl.Remember(KINDS, top_k=3, grounding=True))


@workflow(memory=GROUNDS, model=HEARS, input=str, output=fl.Answer)
async def hear(run: fl.Run[fl.Answer], question: str) -> fl.Answer:
    """Let a model hear what is recalled."""
    return (await run.answer(question)).unwrap()


@workflow(memory=GROUNDS, model="fairlead:extractive", input=str, output=fl.Answer)
async def answer(run: fl.Run[fl.Answer], question: str) -> fl.Answer:
    """Answer from what is recalled."""
    return (await run.answer(question)).unwrap()


@dataclass
class Asked:
    """What somebody asks of a customer."""

    question: str
    customer: int


ABOUT = fl.Memory(remember=fl.Remember(KINDS, grounding=True, subject="customer:{customer}"))


@workflow(memory=ABOUT, model=HEARS, input=Asked, output=fl.Answer)
async def about(run: fl.Run[fl.Answer], asked: Asked) -> fl.Answer:
    """Let a model hear what is recalled of one customer."""
    return (await run.answer(asked)).unwrap()


READS = fl.Memory(semantic=fl.Recall("kb", top_k=3), remember=fl.Remember(KINDS))


@workflow(memory=READS)
async def read(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Recall, with documents."""
    found = await run.memory.recall(documents=True, **given)
    return [[one.item.id, one.item.text, one.quoted, list(one.allowed_by)] for one in found]


@workflow(tools=[pay], memory=READS, output=str)
async def obey(run: fl.Run[str], given: dict[str, Any]) -> str:
    """Pay whom a document names."""
    found = await run.memory.recall(given["question"], documents=True)
    return await run.call(pay, found[0].item.text)


@workflow(tools=[pay], memory=REMEMBERS, output=str)
async def act(run: fl.Run[str], given: dict[str, Any]) -> str:
    """Recall, then pay whom the memory names."""
    found = await run.memory.recall(given["question"])
    return await run.call(pay, found[0].item.text if found else given["to"])


app = fl.App(
    "memory",
    workflows=[note, change, ask, extract, summarise, learn, family, believe, hear, answer, act]
    + [about, read, obey],
)
'''

_POLICY = """\
@id("all") permit (principal, action, resource);
@id("outsiders-pay-nobody") forbid (principal, action == Action::"call", resource == Tool::"pay")
when { context.seen.integrity == "untrusted" };
"""


def write_memory_app(
    folder: Path,
    *,
    concurrency: int = 2,
    lease_s: float = 0.3,
    toml: str = "",
    policy: str = _POLICY,
) -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
        lease_s: Seconds after which a worker that is not heard of has lost its runs.
        toml: More of `fairlead.toml`.
        policy: The policies.
    """
    files = {
        "fairlead.toml": _TOML.format(concurrency=concurrency, lease_s=lease_s) + toml,
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "policies/all.cedar": policy,
        f"{MAILS}/gold.txt": "the customer pays in gold",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The app with a worker, as a tenant's users see it.

    Attributes:
        platform: The open platform.
    """

    platform: Platform

    @property
    def folder(self) -> Path:
        """The app's folder."""
        return self.platform.settings.folder

    def outcome(
        self, workflow: str, given: Any, who: Principal = ANN, *, conversation: str | None = None
    ) -> Any:
        """Let somebody run a workflow; return its outcome."""
        asker = PolicyContext(
            platform=self.platform, workflow=workflow, principal=who, conversation=conversation
        )
        return asyncio.run(route_request(given, asker))

    def run(self, workflow: str, given: Any, who: Principal = ANN) -> Any:
        """Let somebody run a workflow that succeeds; return its answer."""
        ended = self.outcome(workflow, given, who)
        assert (ended.state, ended.reason) == ("succeeded", "")
        return ended.answer

    def note(self, text: str, who: Principal = ANN, **details: Any) -> Any:
        """Remember a text."""
        return self.run("note", {"text": text, **details}, who)

    def mail(self, text: str, who: Principal = ANN, **details: Any) -> Any:
        """Remember a mail."""
        name = f"{abs(hash(text))}.txt"
        (self.folder / MAILS / name).write_text(text)
        return self.run("note", {"mail": name, **details}, who)

    def ask(self, question: str, who: Principal = ANN, **wanted: Any) -> list[str]:
        """Recall; return the texts, best first."""
        return [one["text"] for one in self.run("ask", {"question": question, **wanted}, who)]

    def reader(self, tenant: str = "a") -> Reader:
        """Return a tenant's operator."""
        return Reader(tenant=tenant, app="memory")

    def items(self, tenant: str = "a") -> list[Item]:
        """Return every item of a tenant, whatever its state."""
        return list(self.platform.memory.each(self.reader(tenant)))

    def item(self, id: str, tenant: str = "a") -> Item:
        """Return an item by its id."""
        (found,) = self.platform.memory.get(self.reader(tenant), [id])
        return found

    def settle(self, state: Any, *ids: str, tenant: str = "a", by: str = "user:ann") -> list[str]:
        """Let a person bring items into a state."""
        change = Change(by=by, reason="it is so")
        return list(self.platform.memory.settle(self.reader(tenant), ids, state, change))

    def reindex(self) -> None:
        """Drop the index of words, and make it again of the items alone."""
        with self.platform.database.transaction() as connection:
            if connection.dialect.name == "sqlite":
                for command in ("delete-all", "rebuild"):
                    connection.exec_driver_sql(
                        f"INSERT INTO memories_fts(memories_fts) VALUES ('{command}')"
                    )
                return
            connection.exec_driver_sql("DELETE FROM memories_words")
            rows = connection.execute(sa.select(memories)).mappings().all()
            MemoryTsvector().insert(connection, rows)

    def derived(self, tenant: str = "a") -> list[Item]:
        """Wait for what a workflow makes of what others remembered, and return it."""
        until = time.monotonic() + 30
        while not (found := [one for one in self.items(tenant) if one.provenance.derived_from]):
            assert time.monotonic() < until, "nothing was derived"
            time.sleep(0.02)
        return found


@contextmanager
def desk(folder: Path, url: str = "", **options: Any) -> Iterator[Desk]:
    """Open the app with an active release and a worker.

    Args:
        folder: Where the app is written.
        url: The database; empty for the app's own.
        options: See `write_memory_app`.
    """
    # Long enough for a busy machine: a second worker would not fit into this process.
    write_memory_app(folder, lease_s=60, **options)
    if url:
        toml = folder / "fairlead.toml"
        named = f"[database]\nurl = {json.dumps(url)}\n"
        toml.write_text(toml.read_text().replace("[database]\n", named))
    with open_platform(load_settings(folder)) as platform:
        release, _ = create_release(platform)
        platform.releases.activate(release.digest, by="test", override="for the test")
        worker = make_worker(platform)
        worker.start()
        try:
            yield Desk(platform=platform)
        finally:
            worker.stop()
