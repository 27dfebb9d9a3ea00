"""`route_request` gives back what a durable run has on record, and the log holds that record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.core.errors import InvalidInput, UnknownWorkflow
from fairlead.operations import (
    Platform,
    PolicyContext,
    RunRecord,
    outcome_of_run,
    route_request,
    verify_events,
)
from tests.acceptance.test_tenants import QUESTION, TEXTS, ask, notes_app

pytestmark = pytest.mark.acceptance

ANN = Principal(user="ann", tenant="b")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An app that answers; its tests only add runs."""
    with notes_app(tmp_path_factory.mktemp("route") / "app") as platform:
        yield platform


def newest(platform: Platform) -> RunRecord:
    return platform.runs.list(limit=1)[0]


def test_an_answer_comes_with_its_checks_and_its_sources(answered: Platform) -> None:
    outcome = ask(answered, ANN)
    assert (outcome.state, outcome.code, outcome.reason) == ("succeeded", "", "")
    assert TEXTS["b"] in outcome.answer["text"]
    (check,) = outcome.checks
    assert (check.name, check.stage, check.passed) == ("grounded", "output", True)
    (source,) = outcome.grounded_sources
    document = (answered.settings.folder.parent / "b" / "pump.md").read_text(encoding="utf-8")
    assert source.document == "pump.md"
    assert source.text in TEXTS["b"]
    assert source.text in outcome.answer["text"]
    assert document[source.start : source.end] == source.text


def test_what_cannot_be_answered_comes_back_escalated_with_its_evidence(answered: Platform) -> None:
    outcome = ask(answered, ANN, "How many moons does Jupiter have?")
    assert (outcome.state, outcome.code) == ("escalated", "FL-605")
    assert outcome.reason.startswith("grounded: ")
    (check,) = outcome.checks
    assert (check.name, check.passed, check.on_fail) == ("grounded", False, "escalate")
    assert outcome.grounded_sources == ()


@pytest.mark.parametrize("question", [QUESTION, "How many moons does Jupiter have?"])
@pytest.mark.parametrize("principal", [ANN, Principal(user="bob", tenant="a"), Principal()])
def test_the_run_is_on_record_for_who_asked(
    answered: Platform, question: str, principal: Principal
) -> None:
    """One durable run of the active release, and the outcome is that run's."""
    before = {run.id for run in answered.runs.list(limit=1000)}
    outcome = ask(answered, principal, question)
    (new,) = [run.id for run in answered.runs.list(limit=1000) if run.id not in before]
    made = answered.runs.get(new)
    assert (made.principal, made.workflow, made.purpose) == (principal, "answer", "user")
    assert (made.release, made.input) == (answered.releases.current().digest, question)
    assert outcome_of_run(made) == outcome
    admitted = answered.events.list(chain=f"run:{made.id}")[0].data
    assert (admitted["user"], admitted["tenant"]) == (principal.user, principal.tenant)
    assert answered.journal.of_run(made.id)[0].kind == "retrieval"


def test_who_asks_without_a_name_is_the_default_principal(answered: Platform) -> None:
    asyncio.run(route_request(QUESTION, PolicyContext(platform=answered, workflow="answer")))
    assert newest(answered).principal == Principal()


REFUSED = [
    pytest.param("refund", QUESTION, UnknownWorkflow, id="workflow"),
    pytest.param("answer", {"question": QUESTION}, InvalidInput, id="input"),
]


@pytest.mark.parametrize(("workflow", "query", "error"), REFUSED)
def test_what_is_not_admitted_is_no_run(
    answered: Platform, workflow: str, query: Any, error: type[Exception]
) -> None:
    before = len(answered.runs.list(limit=1000))
    asker = PolicyContext(platform=answered, workflow=workflow, principal=ANN)
    with pytest.raises(error):
        asyncio.run(route_request(query, asker))
    assert len(answered.runs.list(limit=1000)) == before


# ------------------------------------------------------------------------------- behind our back

CHANGES = [
    pytest.param("runs", "state = 'succeeded'", "id = :run", id="state"),
    pytest.param("runs", "outcome_digest = input_digest", "id = :run", id="outcome"),
    pytest.param("runs", "input_digest = outcome_digest", "id = :run", id="input"),
    pytest.param("runs", "release = 'another'", "id = :run", id="release"),
    pytest.param("calls", "state = 'denied'", "run_id = :run AND number = 1", id="call"),
    pytest.param("events", "data = '{}'", "chain = 'run:' || :run AND sequence = 1", id="event"),
    pytest.param("events", "time = time + 1", "chain = 'run:' || :run AND sequence = 2", id="time"),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, str]]:
    """An app with an escalated run; each test takes its change of the record back."""
    with notes_app(tmp_path_factory.mktemp("verify") / "app") as platform:
        assert ask(platform, ANN).state == "succeeded"
        assert ask(platform, ANN, "How many moons does Jupiter have?").state == "escalated"
        yield platform, newest(platform).id


@pytest.mark.parametrize(("table", "change", "where"), CHANGES)
def test_what_was_changed_behind_our_back_is_found(
    recorded: tuple[Platform, str], table: str, change: str, where: str
) -> None:
    """The finding names the run, and taking the change back takes the finding away."""
    platform, run = recorded
    column = change.partition(" = ")[0]
    holds = verify_events(platform)
    assert holds.findings == ()
    with platform.database.transaction() as connection:
        old = connection.execute(
            sa.text(f"SELECT {column} FROM {table} WHERE {where}"), {"run": run}
        ).scalar_one()
        changed = connection.execute(
            sa.text(f"UPDATE {table} SET {change} WHERE {where}"), {"run": run}
        )
        assert changed.rowcount == 1
    try:
        found = verify_events(platform)
    finally:
        with platform.database.transaction() as connection:
            connection.execute(
                sa.text(f"UPDATE {table} SET {column} = :old WHERE {where}"),
                {"run": run, "old": old},
            )
    assert found.findings
    assert all(run in finding for finding in found.findings), found.findings
    assert (found.chains, found.events) == (holds.chains, holds.events)
    assert verify_events(platform) == holds


def test_a_run_that_no_event_knows_is_found(recorded: tuple[Platform, str]) -> None:
    """A chain that was cut off whole breaks no hash; only the comparison with the rows sees it."""
    platform, run = recorded
    with platform.database.reading() as connection:
        before = verify_events(platform)
        rows = connection.execute(
            sa.text("SELECT * FROM events WHERE chain = 'run:' || :run"), {"run": run}
        ).all()
    with platform.database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM events WHERE chain = 'run:' || :run"), {"run": run})
    try:
        found = verify_events(platform)
    finally:
        with platform.database.transaction() as connection:
            for row in rows:
                values = row._asdict()
                places = ", ".join(f":{name}" for name in values)
                connection.execute(
                    sa.text(f"INSERT INTO events ({', '.join(values)}) VALUES ({places})"), values
                )
    assert found.chains == before.chains - 1
    assert any(run in finding for finding in found.findings)
