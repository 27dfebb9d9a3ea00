"""Tokens: what their claims must say, and whom they name. Signatures are an adapter's business."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.core.errors import InvalidInput, TokenExpired, TokenForeign, TokenUnreadable
from fairlead.core.identity import LOCAL_ISSUER, ROLES, Principal, Role

TOKEN_BYTES_MAX = 16_000
"""Longest token; a longer one is not looked at."""

KEY_ISSUER = "fairlead"
"""The issuer of tokens that are signed with the local key."""

LIFETIME_S = 8 * 3600.0
"""Seconds for which a local token is valid, unless it is said otherwise."""

ALGORITHMS = frozenset(
    f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"Ed25519", "EdDSA"}
"""What an issuer may sign with: public keys only. `none` and shared secrets are not here."""

NAME_CHARS_MAX = 200
SCOPES_MAX = 100
SECONDS_MAX = 1e12
"""A time beyond this is none: it is 30,000 years away."""


@dataclass(frozen=True, kw_only=True)
class ClaimTerms:
    """What a token's claims must say.

    Attributes:
        issuer: Its `iss`.
        audience: What its `aud` is, or contains.
        user: Name of the claim with the user.
        tenant: Name of the claim with the tenant; dots lead into tables.
        roles: The same with the roles; other words there are passed over.
        scopes: The same with the grants, as a list or with blanks between.
        leeway_s: Seconds by which clocks may differ.
    """

    issuer: str
    audience: str
    user: str = "sub"
    tenant: str = "tenant"
    roles: str = "roles"
    scopes: str = "scope"
    leeway_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a local token is to say.

    Attributes:
        user: The user.
        tenant: The tenant.
        roles: The user's roles.
        scopes: What is granted; empty grants no tool that names a scope.
        lifetime_s: Seconds for which it is valid.
    """

    user: str
    tenant: str
    roles: tuple[Role, ...] = ()
    scopes: tuple[str, ...] = ()
    lifetime_s: float = LIFETIME_S


def claims_of(
    grant: Grant, *, audience: str, now: float, id: str, lifetime_max_s: float
) -> dict[str, Any]:
    """Return a local token's claims.

    Args:
        grant: What it is to say.
        audience: Whom it is for.
        now: Seconds since 1970, UTC.
        id: Its unique id.
        lifetime_max_s: Longest lifetime, in seconds.

    Raises:
        InvalidInput: A name or a scope is not one, or the lifetime is not within its bound.
    """
    if not 1 <= grant.lifetime_s <= lifetime_max_s:
        raise InvalidInput(f"a token is valid for 1 to {lifetime_max_s:g} seconds")
    if not _is_name(grant.user) or not _is_name(grant.tenant):
        raise InvalidInput(
            f"a user and a tenant have 1 to {NAME_CHARS_MAX} visible characters, "
            "and no blank at either end"
        )
    if len(grant.scopes) > SCOPES_MAX or not all(_is_scope(scope) for scope in grant.scopes):
        raise InvalidInput(f"a token has up to {SCOPES_MAX} scopes, without blanks in them")
    return {
        "iss": KEY_ISSUER,
        "aud": audience,
        "sub": grant.user,
        "tenant": grant.tenant,
        "roles": [role for role in ROLES if role in grant.roles],
        "scope": " ".join(grant.scopes),
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + grant.lifetime_s),
        "jti": id,
    }


def principal_of(claims: Mapping[str, Any], terms: ClaimTerms, now: float) -> Principal:
    """Return whom the claims of a token name, when its signature holds.

    Args:
        claims: The claims.
        terms: What they must say.
        now: Seconds since 1970, UTC.

    Raises:
        TokenForeign: Another issuer or audience.
        TokenExpired: Not valid any more, or not yet.
        TokenUnreadable: A claim is missing, or is of the wrong kind.
    """
    if claims.get("iss") != terms.issuer or terms.issuer == LOCAL_ISSUER:
        raise TokenForeign("the token comes from another issuer than is trusted here")
    audience = claims.get("aud")
    if terms.audience not in (audience if isinstance(audience, list) else [audience]):
        raise TokenForeign(f"the token is not for {terms.audience!r}")
    expires = _time(claims, "exp")
    if expires is None:
        raise TokenUnreadable("the token has no `exp`: it would be valid for ever")
    if now >= expires + terms.leeway_s:
        raise TokenExpired("the token has expired")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and now < begins - terms.leeway_s:
            raise TokenExpired(f"the token is not valid yet, by its `{name}`")
    return Principal(
        user=_named(claims, terms.user),
        tenant=_named(claims, terms.tenant),
        roles=tuple(role for role in ROLES if role in _words(claims, terms.roles)),
        scopes=_scopes(claims, terms.scopes),
        issuer=terms.issuer,
    )


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; else by a path with dots, as `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _named(claims: Mapping[str, Any], name: str) -> str:
    value = _claim(claims, name)
    if not isinstance(value, str) or not _is_name(value):
        raise TokenUnreadable(
            f"the token's claim {name!r} must be text of 1 to {NAME_CHARS_MAX} visible characters, "
            "with no blank at either end"
        )
    return value


def _words(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _claim(claims, name)
    words = value.split() if isinstance(value, str) else [] if value is None else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TokenUnreadable(f"the token's claim {name!r} must be text, or a list of texts")
    return tuple(dict.fromkeys(words))


def _scopes(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    words = _words(claims, name)
    if len(words) > SCOPES_MAX or not all(_is_scope(word) for word in words):
        raise TokenUnreadable(f"the token's claim {name!r} holds too much, or what is no scope")
    return words


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not abs(value) < SECONDS_MAX:
        raise TokenUnreadable(f"the token's claim {name!r} must be a number of seconds")
    return float(value)


def _is_name(text: str) -> bool:
    # What is not seen makes two names look like one.
    odd = any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in text)
    return bool(text) and text == text.strip() and not odd and len(text) <= NAME_CHARS_MAX


def _is_scope(text: str) -> bool:
    return _is_name(text) and not any(one.isspace() for one in text)
