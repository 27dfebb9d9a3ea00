"""Every operation asks for its role by itself, whichever way in called it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal, operations
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.errors import (
    FairleadError,
    InvalidInput,
    KeysUnavailable,
    RoleMissing,
    TokenMissing,
    UnknownRun,
)
from fairlead.core.identity import Role
from fairlead.core.kill import KillScope
from fairlead.core.memory import MemoryQuery, Note
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

ASKED = MemoryQuery(text="tea", kinds=("semantic",))
NOTE = Note(kind="semantic", text="tea")
ROOTS = operations.Roots(source="tool:x")

Act = Callable[[Platform], Any]

ACTS: dict[str, tuple[str, Act]] = {
    "check_app": ("operator", operations.check_app),
    "create_release": ("operator", operations.create_release),
    "ingest": ("operator", operations.ingest),
    "activate": ("operator", lambda p: operations.activate_release(p, "r")),
    "override": ("admin", lambda p: operations.activate_release(p, "r", override="why")),
    "compare_releases": ("viewer", lambda p: operations.compare_releases(p, "a", "b")),
    "run_gates": ("operator", lambda p: operations.run_gates(p, "r")),
    "show_gates": ("viewer", lambda p: operations.show_gates(p, "r")),
    "approve_gate": ("approver", lambda p: operations.answer_gate(p, "r", True, ORDER)),
    "deny_gate": ("approver", lambda p: operations.answer_gate(p, "r", False, ORDER)),
    "environments": ("viewer", operations.list_environments),
    "environment": ("viewer", operations.show_environment),
    "set_environment": (
        "admin",
        lambda p: operations.set_environment(p, "p", operations.EnvironmentRules(), ORDER),
    ),
    "roll_back": ("operator", lambda p: operations.roll_back_release(p, reason="why")),
    "drill_rollback": ("operator", operations.drill_rollback),
    "measure_delivery": ("viewer", operations.measure_delivery),
    "rollback_readiness": ("viewer", operations.rollback_readiness),
    "cancel": ("operator", lambda p: operations.control_runs(p, "cancel", ONE, ORDER)),
    "pause": ("operator", lambda p: operations.control_runs(p, "pause", ONE, ORDER)),
    "resume": ("operator", lambda p: operations.control_runs(p, "resume", ONE, ORDER)),
    "retry": ("operator", lambda p: operations.control_runs(p, "retry", ONE, ORDER)),
    "select": ("operator", lambda p: operations.select_runs(p, "cancel", ONE)),
    "fork": ("operator", lambda p: operations.fork_run(p, "r1", 1, ORDER)),
    "fork_runs": ("operator", lambda p: operations.fork_runs(p, ONE, 1, ORDER)),
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
    "erase": (
        "admin",
        lambda p: operations.erase(p, operations.Target(ids=("m",)), ORDER),
    ),
    "resume_erasure": ("admin", lambda p: operations.resume_erasure(p, "e")),
    "reapply": ("admin", operations.reapply),
    "verify_erasure": ("operator", lambda p: operations.verify_erasure(p, "e")),
    "events": ("viewer", operations.list_events),
    "verify": ("viewer", operations.verify_events),
    "budgets": ("viewer", operations.list_budgets),
    "kills": ("viewer", operations.list_kills),
    "kill": ("operator", lambda p: operations.pull_kill(p, "tool", "pay", ORDER)),
    "lift": ("operator", lambda p: operations.lift_kill(p, "tool", "pay", ORDER)),
    "backup": ("admin", operations.back_up_store),
    "drill": ("admin", lambda p: operations.drill_store(p, Path("nowhere"))),
    "restore": (
        "admin",
        lambda p: operations.restore_store(p.settings, Path("nowhere"), by=p.principal),
    ),
    "memory_search": ("viewer", lambda p: operations.search_memory(p, ASKED)),
    "memory_show": ("viewer", lambda p: operations.show_memory(p, "m-1")),
    "memory_history": ("viewer", lambda p: operations.memory_history(p, "s")),
    "memory_stats": ("viewer", operations.memory_stats),
    "memory_embed": ("operator", lambda p: operations.embed_memory(p, "x")),
    "memory_add": ("operator", lambda p: operations.add_memory(p, NOTE, "x")),
    "memory_import": (
        "operator",
        lambda p: operations.import_memory(p, Path("nowhere"), operations.ImportOrder(by="x")),
    ),
    "memory_supersede": ("operator", lambda p: operations.supersede_memory(p, "m-1", "t", "x")),
    "memory_quarantine": ("operator", lambda p: operations.quarantine_memory(p, ROOTS, ORDER)),
    "memory_promote": ("approver", lambda p: operations.promote_memory(p, ["m-1"], ORDER)),
    "memory_retract": ("operator", lambda p: operations.retract_memory(p, ROOTS, ORDER)),
    "memory_forget": ("operator", lambda p: operations.forget_memory(p, ["m-1"], ORDER)),
    "memory_export": (
        "admin",
        lambda p: operations.export_memory(p, Path("nowhere/f"), operations.ExportOrder(by="x")),
    ),
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


ISSUED = '[identity]\nissuer = "https://id.example"\njwks_file = "keys.json"\n'


@pytest.mark.parametrize("table", ["[identity]\nrequired = true\n", ISSUED])
def test_a_token_makes_no_key_where_something_else_vouches(tmp_path: Path, table: str) -> None:
    (tmp_path / "fairlead.toml").write_text(table)
    settings, grant = load_settings(tmp_path, {}), Grant(user="ada", tenant="acme")
    with pytest.raises(KeysUnavailable, match=r"identity\.json"):
        create_token(settings, grant)
    assert not settings.identity.key_file.exists()
    assert make_token_key(settings)
    assert authenticate(settings, create_token(settings, grant)).user == "ada"


def test_the_first_token_on_a_laptop_makes_the_key(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    settings = load_settings(tmp_path, {})
    assert authenticate(settings, create_token(settings, Grant(user="ada", tenant="acme")))


def admitted(platform: Platform, id: str, tenant: str) -> None:
    """Put a run of a tenant on record."""
    run = RunRecord(
        id=id,
        workflow="w",
        release="d",
        code_digest="c",
        principal=Principal(user="bob", tenant=tenant, issuer="fairlead"),
        purpose="user",
        state="queued",
        input=None,
        created_at=1.0,
    )
    platform.runs.admit(run, room=Room())


def of_acme(platform: Platform, *roles: Role) -> Platform:
    return acting(platform, Principal(user="ada", tenant="acme", roles=roles, issuer="fairlead"))


SHARED: list[KillScope] = ["app", "workflow", "tool", "model"]


@pytest.mark.parametrize("scope", [*SHARED, "tenant"])
def test_a_switch_that_reaches_other_tenants_is_an_admins(
    platform: Platform, scope: KillScope
) -> None:
    operator, admin = of_acme(platform, "operator"), of_acme(platform, "admin")
    admitted(platform, "r1", "acme")
    if scope != "tenant":
        # Nobody else is here, so whoever is on call needs no admin.
        assert operations.pull_kill(operator, scope, "globex", ORDER).new
        operations.lift_kill(operator, scope, "globex", ORDER)
    admitted(platform, "r2", "globex")
    with pytest.raises(RoleMissing, match=r"of other tenants than acme.*the role admin; ada has"):
        operations.pull_kill(operator, scope, "globex", ORDER)
    assert platform.kills.active() == []
    operations.pull_kill(admin, scope, "globex", ORDER)
    with pytest.raises(RoleMissing, match="needs the role admin"):
        operations.lift_kill(operator, scope, "globex", ORDER)
    assert operations.lift_kill(admin, scope, "globex", ORDER).by == "ada"


def test_the_own_tenant_is_an_operators_to_stop(platform: Platform) -> None:
    operator = of_acme(platform, "operator")
    admitted(platform, "r2", "globex")
    assert operations.pull_kill(operator, "tenant", "acme", ORDER).new
    assert operations.lift_kill(operator, "tenant", "acme", ORDER).which == "acme"


def test_events_of_other_tenants_runs_are_an_admins_to_see(platform: Platform) -> None:
    admitted(platform, "r1", "acme")
    admitted(platform, "r2", "globex")
    operations.pull_kill(of_acme(platform, "admin"), "tenant", "globex", ORDER)
    viewer, admin = of_acme(platform, "viewer"), of_acme(platform, "admin")
    seen = [event.chain for event in operations.list_events(viewer)]
    assert sorted(seen) == ["kill:tenant:globex", "run:r1"]
    assert len(operations.list_events(admin)) == 3
    assert operations.list_events(viewer, chain="run:r1")
    assert operations.list_events(admin, chain="run:r2")
    for name in ("r2", "r3"):
        with pytest.raises(UnknownRun, match=f"no run has the id '{name}'"):
            operations.list_events(viewer, chain=f"run:{name}")


def test_an_export_has_no_other_tenants_runs(platform: Platform, tmp_path: Path) -> None:
    operations.init_audit(of_acme(platform, "admin"))
    admitted(platform, "r1", "acme")
    admitted(platform, "r2", "globex")
    operator, admin = of_acme(platform, "operator"), of_acme(platform, "admin")
    with pytest.raises(UnknownRun, match="no run has the id 'r2'"):
        operations.export_audit(operator, tmp_path / "none", operations.ExportScope(run_id="r2"))
    assert not (tmp_path / "none").exists()
    everything = operations.ExportScope(tenant="globex")
    operations.export_audit(operator, tmp_path / "own", everything)
    text = (tmp_path / "own").read_text()
    assert "run:r1" in text
    assert "run:r2" not in text
    operations.export_audit(admin, tmp_path / "all", operations.ExportScope())
    assert "run:r2" in (tmp_path / "all").read_text()
    key = tmp_path / ".fairlead" / "audit.key.pub"
    assert operations.verify_export(tmp_path / "own", key=key).found == 0


def test_an_approval_is_answered_by_the_role_that_its_rule_asks_for(platform: Platform) -> None:
    admitted(platform, "r1", "acme")
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
