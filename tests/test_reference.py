"""The pages of docs/reference say what the source says."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fairlead.core.errors import error_classes
from fairlead.core.limits import SLO, Limits
from fairlead.delivery import resolve
from tests import reference


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_page_is_up_to_date(name: str) -> None:
    file = reference.FOLDER / name
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    assert written == reference.pages()[name], f"docs/reference/{name} is old: run `make reference`"


def test_every_error_class_is_on_its_page() -> None:
    page = reference.errors_page()
    assert all(code in page for code in error_classes() if code != "FL-000")


def test_every_key_of_a_workflow_is_described() -> None:
    described = {row[0].partition(".")[0] for row in reference.WORKFLOW_KEYS}
    assert described == resolve._WORKFLOW_KEYS


@pytest.mark.parametrize(("table", "cls"), [("limits", Limits), ("slo", SLO)])
def test_every_limit_and_objective_is_described(table: str, cls: type) -> None:
    keys = {row[0].partition(".")[2] for row in reference.WORKFLOW_KEYS if row[0].startswith(table)}
    assert {key.removesuffix("_s") for key in keys} == {field.name for field in fields(cls)}
