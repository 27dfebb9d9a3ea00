"""Keys and tokens of a provider, made here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

from fairlead.adapters.jose.tokens import JoseTokens
from fairlead.settings import load_settings
from fairlead.settings.identity import Identity
from fairlead.testing import FakeClock

ISSUER = "https://id.example"
NOW = 1_800_000_000.0


@cache
def key(kind: str, kid: str = "k1") -> Any:
    """Return a private key; made once, for RSA takes its time."""
    made = {
        "RSA": lambda: jwk.RSAKey.generate_key(2048, {"kid": kid}),
        "EC": lambda: jwk.ECKey.generate_key("P-256", {"kid": kid}),
        "OKP": lambda: jwk.OKPKey.generate_key("Ed25519", {"kid": kid}),
    }
    return made[kind]()


def public(*keys: Any, **more: Any) -> dict[str, Any]:
    """Return a set with the public halves of keys."""
    return {"keys": [{**one.as_dict(private=False), **more} for one in keys]}


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims, with changes; `...` takes one away."""
    good = {
        "iss": ISSUER,
        "aud": "fairlead",
        "sub": "ada",
        "tenant": "acme",
        "roles": ["approver"],
        "scope": "refunds:write",
        "exp": NOW + 60,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def token(signer: Any, algorithm: str, header: dict[str, Any] | None = None, **said: Any) -> str:
    """Return a signed token."""
    named = {"alg": algorithm, "kid": getattr(signer, "kid", None), **(header or {})}
    named = {name: value for name, value in named.items() if value is not None}
    rules = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jwt.encode(named, claims(**said), signer, registry=rules)


def identity_of(folder: Path, jwks: dict[str, Any] | None = None, **more: str) -> Identity:
    """Return the settings of an app whose provider has these keys."""
    lines = ["[identity]"]
    if jwks is not None:
        (folder / "jwks.json").write_text(json.dumps(jwks))
        lines += [f'issuer = "{ISSUER}"', 'jwks_file = "jwks.json"']
    lines += [f'{name} = "{value}"' for name, value in more.items()]
    (folder / "fairlead.toml").write_text("\n".join(lines) + "\n")
    return load_settings(folder, {}).identity


def tokens_of(folder: Path, jwks: dict[str, Any] | None = None, **more: str) -> JoseTokens:
    """Return what verifies tokens, at the time NOW."""
    return JoseTokens(identity_of(folder, jwks, **more), FakeClock(time=NOW))
