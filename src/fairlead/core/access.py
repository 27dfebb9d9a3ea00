"""What each verb of an operator needs: one table for every way in."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from fairlead.core.errors import FourEyes, RoleMissing, TokenMissing
from fairlead.core.identity import ROLES, Principal, Role
from fairlead.core.kill import KillScope

Need: TypeAlias = Role | Literal["anyone", "open", "key"]
"""A role; or `anyone` with a verified name where identity is required; or `open`, which asks for
nobody; or `key`: an admin, or without any token whoever can read the key file."""

VERBS: dict[str, Need] = {
    "init": "open",
    "version": "open",
    "intent show": "open",
    "check": "operator",
    "ingest": "operator",
    "run": "anyone",
    # It is a process and no person, and acts for whoever asked each of its runs.
    "worker": "open",
    # They read and write the app's own files, as whoever edits them could.
    "mcp list": "open",
    "mcp pin": "open",
    "mcp diff": "open",
    "release create": "operator",
    "release list": "viewer",
    "release show": "viewer",
    "release diff": "viewer",
    "release activate": "operator",
    "release activate --override": "admin",
    "rollback": "operator",
    "rollback --drill": "operator",
    # It is a process and no person, as `worker` is.
    "up": "open",
    "rollout start": "operator",
    "rollout start --override": "admin",
    "rollout status": "viewer",
    "rollout list": "viewer",
    "rollout promote": "approver",
    "rollout promote --override": "admin",
    "rollout pause": "operator",
    "rollout abort": "operator",
    "feedback": "operator",
    # An environment may ask for a stricter role than that; see `core/environments.py`.
    "gate run": "operator",
    "gate show": "viewer",
    "gate approve": "approver",
    "gate deny": "approver",
    "environment list": "viewer",
    "environment show": "viewer",
    "environment set": "admin",
    "dora": "viewer",
    "replay": "operator",
    "baseline check": "open",
    "baseline try": "operator",
    "baseline publish": "admin",
    "baseline enforce": "admin",
    "baseline list": "viewer",
    "baseline show": "viewer",
    "baseline diff": "viewer",
    "policy try": "operator",
    "policy diffs": "viewer",
    "runs list": "viewer",
    "runs show": "viewer",
    "runs cancel": "operator",
    "runs pause": "operator",
    "runs resume": "operator",
    "runs retry": "operator",
    "runs fork": "operator",
    "runs move": "operator",
    "runs send": "operator",
    "runs stream": "viewer",
    "runs prune": "operator",
    "conversations list": "viewer",
    "conversations show": "viewer",
    "approvals list": "viewer",
    "approvals show": "viewer",
    "approvals approve": "approver",
    "approvals deny": "approver",
    "effects list": "viewer",
    "effects resolve": "operator",
    "memory search": "viewer",
    "memory show": "viewer",
    "memory history": "viewer",
    "memory stats": "viewer",
    "memory add": "operator",
    # To vouch for a whole file is an endorsement, as `memory promote` is.
    "memory add --trusted": "approver",
    "memory supersede": "operator",
    "memory quarantine": "operator",
    "memory promote": "approver",
    "memory retract": "operator",
    "memory forget": "operator",
    "memory embed": "operator",
    "memory export": "admin",
    "events list": "viewer",
    "events verify": "viewer",
    "audit init": "admin",
    "audit checkpoint": "operator",
    "audit verify": "viewer",
    "audit export": "operator",
    "memory erase": "admin",
    "memory verify": "operator",
    "budgets list": "viewer",
    # A backup holds what every tenant said.
    "backup": "admin",
    "restore": "admin",
    **{f"kill {scope}": "operator" for scope in get_args(KillScope)},
    "kill list": "viewer",
    "kill lift": "operator",
    "token init": "key",
    "token create": "key",
    "token show": "open",
}
"""Every verb, as the command line names it, with what it needs. What is not here is refused."""


def permit(principal: Principal | None, verb: str, *, required: bool) -> None:
    """Refuse a verb that a principal may not do.

    Args:
        principal: Whom a verified token names; None without a token: the user of this machine,
            who may do everything unless identity is required.
        verb: One of VERBS.
        required: Whether the app wants to know who asks.

    Raises:
        TokenMissing: There is no token, and one is required.
        RoleMissing: The principal's roles do not allow it, or the verb is unknown.
    """
    need = VERBS.get(verb)
    if need is None:
        raise RoleMissing(f"no role allows {verb!r}: it is no known verb")
    if need == "open":
        return
    if principal is None:
        if required and need != "key":
            raise TokenMissing(f"{verb} needs a token here: `identity.required` is set")
        return
    if need == "anyone":
        return
    role: Role = "admin" if need == "key" else need
    if not principal.acts_as(role):
        has = ", ".join(principal.roles) or "no role"
        raise RoleMissing(f"{verb} needs the role {role}; {principal.user} has {has}")


def permit_kill(principal: Principal | None, scope: KillScope, which: str, *, shared: bool) -> None:
    """Refuse a kill switch that reaches runs of other tenants to everybody but an admin.

    Args:
        principal: Who pulls or lifts it, with the role for that; None without a token.
        scope: What kind of thing it stops.
        which: Its name.
        shared: Whether other tenants than the principal's have runs here.

    Raises:
        RoleMissing: It stops runs of other tenants, and the principal is no admin.
    """
    if principal is None or "admin" in principal.roles:
        return
    # Where there is one tenant, whoever is on call stops everything without an admin.
    if which != principal.tenant if scope == "tenant" else shared:
        raise RoleMissing(
            f"a switch for {scope} {which} stops runs of other tenants than {principal.tenant} and "
            f"needs the role admin; {principal.user} has {', '.join(principal.roles) or 'no role'}"
        )


def permit_role(principal: Principal | None, role: str, *, what: str) -> None:
    """Refuse what needs a role that a policy names.

    Args:
        principal: Who acts; None without a token: the user of this machine.
        role: The role; one that nobody can have is refused to everybody but an admin.
        what: What is to be done, for the message.

    Raises:
        RoleMissing: The principal has not the role.
    """
    if principal is None or "admin" in principal.roles:
        return
    known = [one for one in ROLES if one == role]
    if not known or not principal.acts_as(known[0]):
        has = ", ".join(principal.roles) or "no role"
        raise RoleMissing(f"{what} needs the role {role}; {principal.user} has {has}")


def permit_answer(
    principal: Principal | None, *, asker: Principal, starters: tuple[str, ...], four_eyes: bool
) -> None:
    """Refuse an answer to an approval that a principal may not give.

    Args:
        principal: Who answers; None without a token.
        asker: For whom the run acts.
        starters: Who else started it, by forking or retrying another run.
        four_eyes: Whether whoever starts a run may not agree to its calls.

    Raises:
        RoleMissing: The approval is another tenant's.
        FourEyes: Whoever answers started the run, or nobody verified who started or answers.
    """
    if (
        principal is not None
        and principal.tenant != asker.tenant
        and "admin" not in principal.roles
    ):
        raise RoleMissing(
            f"the approval belongs to tenant {asker.tenant}, and {principal.user} to "
            f"{principal.tenant}; only an admin answers for another tenant"
        )
    if not four_eyes:
        return
    # What cannot be told apart counts as the same.
    if principal is None or not asker.verified:
        whose = "answers" if principal is None else "started the run"
        raise FourEyes(f"no token says who {whose}, and `identity.four_eyes` is set")
    if principal.user in (asker.user, *starters):
        raise FourEyes(f"{principal.user} started the run, and may not agree to its calls")
