"""Keys and files of the audit; what uses them does not know what they are made of."""

from __future__ import annotations

from pathlib import Path

from fairlead.ports.audit import CheckpointFile, Signer, Verifier


def checkpoint_file(path: Path) -> CheckpointFile:
    """Return a file of checkpoints, which need not be there yet."""
    from fairlead.adapters.files.checkpoints import JsonlCheckpointFile

    return JsonlCheckpointFile(path)


def make_keys(path: Path) -> str:
    """Make a private key, with its public part beside it; return which key it is.

    Raises:
        AuditKeyExists: There is one.
        AuditKeyMissing: It cannot be written.
    """
    from fairlead.adapters.ed25519.keys import make_keys

    return make_keys(path)


def load_signer(path: Path) -> Signer:
    """Read a private key.

    Raises:
        AuditKeyMissing: There is none.
    """
    from fairlead.adapters.ed25519.keys import load_signer

    return load_signer(path)


def load_verifier(path: Path) -> Verifier:
    """Read public keys.

    Raises:
        AuditKeyMissing: There is none.
    """
    from fairlead.adapters.ed25519.keys import load_verifier

    return load_verifier(path)


def public_of(path: Path) -> Path:
    """Return where the public part of a key stands."""
    from fairlead.adapters.ed25519.keys import public_of

    return public_of(path)
