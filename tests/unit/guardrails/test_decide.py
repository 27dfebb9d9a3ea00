"""One decision function: pure, total, and strict where two sets of policies meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.calls import Call
from fairlead.core.identity import Principal
from fairlead.core.label import Label
from fairlead.core.policy import Decision, Obligations, Query, alike, stricter
from fairlead.core.release import ToolContract
from fairlead.guardrails.decide import Act, Bundle, Situation, acts_of
from fairlead.testing import FakeAuthorizer

ANN = Principal(user="ann", tenant="acme")
PAY = ToolContract(
    name="pay",
    description="Pay.",
    effect="once",
    scope="money:write",
    targets=("to",),
    payload=("note",),
    egress=True,
    parameters={},
)
BAD = Label(integrity="untrusted", origins=("tool:mail",))
OWN = Label(readers=("tenant:acme",), origins=("user:ann",))
EFFECTS = ("allow", "redact", "ask", "deny")


class Broken:
    """Policies that cannot be asked."""

    rules = ()

    def decide(self, query: Query) -> Decision:
        raise RuntimeError("canary-4711")


def test_a_rule_sees_the_act_its_labels_and_what_the_run_has_seen() -> None:
    authorizer = FakeAuthorizer()
    bundle = Bundle(contracts={"pay": PAY}, authorizer=authorizer, digest="p1")
    arguments = {"to": "ann", "note": "hello", "other": 1}
    decision = bundle.decide(
        "call",
        ANN,
        Act(action="call", resource="pay", arguments=arguments),
        labels={"to": OWN, "note": BAD, "other": OWN},
        context=Situation(workflow="w", seen=BAD.join(OWN), tools=frozenset(["mail", "look"])),
    )
    assert (decision.effect, decision.policy) == ("allow", "p1")
    (query,) = authorizer.asked
    assert (query.user, query.tenant, query.action, query.resource) == (
        "ann", "acme", "call", "pay",
    )  # fmt: skip
    bad = {"integrity": "untrusted", "private": False, "origins": ["tool:mail"]}
    own = {"integrity": "trusted", "private": True, "origins": ["user:ann"]}
    all_of_it = {"integrity": "untrusted", "private": True, "origins": ["tool:mail", "user:ann"]}
    assert query.context == {
        "point": "call",
        "workflow": "w",
        "effect": "once",
        "scope": "money:write",
        "egress": True,
        "arguments": arguments,
        "labels": all_of_it,
        "targets": own,
        "payload": bad,
        "seen": {**all_of_it, "tools": ["look", "mail"]},
    }


def test_invariant_12_what_cannot_be_decided_is_denied_and_quotes_nothing() -> None:
    bundle = Bundle(contracts={}, authorizer=Broken(), digest="p1")
    act = Act(action="call", resource="pay")
    decision = bundle.decide("call", ANN, act, labels={}, context=Situation(workflow="w"))
    assert (decision.effect, decision.policy) == ("deny", "p1")
    assert "canary" not in str(decision)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tool", Act(action="call", resource="x", arguments={"a": 1})),
        ("model", Act(action="generate", resource="x")),
        ("retrieval", Act(action="retrieve", resource="x")),
        ("child", Act(action="start", resource="x")),
        ("step", None),
    ],
)
def test_each_kind_of_call_is_an_act(kind: Any, expected: Act | None) -> None:
    call = Call(
        run_id="r",
        number=1,
        kind=kind,
        name="x",
        arguments={"a": 1},
        effect="read",
        lineage="r",
    )
    assert acts_of(call) == (() if expected is None else (expected,))


decisions = st.builds(
    Decision,
    effect=st.sampled_from(EFFECTS),
    reasons=st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
    obligations=st.builds(
        Obligations,
        role=st.sampled_from(["approver", "admin"]),
        within_s=st.floats(1, 100),
        redact=st.lists(st.sampled_from("xyz"), max_size=2).map(lambda x: tuple(sorted(set(x)))),
    ),
)


@given(decisions, decisions)
def test_two_decisions_together_are_no_weaker_than_either(one: Decision, other: Decision) -> None:
    both = stricter(one, other)
    assert EFFECTS.index(both.effect) == max(map(EFFECTS.index, (one.effect, other.effect)))
    assert set(both.obligations.redact) == {*one.obligations.redact, *other.obligations.redact}
    assert both.obligations.within_s == min(one.obligations.within_s, other.obligations.within_s)
    counted = [d for d in (one, other) if d.effect == "deny"] or [one, other]
    assert set(both.reasons) == {reason for d in counted for reason in d.reasons}
    assert stricter(other, one).effect == both.effect
    assert stricter(replace(one, policy="p"), other).policy == "p"


@given(decisions, decisions)
def test_decisions_are_alike_when_the_same_follows(one: Decision, other: Decision) -> None:
    assert alike(one, replace(one, reasons=("z",), policy="p"))
    assert alike(one, other) == alike(other, one)
    if alike(one, other):
        assert one.effect == other.effect
        assert one.effect == "deny" or one.obligations == other.obligations
