"""What a rule redacts reaches neither the run nor the record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fairlead.core.calls import Done
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.test_boundary import Bench

CARD = "canary-4711"


def redacting(*fields: str) -> Bench:
    bench = Bench()
    authorizer = FakeAuthorizer(redacting=fields)
    bundle = replace(bench.scope.rules.bundle, authorizer=authorizer)
    bench.scope = replace(bench.scope, rules=replace(bench.scope.rules, bundle=bundle))
    bench.again(bench.engine)
    return bench


def body(_: Any) -> Any:
    return {"id": 7, "card": CARD, "more": [{"card": CARD, "cvc": 123, "name": "ada"}]}


def test_a_field_that_a_rule_takes_out_is_nowhere() -> None:
    bench = redacting("card", "cvc")
    value = bench.call("read", {}, body)
    assert value == {
        "id": 7,
        "card": "[redacted]",
        "more": [{"card": "[redacted]", "cvc": None, "name": "ada"}],
    }
    record = bench.journal.records["r1", 1]
    assert isinstance(record.result, Done)
    assert record.result.value == value
    assert CARD not in str(bench.engine.steps)
    assert bench.journal.decisions["r1", 1].effect == "redact"


def test_a_field_of_a_json_text_is_nowhere_either() -> None:
    bench = redacting("card", "cvc")
    value = bench.call("read", {}, lambda call: {"body": json.dumps(body(call)), "CARD": CARD})
    assert value["CARD"] == "[redacted]"
    assert json.loads(value["body"])["more"] == [{"card": "[redacted]", "cvc": None, "name": "ada"}]
    assert CARD not in str(bench.engine.steps)
    assert CARD not in str(bench.journal.records)


def test_an_effect_keeps_what_is_redacted_out_of_the_ledger_too() -> None:
    bench = redacting("card")
    bench.call("once", {}, body)
    assert CARD not in str(bench.effects.records)
    # Another run that finds the effect done finds it redacted.
    bench.journal.records.clear()
    bench.again(type(bench.engine)())
    assert CARD not in str(bench.call("once", {}, body))
    assert bench.executed == 1
