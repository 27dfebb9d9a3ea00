"""Keys in files: a private one that only its owner can read, and public ones beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.core.errors import AuditKeyExists, AuditKeyMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_END = b"-----END PUBLIC KEY-----"
_KEY_DIGITS = 32
_BYTES_MAX = 100_000


class Ed25519Signer:
    """Signs with a private key.

    Attributes:
        key: Which key it is: the first digits of the digest of its public part.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key = _name(private.public_key())

    def sign(self, message: bytes) -> str:
        """Return a signature in hex digits."""
        return self._private.sign(message).hex()


class Ed25519Verifier:
    """Checks signatures.

    Attributes:
        keys: Which keys it has.
    """

    def __init__(self, public: dict[str, Ed25519PublicKey]) -> None:
        self._public = public
        self.keys = frozenset(public)

    def verifies(self, key: str, message: bytes, signature: str) -> bool:
        """Whether a message was signed with one of the keys."""
        from cryptography.exceptions import InvalidSignature

        public = self._public.get(key)
        if public is None:
            return False
        try:
            public.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


def public_of(path: Path) -> Path:
    """Return where the public key of a private one stands."""
    return path.with_name(f"{path.name}.pub")


def make_keys(path: Path) -> str:
    """Make a private key that only its owner can read, and put its public part beside it.

    A public file that is there keeps its keys: what an earlier key signed can still be checked.

    Args:
        path: Where the private key goes.

    Returns:
        Which key it is.

    Raises:
        AuditKeyExists: There is one.
        AuditKeyMissing: The file cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = private.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    if path.exists():
        raise AuditKeyExists(f"there is a key in {path}", file=str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # First what verifies: a key that signs and whose public part is nowhere proves nothing.
        _write(public_of(path), public, os.O_APPEND, 0o644)
        _write(path, secret, os.O_EXCL, 0o600)
    except OSError as error:
        message = f"the key {path} cannot be made: {error.strerror}"
        raise AuditKeyMissing(message, file=str(path)) from error
    return _name(private.public_key())


def load_signer(path: Path) -> Ed25519Signer:
    """Read a private key.

    Raises:
        AuditKeyMissing: There is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "an Ed25519 private key") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _no_key(path, "an Ed25519 private key")
    return Ed25519Signer(private)


def load_verifier(path: Path) -> Ed25519Verifier:
    """Read public keys.

    Raises:
        AuditKeyMissing: There is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: dict[str, Ed25519PublicKey] = {}
    try:
        for part in _read(path).split(_END)[:-1]:
            public = load_pem_public_key(part.lstrip() + _END)
            if not isinstance(public, Ed25519PublicKey):
                raise _no_key(path, "only Ed25519 public keys")
            found[_name(public)] = public
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "an Ed25519 public key") from error
    if not found:
        raise _no_key(path, "an Ed25519 public key")
    return Ed25519Verifier(found)


def _no_key(path: Path, what: str) -> AuditKeyMissing:
    return AuditKeyMissing(f"{path} does not hold {what}", file=str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES_MAX)
    except OSError as error:
        message = f"the key {path} cannot be read: {error.strerror}"
        raise AuditKeyMissing(message, file=str(path)) from error


def _write(path: Path, data: bytes, how: int, mode: int) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | how, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:_KEY_DIGITS]
