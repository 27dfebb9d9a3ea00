"""The local key: one file that its owner alone can read."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.core.errors import KeysUnavailable

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

KEY_BYTES_MAX = 10_000


def make_key(path: Path) -> bool:
    """Make an Ed25519 key in a file of mode 0600, unless the file is there.

    Args:
        path: The file.

    Returns:
        Whether it was made.

    Raises:
        KeysUnavailable: It cannot be written.
    """
    from joserfc.jwk import OKPKey

    if path.exists():
        return False
    key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True)
    text = json.dumps(key.as_dict(private=True))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # Whole or not at all, and never in place of a key that another process just made.
            with suppress(FileExistsError):
                os.link(draft, path)
                return True
            return False
        finally:
            draft.unlink()
    except OSError as error:
        message = f"the key file {path} cannot be written: {error.strerror}"
        raise KeysUnavailable(message, file=str(path)) from error


def read_key(path: Path) -> OKPKey:
    """Read the local key.

    Args:
        path: Its file.

    Raises:
        KeysUnavailable: It is not there, is no key, or others can read it.
    """
    from joserfc.jwk import OKPKey

    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                message = f"others can read the key file {path}: chmod 600, or make another one"
                raise KeysUnavailable(message, file=str(path))
            data = file.read(KEY_BYTES_MAX)
    except OSError as error:
        message = f"the key file {path} cannot be read: {error.strerror}"
        raise KeysUnavailable(message, file=str(path)) from error
    try:
        key = OKPKey.import_key(json.loads(data))
        if key.as_dict()["crv"] != "Ed25519" or not key.is_private or not key.kid:
            raise ValueError("another key")
    except Exception:  # noqa: BLE001 - a library's error may quote the key
        message = f"the key file {path} holds no private Ed25519 key"
        raise KeysUnavailable(message, file=str(path)) from None
    return key
