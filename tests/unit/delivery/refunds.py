"""A small app's rules, contracts and guardrail tests, which the tests of the gate share."""

from __future__ import annotations

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.adapters.evals.decisions import parse_decisions
from fairlead.core.label import UNDECLARED, Label
from fairlead.core.release import ToolContract
from fairlead.guardrails.decide import Bundle
from fairlead.ports.decisions import DecisionCase

POLICY = """
@id("orders-may-be-read")
permit (principal, action == Action::"call", resource == Tool::"read_order");

@id("small-refunds")
permit (principal in Tenant::"acme", action == Action::"call", resource == Tool::"refund")
when { decimal(context.arguments.amount).lessThanOrEqual(decimal("50.0")) };

@id("large-refunds") @ask("admin")
permit (principal in Tenant::"acme", action == Action::"call", resource == Tool::"refund")
when { decimal(context.arguments.amount).greaterThan(decimal("50.0")) };

@id("nobody-else-says-whom-to-pay")
forbid (principal, action == Action::"call", resource == Tool::"refund")
when { context.targets.integrity == "untrusted" };

@id("mail") @redact("iban")
permit (principal, action == Action::"call", resource == Tool::"read_mail");
"""

TESTS = """
cases:
  - name: an order is read by anybody
    call: {tool: read_order, arguments: {order: "7"}}
    expect: allow
    rules: [orders-may-be-read]

  - name: fifty euros are paid back
    principal: {user: ann, tenant: acme}
    call: {tool: refund, arguments: {order: "7", amount: 50}}
    expect: allow
    rules: [small-refunds]

  - name: a cent more waits for an admin
    principal: {user: ann, tenant: acme}
    call: {tool: refund, arguments: {order: "7", amount: 50.1}}
    expect: ask
    role: admin
    rules: [large-refunds]

  - name: a small one of somebody else
    principal: {user: eve, tenant: other}
    call: {tool: refund, arguments: {order: "7", amount: 50}}
    expect: deny

  - name: a large one of somebody else
    principal: {user: eve, tenant: other}
    call: {tool: refund, arguments: {order: "7", amount: 51}}
    expect: deny

  - name: a mail names the order
    principal: {user: ann, tenant: acme}
    call: {tool: refund, arguments: {order: "7", amount: 50}, labels: {amount: trusted}}
    seen: {tools: [read_mail]}
    expect: deny
    rules: [nobody-else-says-whom-to-pay]

  - name: a mail is somewhere, and the order is the asker's own
    principal: {user: ann, tenant: acme}
    call: {tool: refund, arguments: {order: "7", amount: 50}, labels: {order: trusted}}
    seen: {tools: [read_mail]}
    expect: allow

  - name: an order of ours says whom to pay
    principal: {user: ann, tenant: acme}
    call: {tool: refund, arguments: {order: "7", amount: 50}}
    seen: {tools: [read_order]}
    expect: allow

  - name: mails are read without bank accounts
    call: {tool: read_mail, arguments: {}}
    expect: redact
    redact: [iban]
"""

OPEN_TEXT = {"type": "string"}


def contract(name: str, *arguments: str, **fields: object) -> ToolContract:
    kinds = {"amount": {"type": "number"}}
    values: dict[str, object] = {
        "description": "",
        "effect": "read",
        "scope": "shop",
        "targets": (),
        "parameters": {
            "type": "object",
            "properties": {one: kinds.get(one, OPEN_TEXT) for one in arguments},
            "required": list(arguments),
            "additionalProperties": False,
        },
        **fields,
    }
    return ToolContract(name=name, **values)  # type: ignore[arg-type]


CONTRACTS = {
    "refund": contract("refund", "order", "amount", effect="once", targets=("order",)),
    "read_order": contract("read_order", "order", labels={"": Label(readers=("tenant",))}),
    "read_mail": contract("read_mail", labels={"": UNDECLARED, "date": Label()}),
}
CASES = parse_decisions("guardrails/shop.yaml", TESTS)


def bundle(policy: str = POLICY) -> Bundle:
    """Return what decides with these rules."""
    return Bundle(contracts=CONTRACTS, authorizer=compile_policies({"p.cedar": policy}))


def without(name: str) -> tuple[DecisionCase, ...]:
    """Return the cases without one."""
    rest = tuple(case for case in CASES if case.name != name)
    assert len(rest) == len(CASES) - 1
    return rest
