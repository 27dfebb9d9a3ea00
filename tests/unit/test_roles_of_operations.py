"""Every operation asks for its role by itself, whichever way in called it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal, operations
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.errors import FairleadError, InvalidInput, RoleMissing, TokenMissing
from fairlead.operations import (
    Grant,
    Order,
    Platform,
    PolicyContext,
    Selection,
    Signal,
    acting,
    authenticate,
    create_token,
    load_settings,
    make_token_key,
    open_platform,
)
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.runs import Room, RunRecord

ORDER = Order(by="somebody else", reason="a test")
ONE = Selection(ids=("r1",))
NOBODY = Principal(user="ada", tenant="acme", scopes=(), issuer="fairlead")

Act = Callable[[Platform], Any]

ACTS: dict[str, tuple[str, Act]] = {
    "check_app": ("operator", operations.check_app),
    "create_release": ("operator", operations.create_release),
    "ingest": ("operator", operations.ingest),
    "activate": ("operator", lambda p: operations.activate_release(p, "r")),
    "override": ("admin", lambda p: operations.activate_release(p, "r", override="why")),
    "roll_back": ("operator", lambda p: operations.roll_back_release(p, reason="why")),
    "cancel": ("operator", lambda p: operations.control_runs(p, "cancel", ONE, ORDER)),
    "pause": ("operator", lambda p: operations.control_runs(p, "pause", ONE, ORDER)),
    "resume": ("operator", lambda p: operations.control_runs(p, "resume", ONE, ORDER)),
    "retry": ("operator", lambda p: operations.control_runs(p, "retry", ONE, ORDER)),
    "select": ("operator", lambda p: operations.select_runs(p, "cancel", ONE)),
    "fork": ("operator", lambda p: operations.fork_run(p, "r1", 1, ORDER)),
    "send": (
        "operator",
        lambda p: operations.send_signal(p, Signal(run_id="r1", name="n", payload=1, by="x")),
    ),
    "stream": ("viewer", lambda p: list(operations.read_stream(p, "r1"))),
    "prune": ("operator", lambda p: operations.prune_runs(p, ORDER)),
    "approve": ("approver", lambda p: operations.answer_approval(p, "a1", True, ORDER)),
    "deny": ("approver", lambda p: operations.answer_approval(p, "a1", False, ORDER)),
    "show_approval": ("viewer", lambda p: operations.show_approval(p, "a1")),
    "resolve": ("operator", lambda p: operations.resolve_effect(p, "e1", True, ORDER)),
    "conversations": ("viewer", operations.list_conversations),
    "conversation": ("viewer", lambda p: operations.show_conversation(p, "c1")),
    "verify": ("viewer", operations.verify_events),
    "budgets": ("viewer", operations.list_budgets),
    "kills": ("viewer", operations.list_kills),
    "kill": ("operator", lambda p: operations.pull_kill(p, "tool", "pay", ORDER)),
    "lift": ("operator", lambda p: operations.lift_kill(p, "tool", "pay", ORDER)),
    "audit_init": ("admin", operations.init_audit),
    "audit_checkpoint": ("operator", operations.make_checkpoint),
    "audit_verify": ("viewer", operations.verify_audit),
    "audit_export": (
        "operator",
        lambda p: operations.export_audit(p, Path("nowhere/out"), operations.ExportScope()),
    ),
}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform that wants to know who asks."""
    (tmp_path / "fairlead.toml").write_text(
        '[identity]\nrequired = true\n[collections.notes]\npath = "notes"\n'
    )
    with open_platform(load_settings(tmp_path, {}), telemetry=NullTelemetry()) as opened:
        yield opened


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_operation_needs_its_role(platform: Platform, name: str) -> None:
    role, act = ACTS[name]
    with pytest.raises(TokenMissing):
        act(platform)
    with pytest.raises(RoleMissing, match=f"needs the role {role}; ada has no role"):
        act(acting(platform, NOBODY))
    assert list(platform.events.chains()) == []


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_admin_comes_as_far_as_the_operation_itself(platform: Platform, name: str) -> None:
    admin = Principal(user="ada", tenant="acme", roles=("admin",), issuer="fairlead")
    try:
        ACTS[name][1](acting(platform, admin))
    except FairleadError as error:
        assert not error.code.startswith("FL-53")


def ask(platform: Platform, principal: Principal | None = None) -> None:
    stated = {} if principal is None else {"principal": principal}
    asyncio.run(
        operations.route_request("x", PolicyContext(platform=platform, workflow="w", **stated))
    )


def test_a_request_is_the_verified_principals_own(platform: Platform) -> None:
    with pytest.raises(TokenMissing):
        ask(platform)
    with pytest.raises(InvalidInput, match="bob was named"):
        ask(acting(platform, NOBODY), Principal(user="bob", tenant="acme"))
    with pytest.raises(FairleadError, match="no release is active"):
        ask(acting(platform, NOBODY))


def test_a_token_becomes_a_principal_once_and_names_who_did_it(platform: Platform) -> None:
    settings = platform.settings
    assert make_token_key(settings)
    assert not make_token_key(settings)
    token = create_token(settings, Grant(user="ada", tenant="acme", roles=("operator",)))
    principal = authenticate(platform, f" {token}\n")
    assert principal == authenticate(settings, token)
    assert (principal.user, principal.roles) == ("ada", ("operator",))
    with pytest.raises(RoleMissing, match="token create needs the role admin"):
        create_token(settings, Grant(user="eve", tenant="acme"), by=principal)
    with pytest.raises(RoleMissing, match="token init needs the role admin"):
        make_token_key(settings, by=principal)
    assert operations.operator(acting(platform, principal)) == "ada"


def test_an_approval_is_answered_by_the_role_that_its_rule_asks_for(platform: Platform) -> None:
    asker = Principal(user="bob", tenant="acme", issuer="fairlead")
    run = RunRecord(
        id="r1",
        workflow="w",
        release="d",
        code_digest="c",
        principal=asker,
        purpose="user",
        state="queued",
        input=None,
        created_at=1.0,
    )
    platform.runs.admit(run, room=Room())
    question = ApprovalRecord(
        id="a1",
        run_id="r1",
        number=1,
        wait_key="a1",
        tenant="acme",
        tool="pay",
        release="d",
        subject={"role": "admin"},
        subject_digest="s",
        state="pending",
        asked_at=0.0,
        expires_at=0.0,
    )
    platform.approvals.ask(question, 60.0)
    approver = Principal(user="ada", tenant="acme", roles=("approver",), issuer="fairlead")
    with pytest.raises(RoleMissing, match="approval a1 needs the role admin"):
        operations.answer_approval(acting(platform, approver), "a1", True, ORDER)
    admin = Principal(user="eve", tenant="acme", roles=("admin",), issuer="fairlead")
    answered = operations.answer_approval(acting(platform, admin), "a1", True, ORDER)
    assert (answered.state, answered.by) == ("approved", "eve")
