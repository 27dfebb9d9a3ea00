"""Who asks, and whether they may: FL-53x. No message quotes a token."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class TokenMissing(FairleadError):
    """The app wants to know who asks, and there is no token."""

    code = "FL-530"
    hint = "Hand over a token: --token-file FILE, or FAIRLEAD_TOKEN; nothing was started."


class TokenUnreadable(FairleadError):
    """A token is no signed JWT, is too large, or lacks a claim."""

    code = "FL-531"
    hint = "Get a new token, and hand it over whole; nothing was started."


class TokenAlgorithm(FairleadError):
    """A token is signed with an algorithm that is not allowed."""

    code = "FL-532"
    hint = "Let the issuer sign with one of `identity.algorithms`; nothing was started."


class TokenKeyUnknown(FairleadError):
    """A token names a key that the issuer does not have."""

    code = "FL-533"
    hint = "Get a new token; if it is new, look at the issuer's keys. Nothing was started."


class TokenForged(FairleadError):
    """A token's signature does not hold."""

    code = "FL-534"
    hint = "Get a new token: this one was changed, or another key signed it. Nothing was started."


class TokenExpired(FairleadError):
    """A token is not valid any more, or not yet."""

    code = "FL-535"
    hint = "Get a new token; if it is new, compare the clocks. Nothing was started."


class TokenForeign(FairleadError):
    """A token comes from another issuer, or is for another audience."""

    code = "FL-536"
    hint = "Compare `identity.issuer` and `identity.audience` with the token's `iss` and `aud`."


class KeysUnavailable(FairleadError):
    """The keys that verify or sign tokens cannot be read."""

    code = "FL-537"
    hint = "Make a key with `fairlead token init`, or see `identity.jwks_file` and `jwks_url`."


class RoleMissing(FairleadError):
    """The principal's roles do not allow this."""

    code = "FL-538"
    hint = "Ask somebody who has the role that the message names; nothing was done."


class FourEyes(FairleadError):
    """Whoever starts a run may not agree to its calls."""

    code = "FL-539"
    hint = "Let another approver, with a token of their own, answer; nothing was done."
