"""The archive of a release: what its two digests were computed from, to be executed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fairlead.core.archive import Archive, pack, unpack
from fairlead.core.errors import (
    ArchiveDamaged,
    ArchiveTooLarge,
    CodeMismatch,
    InvalidConfig,
    SecretInRelease,
)
from fairlead.core.release import Release
from fairlead.delivery.resolve import (
    bundle_digest,
    code_digest,
    read_config,
    release_config,
    versions_here,
)
from fairlead.guardrails.content import SECRETS, redacted
from fairlead.ports.app_files import AppFiles
from fairlead.settings import APP_FILE

_CODE, _BUNDLE = "code/", "bundle/"

_BY_FORM = tuple(kind for kind in SECRETS if kind not in ("named-secret", "url-password"))
"""Secrets that are known by their form. In code a name is a variable's, and an address an example;
in `fairlead.toml` both are values."""


def archive_of(files: AppFiles, most: int) -> Archive:
    """Return the archive of an app's files.

    Of `fairlead.toml` it holds what a release is made from, and not what says how a process runs:
    that may be another one elsewhere, and may hold the password of a database.

    Args:
        files: The app's files.
        most: Most bytes of the archive.

    Raises:
        ArchiveTooLarge: It has more, or a file whose path no archive can hold.
        SecretInRelease: A file holds a secret.
    """
    size = sum(len(data) for part in (files.code, files.bundle) for data in part.values())
    if size > most:
        # Said before all of it is copied.
        raise ArchiveTooLarge(f"the app's files have {size} bytes, and {most} is the most")
    bundle = {**files.bundle, APP_FILE: _toml(release_config(read_config(files))).encode()}
    _refuse_secrets({**files.code, **bundle})
    members = {_CODE + path: data for path, data in files.code.items()}
    members |= {_BUNDLE + path: data for path, data in bundle.items()}
    try:
        archive = pack(members)
    except ValueError as error:
        raise ArchiveTooLarge(f"no archive can hold the app's files: {error}") from error
    if len(archive.data) > most:
        raise ArchiveTooLarge(
            f"the archive has {len(archive.data)} bytes, and {most} is the most",
            archive=archive.digest,
        )
    return archive


def files_of(release: Release, archive: Archive | None) -> AppFiles:
    """Return the files that a release was made from.

    Args:
        release: The release.
        archive: Its archive as it is on record; None when it is not there.

    Raises:
        CodeMismatch: Its code cannot be executed here: it needs another Python or Fairlead.
        ArchiveDamaged: They are not what the release was made from.
    """
    manifest = release.manifest
    needs, here = (manifest.python, manifest.fairlead), versions_here()
    if needs != here:
        raise CodeMismatch(
            f"release {release.id} needs Python {needs[0]} and Fairlead {needs[1]}, and here are "
            f"Python {here[0]} and Fairlead {here[1]}",
            release=release.digest,
        )
    try:
        if archive is None:
            raise ValueError("it is not there")
        files = _split(unpack(archive))
        pairs = (
            ("code", manifest.code_digest, code_digest(files)),
            ("bundle", manifest.bundle_digest, bundle_digest(files, read_config(files))),
        )
        for what, said, found in pairs:
            if said != found:
                raise ValueError(f"the digest of its {what} is {found[:12]}, not {said[:12]}")
    except (ValueError, RecursionError, InvalidConfig) as error:
        raise ArchiveDamaged(
            f"the archive of release {release.id} is damaged: {error}", release=release.digest
        ) from error
    return files


def _split(members: Mapping[str, bytes]) -> AppFiles:
    code = {p.removeprefix(_CODE): d for p, d in members.items() if p.startswith(_CODE)}
    bundle = {p.removeprefix(_BUNDLE): d for p, d in members.items() if p.startswith(_BUNDLE)}
    if len(code) + len(bundle) != len(members) or APP_FILE not in bundle:
        raise ValueError("it does not hold the files of an app")
    if any(bundle.get(path, data) != data for path, data in code.items()):
        raise ValueError("it has two files of one path")
    return AppFiles(code=code, bundle=bundle)


def _refuse_secrets(files: Mapping[str, bytes]) -> None:
    """Refuse files that hold a secret: what is in the database is in every backup of it."""
    found = []
    for path, data in files.items():
        try:
            kinds = SECRETS if path == APP_FILE else _BY_FORM
            found += [(path, one.kind) for one in redacted(data.decode(), kinds)[1]]
        except UnicodeDecodeError:
            continue  # It is no text.
    if found:
        what = "; ".join(f"{path} holds a secret ({kind})" for path, kind in found[:5])
        raise SecretInRelease(what)


def _toml(config: Mapping[str, Any]) -> str:
    """Return a table as TOML, one line for each of its keys."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in sorted(config.items()))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (f"{_text(key)} = {_value(item)}" for key, item in sorted(value.items()))
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # A string of JSON is one of TOML, but for one character that TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
