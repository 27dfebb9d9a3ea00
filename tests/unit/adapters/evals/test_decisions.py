"""Guardrail tests in YAML: what they may say, and mistakes named with their place."""

from __future__ import annotations

import pytest

from fairlead.adapters.evals.cases import CASES_MAX
from fairlead.adapters.evals.decisions import parse_decisions
from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import Principal
from fairlead.core.label import Label

FULL = """
cases:
  - name: a small refund
    principal: {user: ann, tenant: acme}
    workflow: refund
    point: start
    call:
      tool: refund
      arguments: {order: "7", amount: 12.5}
      labels: {order: untrusted, amount: {integrity: trusted, private: false, origins: [x]}}
    seen: {integrity: untrusted, tools: [mail, look]}
    expect: ask
    rules: [large]
    role: manager
    redact: [iban]
  - call: {collection: documents}
    expect: allow
"""


def test_a_case_is_read() -> None:
    full, short = parse_decisions("guardrails/a.yaml", FULL)
    assert (full.name, full.path, full.workflow, full.point) == (
        "a small refund", "guardrails/a.yaml", "refund", "start",
    )  # fmt: skip
    assert full.principal == Principal(user="ann", tenant="acme")
    assert (full.action, full.resource) == ("call", "refund")
    assert full.arguments == {"order": "7", "amount": 12.5}
    own = ("tenant:acme", "tenant:acme/user:ann")
    bad = Label(integrity="untrusted", readers=own, origins=("user:ann",))
    assert full.labels == {"order": bad, "amount": Label(origins=("x",))}
    assert (full.seen, full.tools) == (bad, ("mail", "look"))
    assert (full.expect, full.rules, full.role, full.redact) == (
        "ask", ("large",), "manager", ("iban",),
    )  # fmt: skip
    assert (short.name, short.action, short.resource) == ("2", "retrieve", "documents")
    assert (short.seen, short.principal, short.point) == (None, Principal(), "call")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("5", "it is an object"),
        ("{expect: allow}", "call is an object"),
        (
            "{call: {}, expect: allow}",
            "call names one of: tool, model, collection, workflow",
        ),
        ("{call: {tool: a, model: b}, expect: allow}", "call names one of: tool"),
        ("{call: {model: a, arguments: {}}, expect: allow}", "only a tool has arguments"),
        ("{call: {tool: 5}, expect: allow}", "call.tool is a text, not 5"),
        ("{call: {tool: a}}", "expect is allow, redact, ask or deny, not None"),
        ("{call: {tool: a}, expect: yes}", "expect is allow, redact, ask or deny, not True"),
        ("{call: {tool: a}, expect: allow, point: x}", "point is call, recall, start or check"),
        ("{call: {tool: a}, expect: allow, wenn: x}", "it has an unknown field 'wenn'; there are"),
        ("{call: {tool: a, arg: {}}, expect: allow}", "call has an unknown field 'arg'"),
        ("{call: {tool: a, labels: {b: trusted}}, expect: allow}", "unknown field 'b'; there are"),
        (
            "{call: {tool: a, arguments: {b: 1}, labels: {b: good}}, expect: allow}",
            "call.labels.b.integrity is trusted or untrusted, not 'good'",
        ),
        ("{call: {tool: a}, expect: allow, seen: {private: 5}}", "seen.private is true or false"),
        ("{call: {tool: a}, expect: allow, seen: {tools: mail}}", "seen.tools is a list"),
        ("{call: {tool: a}, expect: allow, principal: {name: x}}", "unknown field 'name'"),
        ("{call: {tool: a}, expect: allow, principal: {user: 5}}", "principal.user is a text"),
    ],
)
def test_mistakes_are_named_with_their_place(case: str, message: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        parse_decisions("guardrails/a.yaml", f"cases: [{case}]")
    assert str(error.value.message).startswith("guardrails/a.yaml, case 1: ")
    assert message in error.value.message


@pytest.mark.parametrize("text", ["[", "5", "cases: []", "cases: {}", "case: [1]"])
def test_what_is_no_file_of_cases(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"guardrails/a\.yaml (is no YAML|has no list)"):
        parse_decisions("guardrails/a.yaml", text)


def test_names_are_unique_and_their_number_has_a_bound() -> None:
    one = "{name: a, call: {tool: b}, expect: deny}"
    with pytest.raises(InvalidConfig, match="two cases with the name 'a'"):
        parse_decisions("g.yaml", f"cases: [{one}, {one}]")
    with pytest.raises(InvalidConfig, match=f"more than {CASES_MAX} cases"):
        parse_decisions("g.yaml", f"cases: [{', '.join([one] * (CASES_MAX + 1))}]")


@pytest.mark.parametrize("act", ["recall", "remember", "forget"])
def test_an_act_on_a_kind_of_memory(act: str) -> None:
    text = f"cases: [{{call: {{{act}: semantic}}, expect: deny}}]"
    (case,) = parse_decisions("guardrails/m.yaml", text)
    assert (case.action, case.resource) == (act, "semantic")
    with pytest.raises(InvalidConfig, match=f"call.{act} is working, episodic"):
        parse_decisions("guardrails/m.yaml", text.replace("semantic", "facts"))
