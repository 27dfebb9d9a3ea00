"""Who asks, from outside: tokens at the command line, and a provider with keys on an address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt

from fairlead import Principal
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.errors import FairleadError
from fairlead.operations import acting, authenticate, load_settings, open_platform
from fairlead.ports.clock import SystemClock
from tests.acceptance.support.cli import Cli, ready_app
from tests.acceptance.support.refunds_app import refunds_app

pytestmark = pytest.mark.acceptance


def token_of(cli: Cli, user: str, *more: str, tenant: str = "acme") -> str:
    """Return a local token."""
    cli("token", "init")
    made = cli("token", "create", "--user", user, "--tenant", tenant, *more)
    return made.stdout.strip()


def bearing(cli: Cli, token: str) -> Cli:
    """Return the command line of somebody with a token."""
    return cli.with_environment(FAIRLEAD_TOKEN=token)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return refunds_app(tmp_path / "app")


def test_a_tokens_claims_reach_the_tools_the_children_the_events_and_no_token_is_kept(
    cli: Cli, tmp_path: Path
) -> None:
    token = token_of(cli, "ada", "--role", "approver", "--role", "operator", "--scope", "self:read")
    ada = bearing(cli, token)
    expected = {
        "user": "ada",
        "tenant": "acme",
        "roles": ["operator", "approver"],
        "scopes": ["self:read"],
        "issuer": "fairlead",
    }
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    for deep in ("", "yes"):
        run = cli.json("run", "whoami", deep, "--token-file", str(file))
        assert run["answer"] == expected
    again = ada("runs", "fork", run["run"], "--before", "1", "--reason", "look again", "--json")
    forked = json.loads(again.stdout)[0]["run"]
    with ada.worker():
        ada.until(forked, "succeeded")
    assert ada.json("runs", "show", forked)["outcome"]["answer"] == expected
    events = cli.json("events", "list", "--chain", f"run:{forked}")
    said = {event["type"]: event["data"] for event in events}
    assert (said["run.admitted"]["user"], said["run.forked"]["by"]) == ("ada", "ada")
    assert json.loads(said["run.admitted"]["grants"])["roles"] == ["operator", "approver"]
    cli("events", "verify")
    # No part of it, neither in the database nor anywhere else in the app's folder.
    kept = [path for path in cli.folder.rglob("*") if path.is_file()]
    assert any(path.name == "fairlead.db" for path in kept)
    for part in (token, *token.split(".")[1:]):
        assert not [path for path in kept if part.encode() in path.read_bytes()]


def test_without_a_token_a_laptop_works_as_before(cli: Cli) -> None:
    found = cli.json("run", "whoami", "", "--user", "ann", "--tenant", "globex")["answer"]
    assert found == {
        "user": "ann",
        "tenant": "globex",
        "roles": [],
        "scopes": None,
        "issuer": "local",
    }
    assert cli.json("runs", "list")[0]["principal"]["user"] == "ann"


def test_a_bad_token_starts_nothing_and_is_shown_nowhere(cli: Cli) -> None:
    good = token_of(cli, "ada", "--role", "operator")
    head, body, signature = good.split(".")
    for code, bad in {
        "FL-531": "canary4711canary4711",
        "FL-534": f"{head}.{body}.{signature[::-1]}",
    }.items():
        said = bearing(cli, bad).refuses(code, "run", "whoami", "")
        assert not any(part in said for part in bad.split("."))
    bearing(cli, good).refuses("FL-004", "run", "whoami", "", "--user", "eve")
    bearing(cli, good).refuses("FL-004", "run", "whoami", "", "--tenant", "globex")
    assert cli.json("runs", "list") == []


@pytest.mark.soak
def test_a_tool_needs_the_grant_and_the_policies_see_the_roles(cli: Cli) -> None:
    denied = bearing(cli, token_of(cli, "ada")).json("run", "small", "pen", status=1)
    assert (denied["state"], denied["code"]) == ("denied", "FL-500")
    assert "refunds:write was not granted" in denied["reason"]
    granted = token_of(cli, "ada", "--scope", "refunds:*")
    assert bearing(cli, granted).json("run", "small", "pen")["answer"] == "pen for ada of acme"
    guest = token_of(cli, "gus", "--role", "viewer", "--scope", "*")
    denied = bearing(cli, guest).json("run", "small", "pen", status=1)
    assert "no-guests" in denied["reason"]


def asked(cli: Cli, run: str) -> str:
    """Return the approval that a run waits for."""
    cli.until(run, "waiting")
    return next(one["id"] for one in cli.json("approvals", "list") if one["run_id"] == run)


def test_roles_say_who_may_do_what(cli: Cli) -> None:
    ada = bearing(cli, token_of(cli, "ada", "--role", "approver", "--scope", "*"))
    bob = bearing(cli, token_of(cli, "bob", "--role", "approver", tenant="globex"))
    eve = bearing(cli, token_of(cli, "eve", "--role", "operator"))
    with cli.worker():
        run = ada("run", "refund", "pen", "--detach").stdout.strip()
        approval = asked(cli, run)
        eve.refuses("FL-538", "approvals", "approve", approval)
        assert bob.json("approvals", "list") == []
        assert bob.json("runs", "list") == []
        bob.refuses("FL-400", "runs", "show", run)
        assert "only an admin" in bob.refuses("FL-538", "approvals", "approve", approval)
        ada.refuses("FL-538", "runs", "cancel", run, "--reason", "no")
        assert ada.json("approvals", "list")[0]["state"] == "pending"
        ada("approvals", "approve", approval, "--reason", "fine")
        cli.until(run, "succeeded")
    answered = ada.json("approvals", "list", "--state", "consumed")[0]
    assert (answered["by"], answered["roles"]) == ("ada", ["approver"])
    events = cli.json("events", "list", "--chain", f"run:{run}")
    said = next(event["data"] for event in events if event["type"] == "approval.answered")
    assert (said["by"], said["roles"]) == ("ada", ["approver"])
    release = cli.json("release", "list")[0]["release"]
    eve.refuses("FL-538", "release", "activate", release, "--override", "now")


FOUR_EYES = "required = true\nfour_eyes = true\n"


@pytest.mark.soak
def test_where_it_is_required_nothing_is_done_without_a_token_and_four_eyes_see_each_effect(
    tmp_path: Path,
) -> None:
    cli = refunds_app(tmp_path / "app", FOUR_EYES)
    for command in (["run", "whoami", ""], ["runs", "list"], ["events", "verify"]):
        cli.refuses("FL-530", *command)
    ada = bearing(cli, token_of(cli, "ada", "--role", "admin", "--scope", "*"))
    bob = bearing(cli, token_of(cli, "bob", "--role", "approver"))
    carol = bearing(cli, token_of(cli, "carol", "--role", "approver", "--role", "operator"))
    with cli.worker():
        run = ada("run", "refund", "pen", "--detach").stdout.strip()
        approval = asked(ada, run)
        assert "ada started the run" in ada.refuses("FL-539", "approvals", "approve", approval)
        forked = carol.json("runs", "fork", run, "--before", "1", "--reason", "again")[0]["run"]
        second = asked(ada, forked)
        assert "carol started" in carol.refuses("FL-539", "approvals", "approve", second)
        bob("approvals", "approve", approval)
        cli.until(run, "succeeded")
        ada("approvals", "deny", second, "--reason", "once is enough")
        cli.until(forked, "denied")


@pytest.mark.soak
def test_the_gate_asks_in_its_own_name(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    with (cli.folder / "fairlead.toml").open("a") as file:
        file.write("\n[identity]\nrequired = true\n")
    ada = bearing(cli, token_of(cli, "ada", "--role", "operator"))
    assert ada.json("check")["passed"]


# ------------------------------------------------------------------------------------ a provider


class Provider:
    """An issuer with keys on an address of this machine.

    Attributes:
        keys: The keys that it shows.
        asked: How often it was asked.
        answer: What it answers in place of its keys; None for the keys.
    """

    issuer = "https://id.example"

    def __init__(self) -> None:
        self.keys = [jwk.ECKey.generate_key("P-256", {"kid": "k1"})]
        self.asked = 0
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.url = ""

    def token(self, **claims: Any) -> str:
        """Return a token that is signed with the newest key."""
        key, now = self.keys[-1], SystemClock().now()
        said = {
            "iss": self.issuer,
            "aud": "fairlead",
            "sub": "00u1",
            "email": "ada",
            "org": "acme",
            "groups": ["admin", "everybody"],
            "scp": ["refunds:*"],
            "exp": now + 60,
            **claims,
        }
        return jwt.encode({"alg": "ES256", "kid": key.kid}, said, key)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer requests while the block lasts."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                keys = {"keys": [key.as_dict(private=False) for key in provider.keys]}
                status, headers, body = provider.answer or (200, {}, json.dumps(keys).encode())
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def terms(self) -> str:
        """Return how an app trusts it."""
        return (
            f'required = true\nissuer = "{self.issuer}"\njwks_url = "{self.url}"\n'
            'algorithms = "ES256"\nuser_claim = "email"\ntenant_claim = "org"\n'
            'roles_claim = "groups"\nscopes_claim = "scp"\n'
        )


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    with made.serving():
        yield made


def test_a_providers_token_starts_a_run_in_its_users_name(
    tmp_path: Path, provider: Provider
) -> None:
    cli = refunds_app(tmp_path / "app", provider.terms())
    ada = bearing(cli, provider.token())
    assert ada.json("run", "small", "pen")["answer"] == "pen for ada of acme"
    snapshot = ada.json("runs", "list")[0]["principal"]
    assert (snapshot["issuer"], snapshot["roles"]) == (provider.issuer, ["admin"])
    bearing(cli, provider.token(aud="other")).refuses("FL-536", "run", "small", "pen")
    bearing(cli, provider.token(exp=1)).refuses("FL-535", "run", "small", "pen")
    provider.answer = (503, {}, b"")
    ada.refuses("FL-537", "run", "small", "pen")
    assert len(bearing_all(cli, provider)) == 1


def bearing_all(cli: Cli, provider: Provider) -> Any:
    """Return all runs, as a provider's admin sees them."""
    provider.answer = None
    return bearing(cli, provider.token()).json("runs", "list")


def test_keys_are_asked_for_once_and_again_for_a_new_one_only_now_and_then(
    tmp_path: Path, provider: Provider
) -> None:
    (tmp_path / "fairlead.toml").write_text(f"[identity]\n{provider.terms()}")
    settings = load_settings(tmp_path, {})
    with open_platform(settings, telemetry=NullTelemetry()) as platform:
        for _ in range(3):
            principal = authenticate(platform, provider.token())
        assert provider.asked == 1
        assert acting(platform, principal).principal == Principal(
            user="ada",
            tenant="acme",
            roles=("admin",),
            scopes=("refunds:*",),
            issuer=provider.issuer,
        )
        provider.keys.append(jwk.ECKey.generate_key("P-256", {"kid": "k2"}))
        for _ in range(3):
            with pytest.raises(FairleadError, match="FL-533"):
                authenticate(platform, provider.token())
        assert provider.asked == 1
    with open_platform(settings, telemetry=NullTelemetry()) as platform:
        assert authenticate(platform, provider.token()) == principal


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (200, {}, b"{"),
        (200, {}, b'{"keys": []}' + b" " * 600_000),
        (200, {"Content-Length": "100"}, b"{"),
        (302, {"Location": "/elsewhere"}, b""),
    ],
)
def test_a_provider_without_keys_lets_nobody_in(
    tmp_path: Path, provider: Provider, answer: tuple[int, dict[str, str], bytes]
) -> None:
    (tmp_path / "fairlead.toml").write_text(f"[identity]\n{provider.terms()}jwks_timeout_s = 1\n")
    provider.answer = answer
    with pytest.raises(FairleadError) as error:
        authenticate(load_settings(tmp_path, {}), provider.token())
    assert error.value.code == "FL-537"
    assert provider.asked == 1
