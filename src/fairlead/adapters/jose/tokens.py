"""Tokens: which key a token needs, whether it fits, and whether the signature holds.

The key decides what the algorithm may be, never the token alone: an RSA key verifies RSA
signatures and nothing else. A token's own words on where its key is (`jku`, `jwk`, `x5u`) are not
read. joserfc loads when the first token comes.
"""

from __future__ import annotations

import base64
import binascii
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from fairlead.adapters.jose.jwks import IssuerKeys
from fairlead.adapters.jose.keys import make_key, read_key
from fairlead.core.errors import (
    TokenAlgorithm,
    TokenForeign,
    TokenForged,
    TokenKeyUnknown,
    TokenUnreadable,
)
from fairlead.core.identity import Principal
from fairlead.core.tokens import (
    KEY_ISSUER,
    TOKEN_BYTES_MAX,
    ClaimTerms,
    Grant,
    claims_of,
    principal_of,
)
from fairlead.ports.clock import Clock
from fairlead.settings.identity import Identity

_LOCAL = ("Ed25519",)
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""Which kind of key an algorithm needs, by how its name begins."""

_RSA_CHARS_MIN = 342
"""An RSA key of 2048 bits in base64; what is shorter can be guessed."""


class JoseTokens:
    """Verifies and signs tokens.

    Args:
        identity: Who vouches for whom.
        clock: Time and ids.
        keys: The keys of the further issuer; None for those that `identity` names.
    """

    def __init__(self, identity: Identity, clock: Clock, keys: IssuerKeys | None = None) -> None:
        self._identity = identity
        self._clock = clock
        issuer = identity.issuer
        self._keys = keys or (None if issuer is None else IssuerKeys(issuer))

    def verify(self, token: str) -> Principal:
        """Return whom a token names."""
        claims, terms = self._verified(token)
        return principal_of(claims, terms, self._clock.now())

    def claims(self, token: str) -> dict[str, Any]:
        """Return a token's claims, when it is valid."""
        claims, terms = self._verified(token)
        principal_of(claims, terms, self._clock.now())
        return claims

    def make_key(self) -> bool:
        """Make the local key, unless it is there; say whether it was made."""
        return make_key(self._identity.key_file)

    def sign(self, grant: Grant) -> str:
        """Sign a token with the local key; a first one is made where nothing else vouches."""
        from joserfc import jwt

        claims = claims_of(
            grant,
            audience=self._identity.local.audience,
            now=self._clock.now(),
            id=self._clock.id(),
            lifetime_max_s=self._identity.lifetime_max_s,
        )
        if not self._identity.required and self._identity.issuer is None:
            self.make_key()
        key = read_key(self._identity.key_file)
        header = {"alg": _LOCAL[0], "kid": key.kid}
        token = jwt.encode(header, claims, key, algorithms=list(_LOCAL))
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenUnreadable(f"the token would be longer than {TOKEN_BYTES_MAX} characters")
        return token

    def _verified(self, token: str) -> tuple[dict[str, Any], ClaimTerms]:
        """Return the claims of a token whose signature holds, and what they must say."""
        header, claims = _opened(token)
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenUnreadable("the token's `kid` is no text")
        # Only which keys are tried follows from the issuer's name; the signature is what counts.
        if claims.get("iss") == KEY_ISSUER:
            terms = self._identity.local
            algorithm = _allowed(header, _LOCAL)
            own = read_key(self._identity.key_file).as_dict(private=False)
            known: Sequence[dict[str, Any]] = [own] if kid in (None, own["kid"]) else []
        elif self._identity.issuer is not None and self._keys is not None:
            terms = self._identity.issuer.terms
            if claims.get("iss") != terms.issuer:
                raise TokenForeign("the token comes from another issuer than is trusted here")
            algorithm = _allowed(header, self._identity.issuer.algorithms)
            known = self._keys.named(kid)
        else:
            raise TokenForeign("the token comes from another issuer than is trusted here")
        fitting = [key for key in known if _fits(key, algorithm)]
        if not fitting or (kid is None and len(fitting) > 1):
            raise TokenKeyUnknown("the token names no key of its issuer that fits its algorithm")
        for key in fitting:
            signed = _signed_by(key, algorithm, token)
            if signed is not None:
                return signed, terms
        raise TokenForged("the token's signature does not hold")


def _opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A token's header and claims, which nothing vouches for yet."""
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenUnreadable(f"the token is longer than {TOKEN_BYTES_MAX} characters")
    parts = token.split(".")
    if not token.isascii() or len(parts) != 3 or not parts[0] or not parts[1]:
        raise TokenUnreadable("the token is no signed JWT")
    return _part(parts[0]), _part(parts[1])


def _part(text: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = json.loads(data, parse_constant=_refuse)
    except (binascii.Error, ValueError, RecursionError):
        # Without its cause: that one quotes the token.
        raise TokenUnreadable("the token is no signed JWT") from None
    if not isinstance(found, dict):
        raise TokenUnreadable("the token is no signed JWT")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _allowed(header: dict[str, Any], allowed: Sequence[str]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise TokenAlgorithm(f"the token's algorithm is none of {', '.join(allowed)}")
    return algorithm


def _fits(key: dict[str, Any], algorithm: str) -> bool:
    """Whether a key is a public one for signatures, and for those of this algorithm."""
    operations = key.get("key_ops")
    return (
        key.get("kty") == _KINDS[algorithm[:2]]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in (algorithm, *_also(algorithm))
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and (key.get("kty") != "RSA" or len(str(key.get("n"))) >= _RSA_CHARS_MIN)
    )


def _also(algorithm: str) -> tuple[str, ...]:
    """The other name of the same algorithm, since RFC 9864."""
    return {"Ed25519": ("EdDSA",), "EdDSA": ("Ed25519",)}.get(algorithm, ())


def _signed_by(key: dict[str, Any], algorithm: str, token: str) -> dict[str, Any] | None:
    """The token's claims; None when this key did not sign it, or is no key."""
    from joserfc import jwk, jws, jwt
    from joserfc.errors import JoseError

    public = {name: value for name, value in key.items() if name not in ("alg", "key_ops")}
    rules = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        with _older_name_allowed() if algorithm == "EdDSA" else nullcontext():
            opened = jwk.import_key(public)
            return jwt.decode(token, opened, algorithms=[algorithm], registry=rules).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None


@contextmanager
def _older_name_allowed() -> Iterator[None]:
    """EdDSA is Ed25519's name from before RFC 9864, and joserfc warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
