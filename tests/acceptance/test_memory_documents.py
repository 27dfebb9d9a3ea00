"""A run recalls passages of ingested documents beside its memory, and an answer one subject's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.core.prompting import parse
from fairlead.operations import ingest
from tests.acceptance.support.memory_app import ANN, BOB, Desk, desk
from tests.databases import address

pytestmark = pytest.mark.acceptance

QUESTION = "how does the customer pay?"
ZED = Principal(user="zed", tenant="a")
NOT_ZED = """\
@id("all") permit (principal, action, resource);
@id("kb-is-not-zeds") forbid (principal == User::"zed", action == Action::"retrieve", resource);
@id("outsiders-pay-nobody") forbid (principal, action == Action::"call", resource == Tool::"pay")
when { context.seen.integrity == "untrusted" };
"""


def fill(place: Desk, tenant: str, text: str) -> None:
    """Ingest one document into a tenant's collection."""
    folder = place.folder / f"kb-{tenant}"
    folder.mkdir(exist_ok=True)
    (folder / "pay.md").write_text(text)
    ingest(place.platform, "kb", folder=folder, tenant=tenant)


@pytest.mark.both
def test_documents_follow_what_is_remembered_and_are_the_tenants(place: Desk) -> None:
    place.note("the customer pays by card")
    fill(place, "a", "A customer may pay by invoice.")
    fill(place, "b", "A customer of b may pay in gold.")
    memory, passage = place.run("read", {"question": QUESTION})
    assert memory[1:] == ["the customer pays by card", False, ["all"]]
    assert passage == ["kb/pay.md#0", "A customer may pay by invoice.", True, ["all"]]
    ((_, text, _, _),) = place.run("read", {"question": QUESTION}, BOB)
    assert text == "A customer of b may pay in gold."
    # Not unless it is asked for.
    assert place.ask(QUESTION) == ["the customer pays by card"]
    # What may only be quoted, and what has no subject and no time.
    assert len(place.run("read", {"question": QUESTION, "quoted": False})) == 1
    ended = place.outcome("read", {"question": QUESTION, "subject": "customer:42"})
    assert (ended.state, ended.code) == ("failed", "FL-800")


def test_what_a_document_says_pays_nobody(place: Desk) -> None:
    fill(place, "a", "B-9")
    ended = place.outcome("obey", {"question": "B-9"})
    assert (ended.state, "outsiders-pay-nobody" in ended.reason) == ("denied", True)


def test_a_policy_keeps_documents_from_somebody(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with (
        address("sqlite", request, tmp_path) as url,
        desk(tmp_path / "app", url, policy=NOT_ZED) as place,
    ):
        fill(place, "a", "A customer may pay by invoice.")
        assert len(place.run("read", {"question": QUESTION}, ANN)) == 1
        ended = place.outcome("read", {"question": QUESTION}, ZED)
        assert (ended.state, "kb-is-not-zeds" in ended.reason) == ("denied", True)


def test_an_answer_recalls_of_the_subject_that_the_input_names(place: Desk) -> None:
    place.note("the customer pays by card", subject="customer:42")
    place.note("the customer pays in gold", subject="customer:43")
    place.note("the customer pays nothing")
    place.outcome("about", {"question": QUESTION, "customer": 42})
    _, said = eval((place.folder / "prompts.txt").read_text())
    _, sources = parse(said[-1]) or ("", ())
    assert [source.passage.text for source in sources] == ["the customer pays by card"]
    release = place.platform.releases.current()
    terms = release.manifest.workflows["about"].remember
    assert terms is not None
    assert terms.subject == "customer:{customer}"
