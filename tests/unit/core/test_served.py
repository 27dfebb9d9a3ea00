"""An answer by another model than the one that was asked is a fact."""

from __future__ import annotations

import pytest

from fairlead.core.calls import Call, CallKind, Done, Failed, Result
from fairlead.core.served import changed_model


def call(name: str, kind: CallKind = "model") -> Call:
    return Call(
        run_id="r1", number=1, kind=kind, name=name, arguments={}, effect="read", lineage="r1"
    )


@pytest.mark.parametrize(
    ("name", "served_by"),
    [("openai:gpt-5", "gpt-5-2025-08-07"), ("openai:gpt-5", "gpt-4"), ("gpt-5", "gpt-4")],
)
def test_another_id_is_a_fact_with_both(name: str, served_by: str) -> None:
    fact = changed_model(call(name), Done(value=None, served_by=served_by))
    assert fact is not None
    assert (fact.chain, fact.type) == ("run:r1", "model.changed")
    assert fact.data == {"asked": name, "served_by": served_by}


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        (call("openai:gpt-5"), Done(value=None, served_by="gpt-5")),
        (call("gpt-5"), Done(value=None, served_by="gpt-5")),
        (call("openai:gpt-5-2025-08-07"), Done(value=None, served_by="gpt-5-2025-08-07")),
        (call("openai:ft:gpt-5:us"), Done(value=None, served_by="ft:gpt-5:us")),
        (call("openai:gpt-5"), Done(value=None)),
        (call("look", "tool"), Done(value=None, served_by="gpt-4")),
        (call("openai:gpt-5"), Failed(code="FL-603", reason="no")),
    ],
    ids=["same", "no provider", "pinned date", "more colons", "not said", "a tool", "failed"],
)
def test_no_fact(asked: Call, result: Result) -> None:
    assert changed_model(asked, result) is None
