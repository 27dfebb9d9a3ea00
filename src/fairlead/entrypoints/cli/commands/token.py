"""Tokens of the local key: who asks, on a laptop and in tests, without a provider."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fairlead.core.digests import canonical_json
from fairlead.core.identity import ROLES, Principal, Role
from fairlead.core.tokens import LIFETIME_S, Grant
from fairlead.entrypoints.cli.identity import principal_of_command
from fairlead.entrypoints.cli.inputs import read
from fairlead.entrypoints.cli.options import HERE, App, AsJson
from fairlead.entrypoints.cli.screen import speaking
from fairlead.entrypoints.cli.workplace import quieten

LOCAL = Principal()
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _known_roles(values: list[str] | None) -> list[str] | None:
    for value in values or ():
        if value not in ROLES:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(ROLES)}")
    return values


def seconds(text: str) -> float:
    """Return the seconds that a text such as `30m`, `8h` or `7d` stands for."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time such as 30m, 8h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]


User = Annotated[str, typer.Option("--user", metavar="NAME", help="Whom the token names.")]
OfTenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The user's tenant.")]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        callback=_known_roles,
        help="viewer, operator, approver or admin; once for each.",
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="What is granted, such as refunds:write, refunds:* or *; once for each.",
    ),
]
Expires = Annotated[
    str, typer.Option("--expires", metavar="TIME", help="How long it is valid: 30m, 8h, 7d.")
]
Token = Annotated[str, typer.Argument(metavar="TOKEN", help="The token; - reads it from stdin.")]


def init(*, app: App = HERE) -> None:
    """Make the key that signs local tokens, unless it is there."""
    with speaking(as_json=False) as screen:
        quieten()
        from fairlead.operations import load_settings, make_token_key

        settings = load_settings(app)
        made = make_token_key(settings, by=principal_of_command(settings))
        what = "made the key" if made else "the key is there already:"
        screen.line(f"{what} {settings.identity.key_file}")


def create(
    *,
    user: User,
    tenant: OfTenant = LOCAL.tenant,
    role: Roles = None,
    scope: Scopes = None,
    expires: Expires = f"{LIFETIME_S / 3600:g}h",
    app: App = HERE,
) -> None:
    """Print a token that says who asks. It is kept nowhere: this is the only time it is seen.

    Without --scope it grants no tool that names a scope.
    """
    lifetime_s = seconds(expires)
    roles: tuple[Role, ...] = tuple(one for one in ROLES if one in (role or ()))
    grant = Grant(
        user=user, tenant=tenant, roles=roles, scopes=tuple(scope or ()), lifetime_s=lifetime_s
    )
    with speaking(as_json=False) as screen:
        quieten()
        from fairlead.operations import create_token, load_settings

        settings = load_settings(app)
        screen.line(create_token(settings, grant, by=principal_of_command(settings)))


def show(token: Token, *, app: App = HERE, as_json: AsJson = False) -> None:
    """Verify a token, and print what it says."""
    with speaking(as_json=as_json) as screen:
        quieten()
        from fairlead.operations import load_settings, token_claims

        claims = token_claims(load_settings(app), read(token))
        if screen.as_json:
            screen.json(claims)
        else:
            for name, value in sorted(claims.items()):
                screen.line(f"{name}  {canonical_json(value)}")
