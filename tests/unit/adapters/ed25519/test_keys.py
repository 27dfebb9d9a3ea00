"""Keys in files: who can read them, and what they sign."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fairlead.adapters.ed25519.keys import load_signer, load_verifier, make_keys, public_of
from fairlead.core.errors import AuditKeyExists, AuditKeyMissing


def test_what_a_private_key_signs_its_public_part_verifies(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.key"
    key = make_keys(path)
    signer, verifier = load_signer(path), load_verifier(public_of(path))
    assert (signer.key, verifier.keys) == (key, {key})
    signature = signer.sign(b"message")
    assert verifier.verifies(key, b"message", signature)
    for bad in ("", "zz", "00" * 64, signature[:-2], signature[2:] + "00"):
        assert not verifier.verifies(key, b"message", bad)
    assert not verifier.verifies(key, b"another", signature)
    assert not verifier.verifies("other", b"message", signature)


def test_only_its_owner_can_read_a_private_key(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    make_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_never_written_over_and_an_old_one_still_verifies(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    old = make_keys(path)
    before = path.read_bytes()
    with pytest.raises(AuditKeyExists):
        make_keys(path)
    assert path.read_bytes() == before
    signature = load_signer(path).sign(b"message")
    path.rename(tmp_path / "old.key")
    new = make_keys(path)
    verifier = load_verifier(public_of(path))
    assert verifier.keys == {old, new}
    assert verifier.verifies(old, b"message", signature)
    assert not verifier.verifies(new, b"message", signature)


RSA = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("text", [None, "", "words", RSA, "-----END PUBLIC KEY-----"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    for load in (load_signer, load_verifier):
        with pytest.raises(AuditKeyMissing, match=str(path)):
            load(path)


def test_a_key_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditKeyMissing):
        make_keys(tmp_path / "file" / "audit.key")
