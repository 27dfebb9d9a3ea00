"""Tokens that say who asks."""

from __future__ import annotations

from typing import Any, Protocol

from fairlead.core.identity import Principal
from fairlead.core.tokens import Grant


class Tokens(Protocol):
    """Verifies tokens, and signs those of the local key. No error of it quotes a token."""

    def verify(self, token: str) -> Principal:
        """Return whom a token names.

        Args:
            token: The token as it was handed over.

        Raises:
            TokenUnreadable: It is no signed JWT, is too large, or lacks a claim.
            TokenAlgorithm: It is signed with an algorithm that is not allowed.
            TokenKeyUnknown: It names a key that its issuer does not have.
            TokenForged: Its signature does not hold.
            TokenExpired: It is not valid any more, or not yet.
            TokenForeign: It comes from another issuer, or is for another audience.
            KeysUnavailable: The keys cannot be read.
        """
        ...

    def claims(self, token: str) -> dict[str, Any]:
        """Return a token's claims, when it is valid; the same errors as `verify`."""
        ...

    def make_key(self) -> bool:
        """Make the local key, unless it is there; say whether it was made.

        Raises:
            KeysUnavailable: It cannot be written.
        """
        ...

    def sign(self, grant: Grant) -> str:
        """Sign a token with the local key, which is made when it is not there.

        Raises:
            InvalidInput: A name, a scope or the lifetime is out of bounds.
            KeysUnavailable: The key can be neither read nor made.
        """
        ...
