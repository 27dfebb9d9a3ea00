"""Kill switches: which one stops what."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.core.calls import Call
from fairlead.core.kill import Kill, Target, kill_chain, kills_of, stopping

TARGET = Target(app="shop", workflow="refund", release="d" * 64, tenant="acme")


def a_kill(scope: Any, which: str) -> Kill:
    return Kill(scope=scope, which=which, by="ann", reason="it pays twice", at=0.0)


def a_call(kind: Any, name: str) -> Call:
    return Call(
        run_id="r", number=1, kind=kind, name=name, arguments={}, effect="read", lineage="r"
    )


@pytest.mark.parametrize(
    ("scope", "which", "call", "stops"),
    [
        ("app", "shop", None, True),
        ("app", "other", None, False),
        ("workflow", "refund", None, True),
        ("workflow", "other", a_call("tool", "other"), False),
        ("workflow", "other", a_call("child", "other"), True),
        ("release", "d" * 64, a_call("step", "x"), True),
        ("tenant", "acme", a_call("retrieval", "x"), True),
        ("tool", "pay", a_call("tool", "pay"), True),
        ("tool", "pay", a_call("model", "pay"), False),
        ("tool", "pay", a_call("step", "pay"), False),
        ("tool", "pay", None, False),
        ("model", "m:1", a_call("model", "m:1"), True),
        ("model", "m:1", a_call("model", "m:2"), False),
    ],
)
def test_a_switch_stops_what_it_names(
    scope: Any, which: str, call: Call | None, stops: bool
) -> None:
    kill = a_kill(scope, which)
    assert stopping(kills_of([kill]), TARGET, call) == (kill if stops else None)


def test_a_switch_says_who_when_and_why() -> None:
    text = "tool pay was stopped by ann at 1970-01-01 00:00:00 UTC: it pays twice"
    assert a_kill("tool", "pay").text == text
    assert a_kill("release", "d" * 64).text.startswith("release dddddddddddd was")


def test_the_chain_of_a_long_name_is_cut_and_stays_its_own() -> None:
    one, other = kill_chain("tenant", "x" * 200), kill_chain("tenant", "x" * 201)
    assert len(one) == len(other) == 100
    assert one != other
