"""Who operates: a token becomes a principal, and the principal's roles allow each verb, or not."""

from __future__ import annotations

import getpass
from dataclasses import replace
from typing import Any

from fairlead.bootstrap import Platform, make_tokens
from fairlead.core.access import permit
from fairlead.core.errors import InvalidInput, UnknownRun
from fairlead.core.identity import Principal
from fairlead.core.tokens import Grant
from fairlead.ports.runs import Order, RunRecord
from fairlead.settings import Settings


def authenticate(where: Platform | Settings, token: str) -> Principal:
    """Return whom a token names, when it is valid.

    Args:
        where: The open platform, which keeps an issuer's keys for the next token; or settings.
        token: The token as it was handed over.

    Raises:
        FairleadError: It is not valid: FL-531 to FL-537. No message quotes it.
    """
    tokens = where.tokens if isinstance(where, Platform) else make_tokens(where)
    return tokens.verify(token.strip())


def acting(platform: Platform, principal: Principal | None) -> Platform:
    """Return a platform on which every operation is the principal's, and needs its roles.

    Args:
        platform: The open platform.
        principal: Whom `authenticate` returned; None for the user of this machine.
    """
    return replace(platform, principal=principal)


def allow(platform: Platform, verb: str) -> None:
    """Refuse a verb that whoever acts on a platform may not do.

    Args:
        platform: The open platform.
        verb: As the command line names it, such as `runs cancel`.

    Raises:
        TokenMissing: There is no token, and `identity.required` is set.
        RoleMissing: The roles of the principal do not allow it.
    """
    permit(platform.principal, verb, required=platform.settings.identity.required)


def ordered(platform: Platform, verb: str, order: Order) -> Order:
    """Return an order in the name of whoever acts on a platform, when they may give it.

    Args:
        platform: The open platform.
        verb: As the command line names it.
        order: Who and why; a verified principal stands in place of its `by`.

    Raises:
        TokenMissing: There is no token, and `identity.required` is set.
        RoleMissing: The roles of the principal do not allow it.
    """
    allow(platform, verb)
    if platform.principal is None:
        return order
    return replace(order, by=platform.principal.user, roles=platform.principal.roles)


def reach(platform: Platform) -> str | None:
    """Return the one tenant whose rows whoever acts on a platform sees; None for all of them.

    Args:
        platform: The open platform.
    """
    principal = platform.principal
    return None if principal is None or principal.acts_as("admin") else principal.tenant


def reached_run(platform: Platform, run_id: str) -> RunRecord:
    """Return a run by its id or a prefix, when whoever acts on the platform may see it.

    Args:
        platform: The open platform.
        run_id: The run.

    Raises:
        UnknownRun: There is none, or it is another tenant's.
    """
    run = platform.runs.get(run_id)
    if reach(platform) not in (None, run.principal.tenant):
        raise UnknownRun(f"no run has the id {run_id!r}", run=run_id)
    return run


def chosen_tenant(platform: Platform, tenant: str | None) -> str:
    """Return whose rows are used.

    Args:
        platform: The open platform.
        tenant: Who was named; None for the principal's own, or the default without a token.

    Raises:
        InvalidInput: Another tenant than a verified principal's was named, by no admin.
    """
    own = (platform.principal or Principal()).tenant
    if tenant is not None and reach(platform) not in (None, tenant):
        raise InvalidInput(f"the token is for tenant {own}, and {tenant} was named")
    return own if tenant is None else tenant


def asking(platform: Platform, principal: Principal) -> Principal:
    """Return for whom a run is started: a verified principal wins over one that is only stated.

    Args:
        platform: The open platform.
        principal: Who is stated; the default one states nobody.

    Raises:
        InvalidInput: Somebody else than the verified principal is stated.
    """
    allow(platform, "run")
    verified = platform.principal
    if verified is None:
        return principal
    if principal not in (Principal(), verified):
        raise InvalidInput(f"the token is {verified.user}'s, and {principal.user} was named")
    return verified


def operator(platform: Platform | None = None) -> str:
    """Return who operates: whom a token names, else the user of this process.

    Args:
        platform: The open platform; None asks for the user of this process.
    """
    if platform is not None and platform.principal is not None:
        return platform.principal.user
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def make_token_key(settings: Settings, *, by: Principal | None = None) -> bool:
    """Make the key of local tokens, unless it is there.

    Args:
        settings: Where it is kept.
        by: Who does it; None for the user of this machine.

    Returns:
        Whether it was made.

    Raises:
        RoleMissing: They are no admin.
        KeysUnavailable: It cannot be written.
    """
    permit(by, "token init", required=settings.identity.required)
    return make_tokens(settings).make_key()


def create_token(settings: Settings, grant: Grant, *, by: Principal | None = None) -> str:
    """Sign a token with the local key; it is kept nowhere.

    Args:
        settings: Where the key is, and how long a token may be valid.
        grant: What it says.
        by: Who does it; None for the user of this machine, who can read the key.

    Raises:
        RoleMissing: They are no admin.
        InvalidInput: A name, a scope or the lifetime is out of bounds.
        KeysUnavailable: The key cannot be read, or not be made; where identity is required or an
            issuer is trusted, none is made here, and `make_token_key` makes it.
    """
    permit(by, "token create", required=settings.identity.required)
    return make_tokens(settings).sign(grant)


def token_claims(settings: Settings, token: str) -> dict[str, Any]:
    """Return what a token says, when it is valid.

    Args:
        settings: Who vouches for whom.
        token: The token.

    Raises:
        FairleadError: It is not valid: FL-531 to FL-537.
    """
    return make_tokens(settings).claims(token.strip())
