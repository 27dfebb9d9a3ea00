"""What the settings of `[identity]` do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.bootstrap import make_tokens, open_platform
from fairlead.core.errors import FairleadError
from fairlead.core.tokens import Grant
from fairlead.settings import Settings


def wanted(settings: Settings) -> bool:
    """Return whether admission wants to know who asks."""
    with open_platform(settings, telemetry=NullTelemetry()) as platform:
        return platform.admission.verified


def key_made(settings: Settings) -> str:
    """Return where the key of local tokens is made."""
    assert make_tokens(settings).make_key()
    path = settings.identity.key_file
    assert path.is_file()
    path.unlink()
    return path.relative_to(settings.folder).as_posix()


def claim(settings: Settings, name: str) -> Any:
    """Return what a local token says."""
    tokens = make_tokens(settings)
    said = tokens.claims(tokens.sign(Grant(user="ada", tenant="acme")))[name]
    settings.identity.key_file.unlink()
    return said


def longest(settings: Settings) -> float:
    """Return the longest lifetime of a local token."""
    most = settings.identity.lifetime_max_s
    tokens = make_tokens(settings)
    tokens.sign(Grant(user="ada", tenant="acme", lifetime_s=most))
    with pytest.raises(FairleadError, match="valid for"):
        tokens.sign(Grant(user="ada", tenant="acme", lifetime_s=most + 1))
    return most


def trusted(read: Callable[[Any], Any]) -> Callable[[Settings], Any]:
    """Read something of the issuer that is trusted; None when there is none."""

    def effect(settings: Settings) -> Any:
        issuer = settings.identity.issuer
        return None if issuer is None else read(issuer)

    return effect


_ISSUER, _KEYS = 'issuer = "https://c.example"\n', 'jwks_file = "c.json"\n'


def beside(key: str, given: bool) -> str:
    """Return what must stand beside a setting of an issuer, which is not described by half."""
    if key == "identity.issuer":
        return _KEYS if given else ""
    if key in ("identity.jwks_url", "identity.jwks_file"):
        return _ISSUER if given else ""
    of_issuer = key.startswith("identity.jwks_") or key.endswith("_claim")
    return _ISSUER + _KEYS if of_issuer or key == "identity.algorithms" else ""


IDENTITY: dict[str, dict[str, Any]] = {
    "identity.required": {
        "of": wanted,
        "default": False,
        "file": ("true", True),
        "env": None,
    },
    "identity.four_eyes": {
        "of": lambda settings: settings.identity.four_eyes,
        "default": False,
        "file": ("true", True),
        "env": None,
    },
    "identity.key_file": {
        "of": key_made,
        "default": ".fairlead/identity.json",
        "file": ('"keys/mine.json"', "keys/mine.json"),
        "env": ("keys/env.json", "keys/env.json"),
    },
    "identity.audience": {
        "of": lambda settings: claim(settings, "aud"),
        "default": "fairlead",
        "file": ('"desk"', "desk"),
        "env": ("shop", "shop"),
    },
    "identity.lifetime_max_s": {
        "of": longest,
        "default": 2_592_000,
        "file": ("90", 90),
        "env": None,
    },
    "identity.leeway_s": {
        "of": lambda settings: settings.identity.local.leeway_s,
        "default": 30.0,
        "file": ("5", 5.0),
        "env": None,
    },
    "identity.issuer": {
        "of": trusted(lambda issuer: issuer.terms.issuer),
        "default": None,
        "file": ('"https://a.example"', "https://a.example"),
        "env": ("https://b.example", "https://b.example"),
    },
    "identity.jwks_url": {
        "of": trusted(lambda issuer: issuer.keys),
        "default": None,
        "file": ('"https://a.example/keys"', "https://a.example/keys"),
        "env": ("https://b.example/keys", "https://b.example/keys"),
    },
    "identity.jwks_file": {
        "of": trusted(lambda issuer: issuer.keys.name),
        "default": None,
        "file": ('"a.json"', "a.json"),
        "env": ("b.json", "b.json"),
    },
    "identity.jwks_ttl_s": {
        "of": trusted(lambda issuer: issuer.ttl_s),
        "default": 300.0,
        "file": ("5", 5.0),
        "env": None,
    },
    "identity.jwks_retry_s": {
        "of": trusted(lambda issuer: issuer.retry_s),
        "default": 30.0,
        "file": ("5", 5.0),
        "env": None,
    },
    "identity.jwks_timeout_s": {
        "of": trusted(lambda issuer: issuer.timeout_s),
        "default": 5.0,
        "file": ("2", 2.0),
        "env": None,
    },
    "identity.algorithms": {
        "of": trusted(lambda issuer: issuer.algorithms),
        "default": ("RS256", "ES256"),
        "file": ('"Ed25519, RS512"', ("Ed25519", "RS512")),
        "env": None,
    },
    "identity.user_claim": {
        "of": trusted(lambda issuer: issuer.terms.user),
        "default": "sub",
        "file": ('"x"', "x"),
        "env": None,
    },
    "identity.tenant_claim": {
        "of": trusted(lambda issuer: issuer.terms.tenant),
        "default": "tenant",
        "file": ('"x"', "x"),
        "env": None,
    },
    "identity.roles_claim": {
        "of": trusted(lambda issuer: issuer.terms.roles),
        "default": "roles",
        "file": ('"x"', "x"),
        "env": None,
    },
    "identity.scopes_claim": {
        "of": trusted(lambda issuer: issuer.terms.scopes),
        "default": "scope",
        "file": ('"x"', "x"),
        "env": None,
    },
}
