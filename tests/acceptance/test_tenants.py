"""Two tenants on one database: neither is answered from the other's documents, nor by its rules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal
from fairlead.core.digests import canonical_json
from fairlead.operations import (
    Platform,
    PolicyContext,
    create_release,
    ingest,
    load_settings,
    open_platform,
    route_request,
)
from tests.acceptance.support.cli import Cli

pytestmark = pytest.mark.acceptance

QUESTION = "How often is the pump oiled?"
TEXTS = {
    "a": "The pump is oiled every three days by the harbour crew.",
    "b": "The pump is oiled every nine days by the winter crew.",
}
EVERYTHING = "permit (principal, action, resource);\n"

_APP = '''\
"""Answers from notes."""

from datetime import timedelta

import fairlead as fl


@fl.workflow(
    intent="Answer from notes",
    owner="group:default/tests",
    input=str,
    output=fl.Answer,
    model="fairlead:extractive",
    guardrails=[fl.grounded],
    memory=fl.Memory(semantic=fl.Recall("notes")),
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def answer(run: fl.Run[fl.Answer], question: str) -> fl.Answer:
    """Answer one question."""
    return (await run.answer(question)).unwrap()


app = fl.App("notes", workflows=[answer])
'''


def write_app(folder: Path, policies: str = EVERYTHING) -> Path:
    """Write an app that answers from the collection `notes`; each tenant has a folder beside it."""
    files = {
        "app.py": _APP,
        "fairlead.toml": '[database]\nsynchronous = "normal"\n\n[worker]\ndrain_s = 2\n',
        "policies/all.cedar": policies,
        **{f"../{tenant}/pump.md": f"# The pump\n\n{text}\n" for tenant, text in TEXTS.items()},
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@contextmanager
def notes_app(folder: Path, policies: str = EVERYTHING) -> Iterator[Platform]:
    """Open an app with an active release, and the documents of both tenants."""
    write_app(folder, policies)
    with open_platform(load_settings(folder)) as platform:
        for tenant in TEXTS:
            ingest(platform, "notes", folder=folder.parent / tenant, tenant=tenant)
        release, _ = create_release(platform)
        platform.releases.activate(release.digest, by="test", override="for the test")
        yield platform


def ask(platform: Platform, principal: Principal, question: str = QUESTION) -> Any:
    """Let somebody ask a question; return the outcome."""
    asker = PolicyContext(platform=platform, workflow="answer", principal=principal)
    return asyncio.run(route_request(question, asker))


def seen_by(platform: Platform, run_id: str) -> str:
    """Return everything that is on record of a run: its outcome, its calls and its events."""
    run = platform.runs.get(run_id)
    results = [str(record.result) for record in platform.journal.of_run(run_id)]
    events = [canonical_json(e.data) for e in platform.events.list(chain=f"run:{run_id}")]
    return "\n".join([canonical_json(run.outcome), *results, *events])


@pytest.mark.soak
def test_invariant_07_two_tenants_of_the_command_line_share_nothing(tmp_path: Path) -> None:
    """The same collection, the same path, the same words; only the answer tells them apart."""
    cli = Cli(write_app(tmp_path / "app"))
    for tenant in TEXTS:
        arguments = ("ingest", "notes", "--from", str(tmp_path / tenant), "--tenant", tenant)
        (done,) = cli.json(*arguments)
        assert (done["written"], done["unchanged"], done["removed"]) == (1, 0, 0)
    with open_platform(load_settings(cli.folder)) as platform:
        release, _ = create_release(platform)
        platform.releases.activate(release.digest, by="test", override="for the test")
        for tenant, other in (("a", "b"), ("b", "a")):
            told = cli.json("run", "answer", QUESTION, "--tenant", tenant, "--user", f"u{tenant}")
            assert TEXTS[tenant] in told["answer"]["text"]
            (source,) = told["grounded_sources"]
            assert source["text"] in TEXTS[tenant]
            run = platform.runs.get(told["run"])
            assert run.principal == Principal(user=f"u{tenant}", tenant=tenant)
            record = seen_by(platform, run.id)
            assert TEXTS[tenant] in record
            assert TEXTS[other] not in record
        nobody = cli.json("run", "answer", QUESTION, status=1)
        assert (nobody["state"], nobody["grounded_sources"]) == ("escalated", [])
        record = seen_by(platform, nobody["run"])
        assert not any(text in record for text in TEXTS.values())


def test_invariant_07_one_tenants_ingestion_leaves_the_others_documents(tmp_path: Path) -> None:
    """An ingestion makes a collection hold exactly a folder: the tenant's, not everybody's."""
    with notes_app(tmp_path / "app") as platform:
        (again,) = ingest(platform, "notes", folder=tmp_path / "a", tenant="a")
        assert (again.written, again.unchanged, again.removed) == (0, 1, 0)
        (tmp_path / "b" / "pump.md").unlink()
        (emptied,) = ingest(platform, "notes", folder=tmp_path / "b", tenant="b")
        assert (emptied.written, emptied.unchanged, emptied.removed) == (0, 0, 1)
        assert ask(platform, Principal(tenant="b")).state == "escalated"
        kept = ask(platform, Principal(tenant="a"))
        assert (kept.state, TEXTS["a"] in kept.answer["text"]) == ("succeeded", True)
        for tenant, events in (("a", 2), ("b", 2), ("default", 0)):
            assert len(platform.events.list(chain=f"collection:{tenant}/notes")) == events


CONDITIONS = [
    pytest.param("principal", ' when { principal.tenant == "a" }', id="attribute"),
    pytest.param('principal in Tenant::"a"', "", id="parent"),
]


@pytest.mark.parametrize(("principal", "condition"), CONDITIONS)
def test_invariant_07_a_rule_for_one_tenant_denies_the_other(
    tmp_path: Path, principal: str, condition: str
) -> None:
    policies = (
        f'@id("a-reads") permit ({principal}, action == Action::"retrieve", resource){condition};\n'
        '@id("generates") permit (principal, action == Action::"generate", resource);\n'
    )
    with notes_app(tmp_path / "app", policies) as platform:
        allowed = ask(platform, Principal(tenant="a"))
        assert (allowed.state, TEXTS["a"] in allowed.answer["text"]) == ("succeeded", True)
        for tenant in ("b", Principal().tenant):
            denied = ask(platform, Principal(user="a", tenant=tenant))
            assert (denied.state, denied.code, denied.answer) == ("denied", "FL-500", None)
            assert denied.grounded_sources == ()
        runs = {run.principal.tenant: run.id for run in platform.runs.list()}
        states = {
            tenant: [(call.kind, call.state) for call in platform.journal.of_run(run_id)]
            for tenant, run_id in runs.items()
        }
        assert states == {
            "a": [("retrieval", "done"), ("model", "done")],
            "b": [("retrieval", "denied")],
            Principal().tenant: [("retrieval", "denied")],
        }
        assert TEXTS["b"] not in seen_by(platform, runs["b"])
